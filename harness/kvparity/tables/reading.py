"""A table cut down for reading: what never changes is said once, below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from kvparity.tables.cells import text
from kvparity.tables.columns import ALWAYS
from kvparity.tables.made import Table
from kvparity.tables.provenance import caches_text

_PAIRS = {
    "values": "keys",
    "fetched": "keys",
    "fetched_values": "fetched",
    "fetched_shape": "shape",
    "nbytes": "allocated_nbytes",
}


@dataclass(frozen=True)
class Reading:
    """A table cut down for reading: the columns that say something, and what holds throughout."""

    table: Table
    columns: tuple[str, ...]
    throughout: tuple[str, ...]

    def cells(self) -> Iterator[list[str]]:
        """The rows, as text."""
        for row in self.table.rows:
            yield [text(name, row[name]) for name in self.columns]

    @property
    def caches(self) -> str:
        """The caches that the scenario starts with."""
        return caches_text(self.table.scenario)


def reading(table: Table) -> Reading:
    """The table for a reader: a column that never changes, or only repeats another, is a remark."""
    columns, remarks = [], []
    for name in table.rows[0] if table.rows else ():
        if name in {"scenario", "working"} or (name == "cache" and not table.several):
            continue
        values = [row[name] for row in table.rows]
        if all(value is None for value in values):
            continue
        other = _PAIRS.get(name)
        if other and all(_repeats(row[name], row[other]) for row in table.rows):
            remarks.append(f"`{name}` as `{other}`")
        elif name not in ALWAYS and _constant(values):
            remarks.append(f"`{name}` {text(name, values[0])}")
        else:
            columns.append(name)
    return Reading(table, tuple(columns), tuple(remarks))


def _repeats(value: Any, other: Any) -> bool:
    return value is None or value == other


def _constant(values: Sequence[Any]) -> bool:
    return len(values) > 1 and all(value == values[0] for value in values)
