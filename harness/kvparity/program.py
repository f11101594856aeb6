"""A scenario made ready to play: one op an operation, a decode spelled out, the inputs painted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mlx.core as mx

from kvparity.paint import Paint, PaintError, Side
from kvscenarios import Scenario, ScenarioError
from kvscenarios.base import Model
from kvscenarios.caches import Geometry
from kvscenarios.errors import Problem
from kvscenarios.expect import Expect
from kvscenarios.steps import (
    Copy,
    Decode,
    FromState,
    KeysValues,
    MakePromptCache,
    MakingStep,
    New,
    SetState,
    ShapedTensor,
    Step,
    TokenTensor,
    Update,
)


@dataclass(frozen=True)
class Op:
    """One operation: the step it belongs to, and which of the step's tokens, for a decode.

    `expect` stands at the last op of its step. `refused` is the error that a hardened subject is to
    raise here.
    """

    name: str
    step: Step
    index: int
    token: int | None
    expect: Expect | None
    makes: str | None
    targets: tuple[str, ...]
    refused: str | None


class Program:
    """A scenario's ops, its paint, and fresh inputs for as many sides as play it."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.ops = _ops(scenario)
        self.geometries = _geometries(scenario)
        self.paint = _paint(scenario, self.geometries)
        self._check_tokens()

    def label(self, op: Op) -> str:
        """The op as a person would call it: `decode 7`, `trim 2`, `make_mask n=1 window_size=2`."""
        return f"{op.name} {_argument(op.step, op.token)}".rstrip()

    def step_labels(self) -> list[str]:
        """The steps as a person would call them, a decode with all its tokens."""
        return [f"{step.op} {_argument(step, None)}".rstrip() for step in self.scenario.steps]

    def inputs(self) -> list[tuple[mx.array, ...]]:
        """The arrays that each op is given, under handles of their own for whoever plays them.

        What one side writes to a handle, no other side sees.
        """
        return [tuple([array[...] for array in arrays]) for arrays in self._painted]

    @cached_property
    def _painted(self) -> list[tuple[mx.array, ...]]:
        painted: list[tuple[mx.array, ...]] = []
        for op in self.ops:
            if op.token is None:
                painted.append(tuple(self._tensors(op.step)))
            elif op.token == 0:
                painted += self._decode_inputs(op.step)
        mx.eval(painted)
        return painted

    def _geometry(self, step: Step) -> Geometry:
        if isinstance(step, FromState):
            return step.from_state.geometry
        return self.geometries.get(step.targets[0] if step.targets else "", Geometry())

    def _decode_inputs(self, step: Step) -> list[tuple[mx.array, ...]]:
        assert isinstance(step, Decode)  # noqa: S101 - narrows the type
        length, geometry = len(step.decode[0]), self._geometry(step)
        keys, values = (
            self._tensor(TokenTensor.model_construct(tokens=step.decode), geometry, side)
            for side in _SIDES
        )
        return list(
            zip(mx.split(keys, length, axis=2), mx.split(values, length, axis=2), strict=True)
        )

    def _tensors(self, step: Step) -> list[mx.array]:
        geometry = self._geometry(step)
        return [self._tensor(spec, geometry, side) for spec, side in _tensor_specs(step)]

    def _tensor(self, spec: TokenTensor | ShapedTensor, geometry: Geometry, side: Side) -> mx.array:
        if isinstance(spec, ShapedTensor):
            count = 1
            for length in spec.shape:
                count *= length
            return mx.arange(1, count + 1).reshape(spec.shape).astype(getattr(mx, spec.dtype))
        shape = _lanes(spec, geometry, side)
        return self.paint.tensor(spec.tokens, shape, spec.dtype or geometry.dtype, side)

    def _check_tokens(self) -> None:
        for index, step in enumerate(self.scenario.steps):
            dtype = self._geometry(step).dtype
            specs = (
                [TokenTensor.model_construct(tokens=step.decode)]
                if isinstance(step, Decode)
                else [spec for spec, _ in _tensor_specs(step) if isinstance(spec, TokenTensor)]
            )
            for spec in specs:
                batch = self._geometry(step).batch if spec.batch is None else spec.batch
                if len(spec.tokens) not in (1, batch):
                    message = f"{len(spec.tokens)} rows of tokens for a batch of {batch}"
                    raise _problem(self.scenario, index, message)
                largest = max((max(row, default=0) for row in spec.tokens), default=0)
                try:
                    self.paint.check(largest, spec.dtype or dtype)
                except PaintError as error:
                    raise _problem(self.scenario, index, str(error)) from None


_SIDES: tuple[Side, Side] = ("keys", "values")


def _ops(scenario: Scenario) -> list[Op]:
    return [op for index, step in enumerate(scenario.steps) for op in _ops_of(index, step)]


def _ops_of(index: int, step: Step) -> Iterator[Op]:
    makes = step.as_ if isinstance(step, MakingStep) else None
    refused = step.expect.error if step.expect else None
    if not isinstance(step, Decode):
        yield Op(step.op, step, index, None, step.expect, makes, step.targets, refused)
        return
    last = len(step.decode[0]) - 1
    for token in range(last):
        yield Op("decode", step, index, token, None, None, step.targets, None)
    if last >= 0:
        yield Op("decode", step, index, last, step.expect, None, step.targets, refused)


def _geometries(scenario: Scenario) -> dict[str, Geometry]:
    """The geometry of every cache by name, those made on the way included."""
    known: dict[str, Geometry] = dict(scenario.specs)
    for step in scenario.steps:
        if isinstance(step, New):
            known[step.as_] = step.new
        elif isinstance(step, FromState):
            known[step.as_] = step.from_state.geometry
        elif isinstance(step, Copy):
            known[step.as_] = known.get(step.copy_, Geometry())
        elif isinstance(step, MakePromptCache):
            args = step.make_prompt_cache
            known.update({f"{step.as_}.{i}": args.geometry for i in range(args.layers)})
    return known


def _tensor_specs(step: Step) -> list[tuple[TokenTensor | ShapedTensor, Side]]:
    if isinstance(step, Update):
        pair: KeysValues = step.update
        values = pair.keys if pair.values is None else pair.values
        return [(pair.keys, "keys"), (values, "values")]
    state = (
        step.set_state
        if isinstance(step, SetState)
        else step.from_state.state
        if isinstance(step, FromState)
        else ()
    )
    return [(spec, _SIDES[index % 2]) for index, spec in enumerate(state)]


def _lanes(spec: TokenTensor, geometry: Geometry, side: Side) -> tuple[int, int, int]:
    """(batch, heads, lanes) of a tensor: the cache's, but for what the spec says itself."""
    own = geometry.head_dim if side == "keys" else geometry.value_head_dim
    batch = geometry.batch if spec.batch is None else spec.batch
    heads = geometry.heads if spec.heads is None else spec.heads
    return batch, heads, own if spec.head_dim is None else spec.head_dim


def _paint(scenario: Scenario, geometries: dict[str, Geometry]) -> Paint:
    default = Geometry()
    shapes = [
        (g.batch, g.heads, max(g.head_dim, g.value_head_dim))
        for g in [*geometries.values()] or [default]
    ]
    for step in scenario.steps:
        geometry = geometries.get(step.targets[0] if step.targets else "", default)
        shapes += [
            _lanes(spec, geometry, side)
            for spec, side in _tensor_specs(step)
            if isinstance(spec, TokenTensor)
        ]
    batch, heads, lanes = (max(shape[axis] for shape in shapes) for axis in range(3))
    return Paint(batch, heads, lanes)


def _problem(scenario: Scenario, index: int, message: str) -> ScenarioError:
    line = scenario.step_lines[index] if scenario.step_lines else scenario.line
    return ScenarioError([Problem(message, scenario.file, line, scenario.name, index + 1)])


def _argument(step: Step, token: int | None) -> str:
    args = step.args
    if isinstance(step, Decode):
        rows = [row if token is None else row[token : token + 1] for row in step.decode]
        return ", ".join(_row_text(row) if token is None else str(row[0]) for row in rows)
    if isinstance(step, Update):
        values = f" with values {_tensor_text(args.values)}" if args.values is not None else ""
        return _tensor_text(args.keys) + values
    if isinstance(step, SetState):
        return "[" + ", ".join(_tensor_text(spec) for spec in args) + "]"
    if isinstance(args, Model):
        fields = ((name, getattr(args, name)) for name in type(args).model_fields)
        given = [(name, value) for name, value in fields if name in args.model_fields_set]
        return " ".join(f"{name}={_value_text(value)}" for name, value in given)
    return _value_text(args)


def _value_text(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_value_text(item) for item in value) + "]"
    if isinstance(value, TokenTensor | ShapedTensor):
        return _tensor_text(value)
    return str(value)


def _tensor_text(spec: TokenTensor | ShapedTensor) -> str:
    if isinstance(spec, ShapedTensor):
        return f"{spec.dtype}{list(spec.shape)}"
    rows = [_row_text(row) for row in spec.tokens]
    own = [
        f"{name}={value}"
        for name in ("batch", "heads", "head_dim", "dtype")
        if (value := getattr(spec, name)) is not None
    ]
    return " ".join([rows[0] if len(rows) == 1 else "[" + ", ".join(rows) + "]", *own])


def _row_text(row: tuple[int, ...]) -> str:
    if len(row) > 3 and list(row) == list(range(row[0], row[-1] + 1)):
        return f"{row[0]}..{row[-1]}"
    return "[" + ", ".join(map(str, row)) + "]"
