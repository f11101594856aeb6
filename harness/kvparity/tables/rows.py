"""From what was observed to the rows of a table: a row an operation.

Where an operation touches several caches, or changes one that it does not name, each has its row,
the one acted on the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kvparity.facts import mask_rows
from kvparity.labels import label
from kvparity.observe import EXTRAS
from kvparity.operations import subject_of
from kvparity.paint import UNWRITTEN, Paint
from kvparity.program import Op, Program
from kvparity.tables.columns import COLUMNS, OF_FIELD
from kvparity.trace import Entry, Frozen, Held, Trace
from kvparity.views import viewed
from kvreports.model import (
    ListValue,
    MaskArray,
    NumberArray,
    QuantizedArray,
    RaisedValue,
    TokenArray,
    Value,
)
from kvscenarios import Scenario
from kvscenarios.expect import Expect
from kvscenarios.steps.one import Append, Decode, Update
from kvscenarios.tensors import TokenTensor

Row = dict[str, Any]
"""A value for every column, None where there is nothing to say."""

MASKS = frozenset(
    {"make_mask", "create_causal_mask", "create_attention_mask", "model_mask", "ssm_mask"}
)
"""Operations that return a mask."""
_WRITES = frozenset({"update", "decode"})
_WHOLE = 64
"""Numbers up to which an array that holds no tokens is written out."""
_EVERYTHING = Expect.model_construct(_fields_set=set(EXTRAS))
"""An `expect` that pins nothing and has every further fact looked at."""


def program_of(scenario: Scenario) -> Program:
    """The scenario ready to play, everything to be looked at after each of its operations."""
    program = Program(scenario)
    program.ops = [replace(op, expect=_EVERYTHING, passing=False) for op in program.ops]
    return program


def rows(program: Program, trace: Trace) -> Iterator[tuple[int, Row]]:
    """The rows of what was played, each with the index of its op."""
    last: dict[str, Held] = {}
    for index, (op, entry) in enumerate(zip(program.ops, trace.entries, strict=False)):
        names: list[str | None] = sorted(_shown(op, entry, last), key=subject_of(op).__ne__)
        last |= entry.held
        for name in names or [None]:
            row = dict.fromkeys(COLUMNS) | {
                "scenario": program.scenario.id,
                "op": index + 1,
                "step": op.index + 1,
                "cache": name,
                "operation": _operation(op),
                "tokens": _tokens(op),
                "refused": op.refused,
            }
            row |= _outcome(op, entry, program.paint)
            if name is not None:
                row |= _held(entry.held[name], program.paint)
                if name == subject_of(op):
                    row |= _further(entry, program.paint)
                if row["allocated_nbytes"] is None:
                    # Each release lays out a restored cache's buffers in its own way.
                    row["nbytes"] = None
            yield index, row


def _shown(op: Op, entry: Entry, last: dict[str, Held]) -> Iterator[str]:
    """The caches that the operation is about, with their children, and those that it changed."""
    subject = subject_of(op)
    about = [subject] if subject is not None else []
    if isinstance(op.step.on, tuple):
        about = list(op.step.on)
    for name, held in entry.held.items():
        named = any(name == one or name.startswith(f"{one}.") for one in about)
        if named or (name in last and last[name] != held):
            yield name


def _operation(op: Op) -> str:
    """The operation as a person would call it, but for tokens, which have a column of their own."""
    on = f" on {op.step.on}" if isinstance(op.step.on, str) else ""
    if _tokens(op) is not None and not more_than_tokens(op):
        return op.name
    words = label(op.step, op.token)
    return words if op.makes else words.removesuffix(on)


def more_than_tokens(op: Op) -> bool:
    """Whether an update is given more than tokens: values of their own, another shape or type."""
    if not isinstance(op.step, Update):
        return False
    keys, values = op.step.update.keys, op.step.update.values
    return values is not None or keys.model_fields_set != {"tokens"}


def _tokens(op: Op) -> list[list[int]] | None:
    step = op.step
    if isinstance(step, Decode) and op.token is not None:
        return [[row[op.token]] for row in step.decode]
    if isinstance(step, Append):
        return [list(row) for row in step.append]
    if isinstance(step, Update) and isinstance(step.update.keys, TokenTensor):
        return [list(row) for row in step.update.keys.tokens]
    return None


def _further(entry: Entry, paint: Paint) -> Row:
    return {name: _plain(viewed(value, name, paint)) for name, value in entry.extra.items()}


def _outcome(op: Op, entry: Entry, paint: Paint) -> Row:
    if entry.raised is not None:
        return {"raised": entry.raised.name, "message": entry.raised.message}
    returned = entry.returned
    if op.name in MASKS:
        return _mask(returned, paint)
    view = viewed(returned, "returned", paint)
    if op.name in _WRITES and isinstance(view, ListValue) and len(view.items) == 2:
        keys, values = view.items
        return {
            "fetched": _plain(keys),
            "fetched_values": _plain(values),
            "fetched_shape": _shape(keys),
        }
    return {"returned": _plain(view)}


def _mask(mask: Any, paint: Paint) -> Row:
    if isinstance(mask, Frozen) and mask.dtype == "bool":
        return {"mask": list(mask_rows(mask)), "mask_shape": list(mask.shape)}
    shape = list(mask.shape) if isinstance(mask, Frozen) else None
    words = "none" if mask is None else _plain(viewed(mask, "returned", paint))
    return {"mask": words if isinstance(words, str) else str(words), "mask_shape": shape}


def _held(held: Held, paint: Paint) -> Row:
    row: Row = {"kind": held.kind}
    for name, value in zip(held.names, held.values, strict=True):
        view = viewed(value, name, paint)
        row[OF_FIELD.get(name, name)] = _plain(view)
        if name in {"keys", "values"} and view is None:
            row[name] = [[]]
        if isinstance(view, QuantizedArray):
            row["digests"] = [*(row.get("digests") or ()), *map(list, view.digests)]
        if name == "keys":
            row["shape"], row["dtype"] = _shape(view), getattr(view, "dtype", None)
    return row


def _shape(view: Value) -> list[int] | None:
    arrays = TokenArray | QuantizedArray | MaskArray | NumberArray
    return list(view.shape) if isinstance(view, arrays) else None


def _plain(view: Value) -> Any:
    """A value as plain Python: rows of tokens, numbers, words; None for an unwritten slot."""
    if isinstance(view, TokenArray | QuantizedArray):
        return [[None if cell == UNWRITTEN else cell for cell in row] for row in view.rows]
    if isinstance(view, MaskArray):
        return list(view.rows)
    if isinstance(view, NumberArray):
        return _numbers(view)
    if isinstance(view, RaisedValue):
        return f"raises {view.raised}"
    if isinstance(view, ListValue):
        return [_plain(item) for item in view.items]
    return view


def _numbers(array: NumberArray) -> Any:
    """Few whole numbers in a row as they are; any other array by its form and its hash."""
    if len(array.shape) == 1 and array.shape[0] <= _WHOLE and "float" not in array.dtype:
        return list(array.numbers)
    return f"{array.dtype}{list(array.shape)} {array.sha256[:8]}"
