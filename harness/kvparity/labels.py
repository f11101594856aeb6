"""Operations as a person would call them: `decode 7`, `trim 2`, `make_mask n=1 window_size=2`."""

from __future__ import annotations

from typing import Any

from kvscenarios.base import Model
from kvscenarios.steps.base import Step
from kvscenarios.steps.one import Append, Decode, SetState, Update
from kvscenarios.tensors import ShapedTensor, TokenTensor
from kvscenarios.tokens import Row, Rows


def label(step: Step, token: int | None = None) -> str:
    """The step and its arguments; of a decode, one token's column or all of them."""
    on = f" on {step.on}" if isinstance(step.on, str) else ""
    return f"{step.op} {_argument(step, token)}".rstrip() + on


def _argument(step: Step, token: int | None) -> str:
    args = step.args
    if isinstance(step, Decode):
        rows = [row if token is None else row[token : token + 1] for row in step.decode]
        return ", ".join(_row_text(row) if token is None else str(row[0]) for row in rows)
    if isinstance(step, Update):
        values = f" with values {_tensor_text(args.values)}" if args.values is not None else ""
        return _tensor_text(args.keys) + values
    if isinstance(step, Append):
        return _rows_text(step.append)
    if isinstance(step, SetState):
        return "[" + ", ".join(_tensor_text(spec) for spec in args) + "]"
    return _fields_text(args) if isinstance(args, Model) else _value_text(args)


def _fields_text(args: Model) -> str:
    """The fields that somebody wrote."""
    fields = ((name, getattr(args, name)) for name in type(args).model_fields)
    given = [(name, value) for name, value in fields if name in args.model_fields_set]
    return " ".join(f"{name}={_field_text(name, value)}" for name, value in given)


def _field_text(name: str, value: Any) -> str:
    return _rows_text(value) if name == "tokens" else _value_text(value)


def _value_text(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_value_text(item) for item in value) + "]"
    if isinstance(value, TokenTensor | ShapedTensor):
        return _tensor_text(value)
    if isinstance(value, Model):
        return "{" + _fields_text(value) + "}"
    return str(value)


def _tensor_text(spec: TokenTensor | ShapedTensor) -> str:
    if isinstance(spec, ShapedTensor):
        return f"{spec.dtype}{list(spec.shape)}"
    own = [
        f"{name}={value}"
        for name in ("batch", "heads", "head_dim", "dtype")
        if (value := getattr(spec, name)) is not None
    ]
    return " ".join([_rows_text(spec.tokens), *own])


def _rows_text(rows: Rows) -> str:
    texts = [_row_text(row) for row in rows]
    return texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"


def _row_text(row: Row) -> str:
    if len(row) > 3 and list(row) == list(range(row[0], row[-1] + 1)):
        return f"{row[0]}..{row[-1]}"
    return "[" + ", ".join(map(str, row)) + "]"
