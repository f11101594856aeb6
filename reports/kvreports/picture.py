"""What a report draws of an operation, worked out once for the terminal and for the page.

Arrays of tokens become strips of slots, masks become grids, everything else a line of bookkeeping;
what differs is marked, and what is long and alike is left out. Nothing is written or escaped here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NamedTuple

from kvreports.model import CacheView, Finding, ListValue, OpView, SideView, TokenArray, Value
from kvreports.words import (
    MISSING,
    UNWRITTEN,
    alike,
    form,
    in_words,
    leaves,
    mask_rows,
    paired,
    token_rows,
)

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
_TEXT = 400

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


@dataclass(frozen=True)
class Fact:
    """A line of bookkeeping: what each side has."""

    name: str
    left: str
    right: str
    differs: bool


@dataclass(frozen=True)
class Drawing:
    """Something seen of both sides."""

    strips: tuple[Strip, ...] = ()
    grids: tuple[Grid, ...] = ()
    facts: tuple[Fact, ...] = ()

    @property
    def differing(self) -> list[str]:
        """The names of what differs in it."""
        parts: tuple[Strip | Grid, ...] = (*self.strips, *self.grids)
        names = [part.heading for part in parts if part.differs]
        return names + [fact.name for fact in self.facts if fact.differs]

    @property
    def differs(self) -> bool:
        """Whether anything in it does."""
        return bool(self.differing)


@dataclass(frozen=True)
class CachePicture:
    """One cache after an operation."""

    name: str
    kind: str
    drawing: Drawing


@dataclass(frozen=True)
class Picture:
    """An operation: what it gave back, and every cache after it."""

    op: OpView
    outcome: Drawing
    caches: tuple[CachePicture, ...]
    aside: str | None = None
    """What the reference did on a copy, where the subject was to refuse."""

    @property
    def differing(self) -> list[str]:
        """The names of what differs, what it gave back first."""
        names = [name for cache in self.caches for name in cache.drawing.differing]
        return list(dict.fromkeys([*self.outcome.differing, *names]))

    @property
    def differs(self) -> bool:
        """Whether anything differs."""
        return bool(self.differing)


class Ring(NamedTuple):
    """What a cache says of its buffer: pinned slots, the cursor, and rows allocated."""

    keep: int = 0
    cursor: int | None = None
    allocated: int = 0


def trail(ops: Iterable[OpView], limit: int) -> Iterator[Picture]:
    """The operations as drawn, each with the caches that it changed."""
    before: dict[str, tuple[CacheView | None, CacheView | None]] = {}
    for op in ops:
        whole = picture(op, limit)
        after = {
            c.name: (_caches(op.subject).get(c.name), _caches(op.reference).get(c.name))
            for c in whole.caches
        }
        kept = tuple(c for c in whole.caches if before.get(c.name) != after[c.name])
        before |= after
        yield replace(whole, caches=kept)


class _Frame(NamedTuple):
    """How things are drawn: the sides' names, the slots at most, the sides' rings."""

    labels: tuple[str, str]
    limit: int
    rings: tuple[Ring, Ring] = (Ring(), Ring())
    agreed: str = BOTH


def picture(op: OpView, limit: int) -> Picture:
    """The operation as drawn, with at most about `limit` slots a strip."""
    aside = _aside(op)
    names = dict.fromkeys([*_caches(op.subject), *_caches(op.reference)])
    return Picture(
        op=op,
        outcome=Drawing() if aside else _outcome(op, limit),
        caches=tuple(_cache(name, op, limit) for name in names),
        aside=aside,
    )


def at(finding: Finding, op: OpView | None, limit: int) -> Drawing:
    """What the finding is about, and nothing else of the operation."""
    if finding.what in {"fact", "promise"}:
        return pinned(finding, limit)
    if finding.what != "difference" or op is None:
        return Drawing()
    whole = picture(op, limit)
    if finding.cache is None:
        return whole.outcome
    drawn = next((c.drawing for c in whole.caches if c.name == finding.cache), Drawing())
    if finding.field in {"keys", "values"}:
        return Drawing(tuple(strip for strip in drawn.strips if strip.differs))
    return Drawing(
        grids=tuple(grid for grid in drawn.grids if grid.heading == finding.field),
        facts=tuple(fact for fact in drawn.facts if fact.name == finding.field),
    )


def pinned(finding: Finding, limit: int) -> Drawing:
    """What a scenario pins, or what was handed out, against what was found."""
    actual = finding.subject if finding.side == "subject" else finding.reference
    labels = ("pinned" if finding.what == "fact" else "before", str(finding.side))
    return _drawing([(finding.field, finding.expected, actual)], _Frame(labels, limit))


def _caches(side: SideView | None) -> dict[str, CacheView]:
    return side.caches if side is not None else {}


def _aside(op: OpView) -> str | None:
    for side, name in ((op.reference, "reference"), (op.subject, "subject")):
        if side is not None and side.aside:
            return f"{name} (aside, on a copy): {outcome_in_words(side)}"
    return None


def outcome_in_words(side: SideView | None) -> str:
    """What one side's operation came to."""
    if side is None:
        return "not played"
    if side.raised is not None:
        return f"raised {in_words(side.raised, _TEXT)}"
    return f"returned {in_words(side.returned)}"


def _outcome(op: OpView, limit: int) -> Drawing:
    subject, reference = op.subject, op.reference
    texts = outcome_in_words(subject), outcome_in_words(reference)
    if subject is None or reference is None:
        return Drawing(facts=(Fact("outcome", *texts, differs=True),))
    if subject.raised or reference.raised:
        differs = (subject.raised is None) != (reference.raised is None)
        return Drawing(facts=(Fact("outcome", *texts, differs),))
    return _drawing([("returned", subject.returned, reference.returned)], _Frame(SIDES, limit))


def _cache(name: str, op: OpView, limit: int) -> CachePicture:
    subject, reference = _caches(op.subject).get(name), _caches(op.reference).get(name)
    if subject is not None and reference is not None:
        frame = _Frame(SIDES, limit, (_ring(subject), _ring(reference)))
        kinds = dict.fromkeys([subject.kind, reference.kind])
        drawing = _drawing(_pairs(subject, reference), frame)
        return CachePicture(name, " against ".join(kinds), drawing)
    return _one_sided(name, op, limit)


def _one_sided(name: str, op: OpView, limit: int) -> CachePicture:
    """A cache that one side alone has, or that was seen on one side alone."""
    subject, reference = _caches(op.subject).get(name), _caches(op.reference).get(name)
    side, view = (SIDES[0], subject) if subject is not None else (SIDES[1], reference)
    assert view is not None  # noqa: S101 - narrows the type
    frame = _Frame(SIDES, limit, (_ring(view), _ring(view)), agreed=side)
    drawing = _drawing(_pairs(view, view), frame)
    if op.subject is not None and op.reference is not None:
        there = [MISSING if one is None else "there" for one in (subject, reference)]
        fact = Fact("cache", there[0], there[1], differs=True)
        drawing = replace(drawing, facts=(fact, *drawing.facts))
    return CachePicture(name, view.kind, drawing)


_Pair = tuple[str, Value, Value]


def _pairs(subject: CacheView, reference: CacheView) -> Iterator[_Pair]:
    for name in dict.fromkeys([*subject.fields, *reference.fields]):
        mine = subject.fields.get(name, MISSING)
        yield name, mine, reference.fields.get(name, MISSING)


def _ring(view: CacheView) -> Ring:
    keep, cursor = view.fields.get("keep"), view.fields.get("idx")
    shape = view.fields.get("buffer_shape")
    rows = shape.items[2] if isinstance(shape, ListValue) and len(shape.items) == 4 else 0
    return Ring(
        keep=keep if isinstance(keep, int) else 0,
        cursor=cursor if isinstance(cursor, int) else None,
        allocated=rows if isinstance(rows, int) else 0,
    )


def _drawing(pairs: Iterable[_Pair], frame: _Frame) -> Drawing:
    strips: list[list[Strip]] = []
    grids: list[Grid] = []
    facts: list[Fact] = []
    for name, left, right in pairs:
        for part, mine, theirs in leaves(name, left, right):
            tokens, others = token_rows(mine), token_rows(theirs)
            queries, against = mask_rows(mine), mask_rows(theirs)
            if tokens is not None and others is not None:
                strips.append(_strips(part, tokens, others, frame))
                facts += _forms(part, mine, theirs)
            elif queries is not None and against is not None:
                grids.append(_grid(part, queries, against, frame))
            else:
                facts.append(_fact(part, mine, theirs))
    return Drawing(tuple(_merged(strips)), tuple(grids), tuple(facts))


def _fact(name: str, left: Value, right: Value) -> Fact:
    differs = MISSING not in (left, right) and not alike(left, right)
    return Fact(name, in_words(left, _TEXT), in_words(right, _TEXT), differs)


def _forms(name: str, left: Value, right: Value) -> Iterator[Fact]:
    """Type and shape of two arrays of tokens, where they differ."""
    if not (isinstance(left, TokenArray) and isinstance(right, TokenArray)):
        return
    if form(left) != form(right):
        yield Fact(name, form(left), form(right), differs=True)


def _merged(groups: Sequence[list[Strip]]) -> Iterator[Strip]:
    """The strips, keys and values drawn once where they hold the same tokens."""
    if len(groups) == 2 and [_body(s) for s in groups[0]] == [_body(s) for s in groups[1]]:
        for strip in groups[0]:
            heading = strip.heading.replace("keys", "keys and values", 1)
            yield Strip(heading, strip.columns, strip.lines, strip.keep)
        return
    for group in groups:
        yield from group


def _body(strip: Strip) -> object:
    return strip.columns, strip.lines


def _strips(
    name: str,
    left: Sequence[Sequence[int | str]],
    right: Sequence[Sequence[int | str]],
    frame: _Frame,
) -> list[Strip]:
    left, right = paired(left, right)
    count = max(len(left), len(right))
    drawn = []
    for row in range(count):
        heading = name if count == 1 else f"{name}, row {row}"
        both = [table[row] if row < len(table) else () for table in (left, right)]
        drawn.append(_strip(heading, both, frame))
    return drawn


def _strip(heading: str, rows: Sequence[Sequence[int | str]], frame: _Frame) -> Strip:
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


def _grid(heading: str, left: Sequence[str], right: Sequence[str], frame: _Frame) -> Grid:
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
