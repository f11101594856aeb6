"""What a report draws of an operation, worked out once for the terminal and for the page.

Arrays of tokens become strips of slots, masks become grids, everything else a line of bookkeeping;
what differs is marked, and what is long and alike is left out. Nothing is written or escaped here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from kvreports.model import (
    CacheView,
    Finding,
    ListValue,
    NumberArray,
    OpView,
    QuantizedArray,
    SideView,
    TokenArray,
    Value,
)
from kvreports.strips import SIDES, Frame, Grid, Ring, Strip, grid_of, strips_of
from kvreports.words import (
    MISSING,
    alike,
    form,
    in_words,
    leaves,
    mask_rows,
    packed_difference,
    queries_of,
    token_rows,
)

_TEXT = 400


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


def bookkeeping(op: OpView) -> Iterator[Fact]:
    """Both sides of an operation in words, a line a field: what it gave back, then every cache."""
    aside = _aside(op)
    if aside:
        yield Fact("aside", aside, aside, differs=False)
    elif op.subject is None or op.reference is None or op.subject.raised or op.reference.raised:
        yield from _outcome(op, 0).facts
    else:
        yield from _spelled("returned", op.subject.returned, op.reference.returned)
    mine, theirs = _caches(op.subject), _caches(op.reference)
    for name in dict.fromkeys([*mine, *theirs]):
        left, right = mine.get(name), theirs.get(name)
        if left is None or right is None:
            there = [MISSING if one is None else "there" for one in (left, right)]
            yield Fact(name, there[0], there[1], differs=bool(op.subject and op.reference))
            continue
        for field, value, other in _pairs(left, right):
            yield from _spelled(f"{name} {field}", value, other)


def _spelled(name: str, left: Value, right: Value) -> Iterator[Fact]:
    for part, mine, theirs in leaves(name, left, right):
        yield _fact(part, mine, theirs)


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
        grids=tuple(grid for grid in drawn.grids if grid.heading.startswith(finding.field)),
        facts=tuple(fact for fact in drawn.facts if fact.name == finding.field),
    )


def pinned(finding: Finding, limit: int) -> Drawing:
    """What a scenario pins, or what was handed out, against what was found."""
    actual = finding.subject if finding.side == "subject" else finding.reference
    labels = ("pinned" if finding.what == "fact" else "before", str(finding.side))
    return _drawing([(finding.field, finding.expected, actual)], Frame(labels, limit))


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
    return _drawing([("returned", subject.returned, reference.returned)], Frame(SIDES, limit))


def _cache(name: str, op: OpView, limit: int) -> CachePicture:
    subject, reference = _caches(op.subject).get(name), _caches(op.reference).get(name)
    if subject is not None and reference is not None:
        frame = Frame(SIDES, limit, (_ring(subject), _ring(reference)))
        kinds = dict.fromkeys([subject.kind, reference.kind])
        drawing = _drawing(_pairs(subject, reference), frame)
        return CachePicture(name, " against ".join(kinds), drawing)
    return _one_sided(name, op, limit)


def _one_sided(name: str, op: OpView, limit: int) -> CachePicture:
    """A cache that one side alone has, or that was seen on one side alone."""
    subject, reference = _caches(op.subject).get(name), _caches(op.reference).get(name)
    side, view = (SIDES[0], subject) if subject is not None else (SIDES[1], reference)
    assert view is not None  # noqa: S101 - narrows the type
    frame = Frame(SIDES, limit, (_ring(view), _ring(view)), agreed=side)
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


def _drawing(pairs: Iterable[_Pair], frame: Frame) -> Drawing:
    strips: list[list[Strip]] = []
    grids: list[Grid] = []
    facts: list[Fact] = []
    for name, left, right in pairs:
        for part, mine, theirs in leaves(name, left, right):
            tokens, others = token_rows(mine), token_rows(theirs)
            queries, against = mask_rows(mine), mask_rows(theirs)
            if tokens is not None and others is not None:
                strips.append(strips_of(part, tokens, others, frame))
                facts += _forms(part, mine, theirs)
            elif queries is not None and against is not None:
                grids += _grids(part, (mine, queries), (theirs, against), frame)
            else:
                facts.append(_fact(part, mine, theirs))
    return Drawing(tuple(_merged(strips)), tuple(grids), tuple(facts))


def _grids(
    name: str, left: tuple[Value, list[str]], right: tuple[Value, list[str]], frame: Frame
) -> Iterator[Grid]:
    """A grid a mask, or a grid for each batch row of a mask that has several."""
    size = max(queries_of(left[0]), queries_of(right[0]))
    count = -(-max(len(left[1]), len(right[1])) // size)
    for row in range(max(1, count)):
        some = slice(row * size, (row + 1) * size)
        heading = name if count <= 1 else f"{name}, row {row}"
        yield grid_of(heading, left[1][some], right[1][some], frame)


def _fact(name: str, left: Value, right: Value) -> Fact:
    differs = MISSING not in (left, right) and not alike(left, right)
    mine, theirs = in_words(left, _TEXT), in_words(right, _TEXT)
    if differs and mine == theirs:
        mine, theirs = f"{mine}{_digest(left)}", f"{theirs}{_digest(right)}"
    return Fact(name, mine, theirs, differs)


def _digest(value: Value) -> str:
    """What tells numbers apart of which the first ones are the same."""
    return f" sha256 {value.sha256[:12]}" if isinstance(value, NumberArray) else ""


def _forms(name: str, left: Value, right: Value) -> Iterator[Fact]:
    """Type and shape of two arrays of tokens, where they differ."""
    arrays = TokenArray | QuantizedArray
    if not (isinstance(left, arrays) and isinstance(right, arrays)):
        return
    if form(left) != form(right):
        yield Fact(name, form(left), form(right), differs=True)
        return
    if isinstance(left, QuantizedArray) and isinstance(right, QuantizedArray):
        at = packed_difference(left, right)
        if at is not None and left.rows == right.rows:
            mine, theirs = (side.digests[at[0]][at[1]] for side in (left, right))
            yield Fact(f"{name}, row {at[0]}, slot {at[1]}, digest", mine, theirs, differs=True)


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
