"""Where the scenarios of a run stand: by kind and operation, and by release.

What the page's overview counts, and by what its list can be filtered. Nothing is drawn here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Protocol
from urllib.parse import quote, unquote

from kvreports.model import PASSING, CacheView, Finding, OpView, Record, Verdict

FUNCTIONS = "functions"
"""The kind of a scenario that has no cache: it asks for masks alone."""
_KEY_LENGTH = 120


@dataclass(frozen=True)
class Entry:
    """A scenario and where it stands: by its first finding, or by all that it has if it conforms.

    `key` names it in an address.
    """

    key: str
    record: Record
    kinds: tuple[str, ...]
    operations: tuple[str, ...]

    @property
    def fails(self) -> bool:
        """Whether a gate stops at it."""
        return self.record.verdict not in PASSING


@dataclass(frozen=True)
class Cell:
    """The scenarios of one kind and one operation: how many, and where on the page they are."""

    total: int
    failing: int
    declared: int
    href: str


@dataclass(frozen=True)
class Matrix:
    """Kind by operation: a row an operation, a cell a kind, None where no scenario stands."""

    kinds: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]

    def anchors(self, listed: Iterable[Entry]) -> dict[str, list[str]]:
        """The cells that lead to each scenario, by its key: to the first one listed of a cell."""
        found: dict[str, list[str]] = {}
        taken: set[tuple[str, str]] = set()
        for entry in listed:
            for cell in product(entry.kinds, entry.operations):
                if cell not in taken:
                    taken.add(cell)
                    found.setdefault(entry.key, []).append(_address(kind=cell[0], op=cell[1]))
        return found


@dataclass(frozen=True)
class Group:
    """Failures that look alike: of one kind, in one operation and field; the smallest first."""

    verdict: Verdict
    kind: str
    operation: str
    field: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Releases:
    """Scenario by release. Neighbouring releases between which no scenario changes are a column."""

    columns: tuple[tuple[str, ...], ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Of each scenario: its name, where it is on the page, a letter a column."""


def entries(records: Iterable[Record]) -> list[Entry]:
    """The scenarios, each under a key of its own."""
    found: list[Entry] = []
    taken: Counter[str] = Counter()
    for record in records:
        key = key_of(record.id)
        taken[key] += 1
        if taken[key] > 1:
            key = f"{key}~{taken[key]}"
        first = record.first
        kinds = record.kinds or (FUNCTIONS,)
        operations = record.operations
        if first is not None:
            kinds = (_kind(record, first) or kinds[0],)
            operations = (first.op.partition(" ")[0],)
        found.append(Entry(key, record, kinds, operations))
    return found


def key_of(name: str) -> str:
    """A scenario's name as an address can carry it."""
    return re.sub(r"[^\w@.=,/-]+", "-", name)[:_KEY_LENGTH]


def _kind(record: Record, finding: Finding) -> str | None:
    """The kind of the cache that a finding is about, where that can be told."""
    caches = _caches(next((op for op in record.ops if op.index == finding.index), None))
    name = finding.cache or finding.op.rpartition(" on ")[2]
    if name in caches:
        return caches[name].kind
    kinds = {view.kind for view in caches.values()}
    return kinds.pop() if len(kinds) == 1 else None


def _caches(op: OpView | None) -> dict[str, CacheView]:
    sides = (op.reference, op.subject) if op is not None else ()
    return {name: view for side in sides if side for name, view in side.caches.items()}


def link(**parts: str) -> str:
    """The address of a scenario, or of all that a filter lets through, on the page."""
    words = (f"{name}={quote(value, safe='/@=,.~-')}" for name, value in parts.items())
    return "#" + "&".join(words)


def _address(**parts: str) -> str:
    return unquote(link(**parts)[1:])


def groups(all_: Iterable[Entry]) -> list[Group]:
    """The failures in groups, the largest first."""
    found: dict[tuple[Verdict, str, str, str], list[Entry]] = {}
    for entry in all_:
        first = entry.record.first
        if entry.fails and first is not None:
            alike = (entry.record.verdict, entry.kinds[0], entry.operations[0], first.field)
            found.setdefault(alike, []).append(entry)
    made = [
        Group(*alike, entries=tuple(sorted(some, key=lambda entry: entry.record.ops_total)))
        for alike, some in found.items()
    ]
    return sorted(made, key=lambda group: -len(group.entries))


def matrix(all_: Sequence[Entry]) -> Matrix:
    """The table of kind by operation, what most scenarios have first."""
    counts: dict[tuple[str, str], list[Entry]] = {}
    kinds: Counter[str] = Counter()
    operations: Counter[str] = Counter()
    for entry in all_:
        kinds.update(entry.kinds)
        operations.update(entry.operations)
        for kind in entry.kinds:
            for operation in entry.operations:
                counts.setdefault((operation, kind), []).append(entry)
    columns = tuple(kind for kind, _ in kinds.most_common())
    return Matrix(
        kinds=columns,
        rows=tuple(
            (name, tuple(_cell(name, kind, counts.get((name, kind), ())) for kind in columns))
            for name, _ in operations.most_common()
        ),
    )


def _cell(operation: str, kind: str, found: Sequence[Entry]) -> Cell | None:
    if not found:
        return None
    return Cell(
        total=len(found),
        failing=sum(entry.fails for entry in found),
        declared=sum(entry.record.verdict == "declared" for entry in found),
        href=link(kind=kind, op=operation),
    )


class Behaviour(Protocol):
    """Neighbouring releases that behave alike: an era of a record, or a timeline's stretch."""

    @property
    def letter(self) -> str:
        """The same for those that behave alike."""

    @property
    def releases(self) -> tuple[str, ...]:
        """The releases, oldest first."""


def releases(all_: Iterable[tuple[str, str, Sequence[Behaviour]]]) -> Releases | None:
    """The table of scenario by release: of names, addresses and what is known of their releases.

    None where nothing is known of any.
    """
    told = [(name, href, eras) for name, href, eras in all_ if eras]
    if not told:
        return None
    longest = max(([v for era in eras for v in era.releases] for _, _, eras in told), key=len)
    starts = {era.releases[0] for _, _, eras in told for era in eras} & set(longest)
    cuts = [0, *(at for at, release in enumerate(longest) if at and release in starts)]
    columns = tuple(tuple(longest[a:b]) for a, b in pairwise([*cuts, len(longest)]))
    rows = tuple((name, href, tuple(_letters(eras, columns))) for name, href, eras in told)
    return Releases(columns, rows)


def _letters(eras: Iterable[Behaviour], columns: Iterable[tuple[str, ...]]) -> Iterator[str]:
    letters = {release: era.letter for era in eras for release in era.releases}
    for column in columns:
        yield letters.get(column[0], "")
