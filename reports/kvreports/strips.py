"""Strips of slots and grids of masks: which cells to draw of two sides, and which of them differ.

What is long and alike is left out. Nothing is written or escaped here, and nothing is known of
operations: `kvreports.picture` puts strips and grids together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from kvreports.words import UNWRITTEN, paired

BOTH = "both"
SIDES = ("subject", "reference")

FREE = "_"
"""How a slot is drawn that is allocated behind those held."""
NO_SLOT = "-"
"""How a slot is drawn that one side does not have."""

_ENDS = 4
_NEAR = 6
_DIFFERENCES = 4
_SMALL_TAIL = 16

CellKind = Literal["token", "odd", "unwritten", "free", "missing", "attends", "masked"]


class Cell(NamedTuple):
    """A slot, or an entry of a mask. `free`: allocated behind the slots that are held."""

    text: str
    kind: CellKind
    differs: bool = False
    cursor: bool = False


class Column(NamedTuple):
    """One position, or several that are left out."""

    start: int
    stop: int

    @property
    def gap(self) -> int:
        """How many positions are left out here."""
        return self.stop - self.start if self.stop - self.start > 1 else 0


@dataclass(frozen=True)
class Line:
    """One side's cells, one a column, None where positions are left out."""

    side: str
    cells: tuple[Cell | None, ...]
    beyond: int = 0
    """Slots allocated behind these, too many to draw."""


@dataclass(frozen=True)
class Strip:
    """One batch row of keys or values: a line a side, or one line where the sides agree."""

    heading: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    keep: int = 0
    """Slots pinned at the start."""

    @property
    def differs(self) -> bool:
        """Whether the sides do."""
        return len(self.lines) > 1

    @property
    def pinned(self) -> int:
        """Columns that show pinned slots."""
        return sum(column.start < self.keep for column in self.columns)


@dataclass(frozen=True)
class Grid:
    """A mask: the queries that are drawn, and each side's lines, one a query."""

    heading: str
    columns: tuple[Column, ...]
    queries: tuple[Column, ...]
    sides: tuple[tuple[str, tuple[Line, ...]], ...]

    @property
    def differs(self) -> bool:
        """Whether the sides do."""
        return len(self.sides) > 1


class Ring(NamedTuple):
    """What a cache says of its buffer: pinned slots, the cursor, and rows allocated."""

    keep: int = 0
    cursor: int | None = None
    allocated: int = 0


class Frame(NamedTuple):
    """How things are drawn: the sides' names, the slots at most, the sides' rings."""

    labels: tuple[str, str]
    limit: int
    rings: tuple[Ring, Ring] = (Ring(), Ring())
    agreed: str = BOTH


def strips_of(
    name: str,
    left: Sequence[Sequence[int | str]],
    right: Sequence[Sequence[int | str]],
    frame: Frame,
) -> list[Strip]:
    """A strip for each batch row of two tables of slots."""
    left, right = paired(left, right)
    count = max(len(left), len(right))
    drawn = []
    for row in range(count):
        heading = name if count == 1 else f"{name}, row {row}"
        both = [table[row] if row < len(table) else () for table in (left, right)]
        drawn.append(_strip(heading, both, frame))
    return drawn


def _strip(heading: str, rows: Sequence[Sequence[int | str]], frame: Frame) -> Strip:
    labels, limit, rings, agreed = frame
    tails = [max(0, ring.allocated - len(row)) for row, ring in zip(rows, rings, strict=True)]
    drawn = [tail if tail <= _SMALL_TAIL else 0 for tail in tails]
    length = max(len(row) + tail for row, tail in zip(rows, drawn, strict=True))
    padded = [[*row, *[None] * (length - len(row))] for row in rows]
    differing = [i for i, (mine, theirs) in enumerate(zip(*padded, strict=True)) if mine != theirs]
    cursors = {ring.cursor for ring in rings if ring.cursor is not None}
    columns = tuple(_columns(length, [*differing[:_DIFFERENCES], *cursors], limit))
    lines = [
        Line(
            label,
            tuple(
                None
                if column.gap
                else _slot(
                    cells[column.start],
                    free=column.start < len(row) + whole,
                    differs=column.start in differing,
                    cursor=column.start == ring.cursor,
                )
                for column in columns
            ),
            beyond=max(0, len(row) + whole - length),
        )
        for label, row, cells, whole, ring in zip(labels, rows, padded, tails, rings, strict=True)
    ]
    agree = lines[0].cells == lines[1].cells and not differing
    keep = max(ring.keep for ring in rings)
    shown = (Line(agreed, lines[0].cells, lines[0].beyond),) if agree else tuple(lines)
    return Strip(heading, columns, shown, keep)


@lru_cache(maxsize=4096)
def _slot(cell: int | str | None, *, free: bool, differs: bool, cursor: bool) -> Cell:
    if cell is None:
        kind: CellKind = "free" if free else "missing"
        return Cell(FREE if free else NO_SLOT, kind, differs, cursor)
    if isinstance(cell, int):
        return Cell(str(cell), "token", differs, cursor)
    return Cell(cell, "unwritten" if cell == UNWRITTEN else "odd", differs, cursor)


def grid_of(heading: str, left: Sequence[str], right: Sequence[str], frame: Frame) -> Grid:
    """Two masks, once where they are the same."""
    labels, limit, _, agreed = frame
    at = [
        (query, key)
        for query in range(max(len(left), len(right)))
        for key, (mine, theirs) in enumerate(_entries(left, right, query))
        if mine != theirs
    ]
    width = max((len(row) for row in (*left, *right)), default=0)
    wrong = set(at)
    columns = tuple(_columns(width, [key for _, key in at[:_DIFFERENCES]], limit))
    queries = tuple(
        _columns(max(len(left), len(right)), [query for query, _ in at[:_DIFFERENCES]], limit // 2)
    )
    both = [(labels[0], left), (labels[1], right)] if at else [(agreed, left)]
    sides = tuple(
        (label, tuple(_query_line(rows, query, columns, wrong) for query in queries))
        for label, rows in both
    )
    return Grid(heading, columns, queries, sides)


def _entries(left: Sequence[str], right: Sequence[str], query: int) -> list[tuple[str, str]]:
    mine = left[query] if query < len(left) else ""
    theirs = right[query] if query < len(right) else ""
    width = max(len(mine), len(theirs))
    return list(zip(mine.ljust(width), theirs.ljust(width), strict=True))


def _query_line(
    rows: Sequence[str], query: Column, columns: Sequence[Column], wrong: set[tuple[int, int]]
) -> Line:
    if query.gap:
        return Line("…", ())
    row = rows[query.start] if query.start < len(rows) else ""
    return Line(
        str(query.start),
        tuple(
            None if column.gap else _entry(row, column.start, (query.start, column.start) in wrong)
            for column in columns
        ),
    )


def _entry(row: str, key: int, differs: bool) -> Cell:
    if key >= len(row):
        return Cell(NO_SLOT, "missing", differs)
    return Cell(row[key], "attends" if row[key] == "x" else "masked", differs)


def _columns(length: int, interesting: Iterable[int], limit: int) -> Iterator[Column]:
    """Every position where that is within the limit; otherwise the ends and what is near."""
    shown = set(range(length))
    if length > limit:
        shown = {*range(_ENDS), *range(length - _ENDS, length)}
        for at in interesting:
            shown |= set(range(at - _NEAR, at + _NEAR + 1))
    position = 0
    while position < length:
        stop = position + 1
        while position not in shown and stop < length and stop not in shown:
            stop += 1
        yield Column(position, stop)
        position = stop
