"""Token ids as a person writes them: `[1, 2]`, `0..11`, `[0..3, 9]`, or a list of rows.

A row a batch entry. A single row stands for all of them: it is fed to every entry of a batch.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from kvscenarios.errors import shown

MAX_TOKENS = 1 << 16
"""Tokens in one row: a range larger than this is refused before it is spelled out."""

_RANGE = re.compile(r"^(\d{1,9})\.\.(\d{1,9})$")

_WIDE_RANGE = re.compile(r"^\d+\.\.\d+$")

Row = tuple[int, ...]
Rows = tuple[Row, ...]
Cell = int | None
"""A slot as expected: a token, or None where nothing was written (all lanes zero)."""
CellRows = tuple[tuple[Cell, ...], ...]

UNWRITTEN = "_"
_RANGE_SCHEMA = {"type": "string", "pattern": _RANGE.pattern}
_ITEM_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "integer", "minimum": 0}, _RANGE_SCHEMA]}


def _spell_out(item: object, *, unwritten: bool) -> list[Cell]:
    if isinstance(item, int) and not isinstance(item, bool):
        if item < 0:
            raise ValueError(f"a token id is 0 or more, not {shown(item)}")
        return [item]
    if isinstance(item, str):
        if unwritten and item == UNWRITTEN:
            return [None]
        if match := _RANGE.match(item):
            first, last = int(match[1]), int(match[2])
            if last < first:
                raise ValueError(f"the range {item} runs backwards")
            if last - first >= MAX_TOKENS:
                raise ValueError(f"the range {item} holds more than {MAX_TOKENS} tokens")
            return list(range(first, last + 1))
        if _WIDE_RANGE.match(item):
            raise ValueError(f"the range {shown(item)} goes beyond 999999999")
    what = "a token id or a range like 0..11"
    if unwritten:
        what += f", or {UNWRITTEN} for an unwritten slot"
    raise ValueError(f"expected {what}, got {shown(item)}")


def _row(items: object, *, unwritten: bool) -> tuple[Cell, ...]:
    if not isinstance(items, list | tuple):
        return tuple(_spell_out(items, unwritten=unwritten))
    row: list[Cell] = []
    for item in items:
        row += _spell_out(item, unwritten=unwritten)
        if len(row) > MAX_TOKENS:
            raise ValueError(f"a row holds at most {MAX_TOKENS} tokens")
    return tuple(row)


def _rows(value: object, *, unwritten: bool) -> tuple[tuple[Cell, ...], ...]:
    if isinstance(value, list | tuple) and any(isinstance(item, list | tuple) for item in value):
        return tuple(_row(row, unwritten=unwritten) for row in value)
    return (_row(value, unwritten=unwritten),)


def _parse_tokens(value: object) -> object:
    rows = _rows(value, unwritten=False)
    if len({len(row) for row in rows}) > 1:
        lengths = ", ".join(str(len(row)) for row in rows)
        raise ValueError(f"every row of one update has the same length, got {lengths}")
    return rows


def _parse_cells(value: object) -> object:
    return _rows(value, unwritten=True)


def _schema(description: str, item: dict[str, Any]) -> WithJsonSchema:
    row = {"type": "array", "items": item}
    rows = {"type": "array", "items": {"anyOf": [row, item]}}
    return WithJsonSchema({"description": description, "anyOf": [item, row, rows]})


Tokens = Annotated[
    Rows,
    BeforeValidator(_parse_tokens),
    _schema("Token ids: a list, a range like 0..11, or a list of rows.", _ITEM_SCHEMA),
]
Cells = Annotated[
    CellRows,
    BeforeValidator(_parse_cells),
    _schema(
        "Tokens in physical order, `_` for an unwritten slot; a list of rows for a batch.",
        {"anyOf": [*_ITEM_SCHEMA["anyOf"], {"const": UNWRITTEN}]},
    ),
]
