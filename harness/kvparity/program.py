"""A scenario made ready to play: one op an operation, a decode spelled out, the inputs painted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod

import mlx.core as mx

from kvparity.labels import label
from kvparity.layouts import Layout, Layouts
from kvparity.paint import Paint, Painted, PaintError, Side, shared
from kvscenarios import Scenario, ScenarioError
from kvscenarios.errors import Problem
from kvscenarios.expect import Expect
from kvscenarios.steps import MakingStep, Step
from kvscenarios.steps.masks import DynamicRoll, OfAModel
from kvscenarios.steps.one import Decode, FromState, SetSlot, SetState, Update
from kvscenarios.tensors import ShapedTensor, TokenTensor

_REMEMBERED = 4096
"""Steps whose arrays are kept: scenarios have many in common."""
_LONG = 16
_LOOKS = 8
"""In a decode of more than 16 tokens, what is held is looked at every eighth."""
_SIDES: tuple[Side, Side] = ("keys", "values")


@dataclass(slots=True)  # frozen, it would cost three times as much to make
class Op:
    """One operation: the step it belongs to, and which of the step's tokens, for a decode.

    `expect` stands at the last op of its step, which `ends` it. `refused` is the error that a
    hardened subject is to raise here. `roots` are the caches that the targets are, or are in. An op
    is `passing` in the midst of a long decode: the tokens held are looked at every now and then,
    what is returned and the numbers every time.
    """

    name: str
    step: Step
    index: int
    token: int | None
    expect: Expect | None
    makes: str | None
    targets: tuple[str, ...]
    roots: frozenset[str]
    refused: str | None
    ends: bool = True
    passing: bool = False


class _Tensor:
    """An array to be made: what it holds, in what layout, as keys or as values."""

    def __init__(
        self, spec: TokenTensor | ShapedTensor, layout: Layout, side: Side, *, each: bool = False
    ) -> None:
        self._spec = spec
        self._side = side
        self._each = each
        self._dtype = spec.dtype or layout.dtype
        self._last: Paint | None = None
        self._painted: list[Painted] = []
        self.lanes = _lanes(spec, layout, side)

    def painted(self, paint: Paint) -> list[Painted]:
        """The array; or, where each token is an update, one for each of them."""
        if self._last is not paint:
            self._last, self._painted = paint, self._paint(paint)
        return self._painted

    def _paint(self, paint: Paint) -> list[Painted]:
        if isinstance(self._spec, ShapedTensor):
            numbers = mx.arange(1, prod(self._spec.shape) + 1)
            shaped = numbers.reshape(self._spec.shape).astype(getattr(mx, self._spec.dtype))
            return [Painted(shaped)]
        tokens = self._spec.tokens
        parts = [tokens]
        if self._each:
            parts = [tuple([row[at : at + 1] for row in tokens]) for at in range(len(tokens[0]))]
        return [paint.tensor(part, self.lanes, self._dtype, self._side) for part in parts]

    def check(self, paint: Paint) -> None:
        """Raises PaintError where the tokens do not fit the rows, or the dtype."""
        if isinstance(self._spec, ShapedTensor):
            return
        batch = self.lanes[0]
        if len(self._spec.tokens) not in (1, batch):
            raise PaintError(f"{len(self._spec.tokens)} rows of tokens for a batch of {batch}")
        paint.check(self._largest, self._dtype)

    @cached_property
    def _largest(self) -> int:
        assert isinstance(self._spec, TokenTensor)  # noqa: S101 - narrows the type
        return max((max(row, default=0) for row in self._spec.tokens), default=0)


def _lanes(spec: TokenTensor | ShapedTensor, layout: Layout, side: Side) -> tuple[int, int, int]:
    """(batch, heads, lanes): the cache's, but for what the spec says itself."""
    if isinstance(spec, ShapedTensor):
        return 1, 1, 1
    own = layout.head_dim if side == "keys" else layout.value_head_dim
    given = spec.batch, spec.heads, spec.head_dim
    usual = layout.batch, layout.heads, own
    batch, heads, lanes = (
        at if length is None else length for length, at in zip(given, usual, strict=True)
    )
    return batch, heads, lanes


class Program:
    """A scenario's ops, its paint, and fresh inputs for as many sides as play it.

    Raises ScenarioError where its tokens cannot be painted.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.ops = [op for index, step in enumerate(scenario.steps) for op in _ops_of(index, step)]
        layouts = Layouts(scenario.specs)
        self._tensors: list[tuple[_Tensor, ...]] = []
        for step in scenario.steps:
            self._tensors.append(_tensors(step, layouts) if isinstance(step, _GIVEN) else ())
            if step.expect is None or step.expect.error is None:
                # What is to be refused changes no cache.
                layouts.take(step)
        self.paint = _paint(layouts.all, self._tensors)
        for index, tensors in enumerate(self._tensors):
            for tensor in tensors:
                self._check(index, tensor)

    def looks_at(self, op: Op) -> bool:
        """Whether what the caches hold is looked at after an op that is not the last."""
        return self.scenario.look == "always" or op.expect is not None

    def label(self, op: Op) -> str:
        """The op as a person would call it."""
        return label(op.step, op.token)

    def step_labels(self) -> list[str]:
        """The steps as a person would call them, a decode with all its tokens."""
        return [label(step) for step in self.scenario.steps]

    def inputs(self) -> list[tuple[mx.array, ...]]:
        """The arrays that each op is given, under handles of their own for whoever plays them.

        What one side writes to a handle, no other side sees.
        """
        return [tuple([one.array[...] for one in arrays]) for arrays in self.painted]

    @cached_property
    def painted(self) -> list[tuple[Painted, ...]]:
        """The arrays that each op is given, as they were painted."""
        painted: list[tuple[Painted, ...]] = []
        for step, tensors in zip(self.scenario.steps, self._tensors, strict=True):
            arrays = [tensor.painted(self.paint) for tensor in tensors]
            if arrays:
                painted += zip(*arrays, strict=True)
            elif not isinstance(step, Decode):
                painted.append(())
        return painted

    def _check(self, index: int, tensor: _Tensor) -> None:
        try:
            tensor.check(self.paint)
        except PaintError as error:
            scenario = self.scenario
            line = scenario.step_lines[index] if scenario.step_lines else scenario.line
            problem = Problem(str(error), scenario.file, line, scenario.name, index + 1)
            raise ScenarioError([problem]) from None


def _ops_of(index: int, step: Step) -> Iterator[Op]:
    makes = step.as_ if isinstance(step, MakingStep) else None
    refused = step.expect.error if step.expect else None
    targets = step.targets
    roots = frozenset([name.partition(".")[0] for name in targets])
    if not isinstance(step, Decode):
        yield Op(step.op, step, index, None, step.expect, makes, targets, roots, refused)
        return
    last = len(step.decode[0]) - 1
    for token in range(last):
        passing = last >= _LONG and bool((last - token) % _LOOKS)
        yield Op("decode", step, index, token, None, None, targets, roots, None, False, passing)
    if last >= 0:
        yield Op("decode", step, index, last, step.expect, None, targets, roots, refused)


_GIVEN = (Decode, Update, OfAModel, SetSlot, DynamicRoll, SetState, FromState)
"""The steps whose operations are given arrays."""


def _tensors(step: Step, layouts: Layouts) -> tuple[_Tensor, ...]:
    """The arrays that the step's operation is given."""
    layout = layouts.of(step.targets[0]) if step.targets else Layout()
    if isinstance(step, Decode):
        return _decoded(step.decode, layout) if step.decode[0] else ()
    if isinstance(step, Update):
        keys, values = step.update.keys, step.update.values
        return _pair(keys, keys if values is None else values, layout)
    if isinstance(step, OfAModel):
        return _hidden((layout.rows, step.args.n, 1), layout.dtype)
    if isinstance(step, SetSlot):
        to = step.set_slot.to
        return () if to is None else (_Tensor(to, layout, "keys"),)
    if isinstance(step, DynamicRoll):
        rows = step.dynamic_roll.tokens
        spec = TokenTensor.model_construct(tokens=rows)
        return (_Tensor(spec, Layout(len(rows), 1, 1, 1), "keys"),)
    if isinstance(step, SetState):
        return _state(step.set_state, layout)
    if isinstance(step, FromState):
        return _state(step.from_state.state, Layout.of(step.from_state.geometry))
    return ()


@lru_cache(maxsize=_REMEMBERED)
def _pair(
    keys: TokenTensor | ShapedTensor, values: TokenTensor | ShapedTensor, layout: Layout
) -> tuple[_Tensor, ...]:
    return _Tensor(keys, layout, "keys"), _Tensor(values, layout, "values")


@lru_cache(maxsize=_REMEMBERED)
def _hidden(shape: tuple[int, ...], dtype: str) -> tuple[_Tensor, ...]:
    spec = ShapedTensor.model_construct(shape=shape, dtype=dtype)
    return (_Tensor(spec, Layout(), "keys"),)


@lru_cache(maxsize=_REMEMBERED)
def _decoded(tokens: tuple[tuple[int, ...], ...], layout: Layout) -> tuple[_Tensor, ...]:
    spec = TokenTensor.model_construct(tokens=tokens)
    return tuple([_Tensor(spec, layout, side, each=True) for side in _SIDES])


def _state(parts: Sequence[TokenTensor | ShapedTensor], layout: Layout) -> tuple[_Tensor, ...]:
    return tuple([_Tensor(part, layout, _SIDES[at % 2]) for at, part in enumerate(parts)])


def _paint(layouts: list[Layout], tensors: list[tuple[_Tensor, ...]]) -> Paint:
    shapes = {shape for layout in layouts for shape in _shapes(layout)}
    shapes.update(tensor.lanes for group in tensors for tensor in group)
    batch, heads, lanes = map(max, zip(*(shapes or _shapes(Layout())), strict=True))
    return shared(batch, heads, lanes)


def _shapes(layout: Layout) -> Iterator[tuple[int, int, int]]:
    yield layout.batch, layout.heads, max(layout.head_dim, layout.value_head_dim)
    for child in layout.children:
        yield from _shapes(child)
