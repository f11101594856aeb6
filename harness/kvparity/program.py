"""A scenario made ready to play: one op an operation, a decode spelled out, the inputs painted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
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

_LONG = 16
_LOOKS = 8
"""In a decode of more than 16 tokens, what is held is looked at every eighth."""
_SIDES: tuple[Side, Side] = ("keys", "values")


@dataclass(slots=True)  # frozen, it would cost three times as much to make
class Op:
    """One operation: the step it belongs to, and which of the step's tokens, for a decode.

    `expect` stands at the last op of its step, which `ends` it. `refused` is the error that a
    hardened subject is to raise here. An op is `passing` in the midst of a long decode: the tokens
    held are looked at every now and then, what is returned and the numbers every time.
    """

    name: str
    step: Step
    index: int
    token: int | None
    expect: Expect | None
    makes: str | None
    targets: tuple[str, ...]
    refused: str | None
    ends: bool = True
    passing: bool = False


@dataclass
class _Tensor:
    """An array to be made: what it holds, in what layout, as keys or as values."""

    spec: TokenTensor | ShapedTensor
    layout: Layout
    side: Side

    @property
    def dtype(self) -> str:
        """The array's type: its own, or the cache's."""
        return self.spec.dtype or self.layout.dtype

    @cached_property
    def lanes(self) -> tuple[int, int, int]:
        """(batch, heads, lanes): the cache's, but for what the spec says itself."""
        if isinstance(self.spec, ShapedTensor):
            return 1, 1, 1
        own = self.layout.head_dim if self.side == "keys" else self.layout.value_head_dim
        given = self.spec.batch, self.spec.heads, self.spec.head_dim
        usual = self.layout.batch, self.layout.heads, own
        batch, heads, lanes = (
            at if length is None else length for length, at in zip(given, usual, strict=True)
        )
        return batch, heads, lanes

    def paint(self, paint: Paint, token: int | None = None) -> Painted:
        """The array, or that of one of its tokens alone."""
        if isinstance(self.spec, ShapedTensor):
            numbers = mx.arange(1, prod(self.spec.shape) + 1)
            shaped = numbers.reshape(self.spec.shape).astype(getattr(mx, self.spec.dtype))
            return Painted(shaped)
        rows = self.spec.tokens
        if token is not None:
            rows = tuple([row[token : token + 1] for row in rows])
        return paint.tensor(rows, self.lanes, self.dtype, self.side)

    def check(self, paint: Paint) -> None:
        """Raises PaintError where the tokens do not fit the rows, or the dtype."""
        if isinstance(self.spec, ShapedTensor):
            return
        batch = self.lanes[0]
        if len(self.spec.tokens) not in (1, batch):
            raise PaintError(f"{len(self.spec.tokens)} rows of tokens for a batch of {batch}")
        largest = max((max(row, default=0) for row in self.spec.tokens), default=0)
        paint.check(largest, self.dtype)


class Program:
    """A scenario's ops, its paint, and fresh inputs for as many sides as play it.

    Raises ScenarioError where its tokens cannot be painted.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.ops = [op for index, step in enumerate(scenario.steps) for op in _ops_of(index, step)]
        layouts = Layouts(scenario.specs)
        self._tensors: list[list[_Tensor]] = []
        seen = [layouts.of(name) for name in scenario.specs]
        for step in scenario.steps:
            self._tensors.append(list(_tensors(step, layouts)))
            if step.expect is None or step.expect.error is None:
                # What is to be refused changes no cache.
                layouts.take(step)
            seen += [layouts.of(name) for name in _named(step)]
        self.paint = _paint(seen or [Layout()], self._tensors)
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
            count = len(step.decode[0]) if isinstance(step, Decode) else 1
            for token in range(count):
                only = token if isinstance(step, Decode) else None
                painted.append(tuple([tensor.paint(self.paint, only) for tensor in tensors]))
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
    if not isinstance(step, Decode):
        yield Op(step.op, step, index, None, step.expect, makes, step.targets, refused)
        return
    last = len(step.decode[0]) - 1
    for token in range(last):
        passing = last >= _LONG and bool((last - token) % _LOOKS)
        yield Op("decode", step, index, token, None, None, step.targets, None, False, passing)
    if last >= 0:
        yield Op("decode", step, index, last, step.expect, None, step.targets, refused)


def _named(step: Step) -> tuple[str, ...]:
    """The caches that a step is about: those it acts on, and the one it makes."""
    return (*step.targets, step.as_) if isinstance(step, MakingStep) else step.targets


def _tensors(step: Step, layouts: Layouts) -> Iterator[_Tensor]:
    """The arrays that the step's operation is given."""
    layout = layouts.of(step.targets[0]) if step.targets else Layout()
    if isinstance(step, Decode):
        spec = TokenTensor.model_construct(tokens=step.decode)
        if step.decode[0]:
            yield from (_Tensor(spec, layout, side) for side in _SIDES)
    elif isinstance(step, Update):
        keys, values = step.update.keys, step.update.values
        yield _Tensor(keys, layout, "keys")
        yield _Tensor(keys if values is None else values, layout, "values")
    elif isinstance(step, OfAModel):
        shape = (layout.rows, step.args.n, 1)
        hidden = ShapedTensor.model_construct(shape=shape, dtype=layout.dtype)
        yield _Tensor(hidden, layout, "keys")
    elif isinstance(step, SetSlot):
        if step.set_slot.to is not None:
            yield _Tensor(step.set_slot.to, layout, "keys")
    elif isinstance(step, DynamicRoll):
        rows = step.dynamic_roll.tokens
        yield _Tensor(TokenTensor.model_construct(tokens=rows), Layout(len(rows), 1, 1, 1), "keys")
    elif isinstance(step, SetState):
        yield from _state(step.set_state, layout)
    elif isinstance(step, FromState):
        yield from _state(step.from_state.state, Layout.of(step.from_state.geometry))


def _state(parts: Sequence[TokenTensor | ShapedTensor], layout: Layout) -> Iterator[_Tensor]:
    return (_Tensor(part, layout, _SIDES[index % 2]) for index, part in enumerate(parts))


def _paint(layouts: list[Layout], tensors: list[list[_Tensor]]) -> Paint:
    shapes = [shape for layout in layouts for shape in _shapes(layout)]
    shapes += [tensor.lanes for group in tensors for tensor in group]
    batch, heads, lanes = (max(shape[axis] for shape in shapes) for axis in range(3))
    return shared(batch, heads, lanes)


def _shapes(layout: Layout) -> Iterator[tuple[int, int, int]]:
    yield layout.batch, layout.heads, max(layout.head_dim, layout.value_head_dim)
    for child in layout.children:
        yield from _shapes(child)
