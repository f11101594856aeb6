"""Where two traces of one program differ, in the order in which a person would look.

Comparison is exact: dtype, shape and bytes. Both sides raising is agreement. A field that one side
lacks is not compared, unless the subject is to have whatever the reference has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from kvparity.observe import LEVEL_OF, Level
from kvparity.trace import ABSENT, Entry, Frozen, Held, Raised, Trace

_BYTES = {"float32": 4, "int32": 4, "uint32": 4, "float16": 2, "bfloat16": 2, "bool": 1}


@dataclass(frozen=True)
class Difference:
    """One field that differs after one op. `refused`: one side raised and the other did not."""

    index: int
    level: Level
    cache: str | None
    field: str
    subject: Any
    reference: Any
    refused: bool = False


def differences(
    subject: Trace,
    reference: Trace,
    levels: Collection[Level],
    *,
    complete: bool = False,
    layouts: bool = False,
) -> Iterator[Difference]:
    """Every difference, op by op, as far as both traces go; none after one side alone raised.

    `complete`: the subject is to have every field that the reference has. `layouts`: how state and
    files are laid out is to be the same, too.
    """
    for index, (mine, theirs) in enumerate(zip(subject.entries, reference.entries, strict=False)):
        aside = mine.aside or theirs.aside
        if not aside and (mine.raised is None) != (theirs.raised is None):
            yield Difference(
                index,
                "returned",
                None,
                "raised",
                mine.raised or mine.returned,
                theirs.raised or theirs.returned,
                refused=True,
            )
            return
        if "returned" in levels and not aside and not same(mine.returned, theirs.returned):
            yield Difference(index, "returned", None, "returned", mine.returned, theirs.returned)
        if mine.held != theirs.held or _types(mine) != _types(theirs):
            yield from _held(index, mine, theirs, levels, complete=complete)
        if layouts and mine.layouts and "state" in levels:
            yield from _layouts(index, mine, theirs)


def _held(
    index: int, mine: Entry, theirs: Entry, levels: Collection[Level], *, complete: bool
) -> Iterator[Difference]:
    for name in dict.fromkeys([*mine.held, *theirs.held]):
        ours, other = mine.held.get(name), theirs.held.get(name)
        if ours is None or other is None:
            yield Difference(index, "state", name, "cache", _presence(ours), _presence(other))
            continue
        if ours.kind != other.kind:
            yield Difference(index, "state", name, "kind", ours.kind, other.kind)
            continue
        for field, value in zip(ours.names, ours.values, strict=True):
            against = other.get(field)
            if against is ABSENT or LEVEL_OF[field] not in levels:
                continue
            if not same(value, against):
                yield Difference(index, LEVEL_OF[field], name, field, value, against)
        for field in _lacking(ours, other) if complete else ():
            if LEVEL_OF[field] in levels:
                yield Difference(index, LEVEL_OF[field], name, field, _NOT_THERE, other.get(field))


def _layouts(index: int, mine: Entry, theirs: Entry) -> Iterator[Difference]:
    for name in mine.layouts.keys() & theirs.layouts.keys():
        ours, other = mine.layouts[name], theirs.layouts[name]
        if ours.convention == other.convention and not same(ours.layout, other.layout):
            yield Difference(index, "state", name, "layout", ours.layout, other.layout)


def _lacking(mine: Held, theirs: Held) -> Iterator[str]:
    """The fields that only the other side has."""
    return (field for field in theirs.names if field not in mine.names)


_NOT_THERE = "not there"


def _types(entry: Entry) -> list[list[type]]:
    return [list(map(type, held.values)) for held in entry.held.values()]


def _presence(held: object) -> str:
    return "there" if held is not None else _NOT_THERE


def same(value: Any, other: Any) -> bool:
    """Equality of two observed values: `1` is not `True`, and two raised errors are alike."""
    if type(value) is not type(other):
        return False
    if type(value) is tuple:
        return len(value) == len(other) and all(map(same, value, other))
    return type(value) is Raised or bool(value == other)


def place(subject: Any, reference: Any) -> dict[str, int]:
    """Where two arrays of one dtype and shape first differ; empty for anything else.

    Row, head, slot and lane for keys and values, query and key for a mask.
    """
    for mine, theirs in _pairs(subject, reference):
        if mine != theirs:
            return _place(mine, theirs)
    return {}


def _pairs(subject: Any, reference: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(subject, Frozen) or isinstance(reference, Frozen):
        yield subject, reference
    elif isinstance(subject, tuple) and isinstance(reference, tuple):
        for mine, theirs in zip(subject, reference, strict=False):
            yield from _pairs(mine, theirs)


_AXES = {4: ("row", "head", "slot", "lane"), 2: ("query", "key"), 1: ("key",)}
_MASK_OF_A_BATCH = ("row", "head", "query", "key")


def _place(mine: Any, theirs: Any) -> dict[str, int]:
    if not (isinstance(mine, Frozen) and isinstance(theirs, Frozen)):
        return {}
    if mine.shape != theirs.shape or mine.dtype != theirs.dtype or len(mine.shape) not in _AXES:
        return {}
    at = next(i for i, (x, y) in enumerate(zip(mine.data, theirs.data, strict=True)) if x != y)
    element = at // _BYTES.get(mine.dtype, 1)
    place: dict[str, int] = {}
    batch_mask = mine.dtype == "bool" and len(mine.shape) == 4
    axes = _MASK_OF_A_BATCH if batch_mask else _AXES[len(mine.shape)]
    for axis, length in zip(reversed(axes), reversed(mine.shape), strict=True):
        element, place[axis] = divmod(element, length)
    return dict(reversed(place.items()))
