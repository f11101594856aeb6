"""Cells as text, in the words of the scenario language, so that a table can be read back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kvscenarios.tokens import UNWRITTEN

_ROWS = frozenset({"tokens", "keys", "values", "fetched", "fetched_values"})
_SPELLED_OUT = 16
"""Slots beyond which runs of tokens are written as ranges."""
_RUN = 4


def text(column: str, value: Any) -> str:
    """A cell's text; nothing where there is no value."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if column in _ROWS:
        return rows_text(value)
    if column == "mask":
        return " ".join(value)
    if column == "slots":
        return "[" + ", ".join(map(_slot_text, value)) + "]"
    if column == "working":
        return "\n".join(map(str, value))
    return json.dumps(value, ensure_ascii=False)


def _slot_text(slot: Any) -> str:
    """A slot: nothing, rows of tokens, or how an array is shown that holds none."""
    return "null" if slot is None else slot if isinstance(slot, str) else rows_text(slot)


def rows_text(rows: Sequence[Sequence[Any]]) -> str:
    """Rows of tokens: one row alone, or a list of them."""
    texts = [row_text(row) for row in rows]
    return texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"


def row_text(row: Sequence[Any]) -> str:
    """One row of tokens, long runs as ranges where there are many."""
    cells = [UNWRITTEN if cell is None else str(cell) for cell in row]
    return "[" + ", ".join(cells if len(row) <= _SPELLED_OUT else _folded(row, cells)) + "]"


def _folded(row: Sequence[Any], cells: Sequence[str]) -> list[str]:
    folded: list[str] = []
    start = 0
    while start < len(row):
        end = start + 1
        while end < len(row) and _follows(row[end - 1], row[end]):
            end += 1
        run = end - start >= _RUN
        folded += [f"{row[start]}..{row[end - 1]}"] if run else cells[start:end]
        start = end
    return folded


def _follows(left: Any, right: Any) -> bool:
    return isinstance(left, int) and isinstance(right, int) and right == left + 1
