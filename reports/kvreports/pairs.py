"""Several runs as one page: what came of each pair of sides, and scenario by pair.

The page tells nothing of its own: each of its cells leads to the page of the run that it is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from kvreports.brief import named
from kvreports.model import PASSING, Run, Verdict
from kvreports.overview import entries, link
from kvreports.templates import drawn
from kvreports.words import MEANING, verdict_in_words

_SIGNS: dict[str, str] = {"conform": "✓", "declared": "d", "unsupported": "-"}
"""Of verdicts that pass; others are told in full."""


@dataclass(frozen=True)
class Pair:
    """A run and its page: `page` is the way there from the page of them all."""

    run: Run
    page: str

    def leads_to(self, **parts: str) -> str:
        """The address of a scenario, or of what a filter lets through, on the pair's own page."""
        return quote(self.page) + (link(**parts) if parts else "")


@dataclass(frozen=True)
class Count:
    """How many scenarios of a pair have one verdict, and where they are."""

    number: int
    fails: bool
    href: str


@dataclass(frozen=True)
class Column:
    """A pair: the head of a column of scenarios, and a row of counts."""

    name: str
    href: str
    fails: bool
    said: str
    counts: tuple[Count | None, ...]


@dataclass(frozen=True)
class Cell:
    """A scenario's verdict at one pair, how it is told, and where."""

    verdict: Verdict
    sign: str
    fails: bool
    href: str


@dataclass(frozen=True)
class Row:
    """A scenario: a cell a pair, None where the pair did not play it."""

    name: str
    fails: bool
    cells: tuple[Cell | None, ...]


def page(pairs: Sequence[Pair]) -> str:
    """The page, whole: it needs no network and no script."""
    verdicts = [v for v in MEANING if any(v in pair.run.footer.counts for pair in pairs)]
    columns, rows = list(_columns(pairs, verdicts)), _rows(pairs)
    return drawn(
        "pairs.html.j2",
        headline=headline([pair.run for pair in pairs]),
        passes=not any(column.fails for column in columns),
        made=pairs[0].run.header,
        verdicts=verdicts,
        columns=columns,
        rows=rows,
        alike=len({record.id for pair in pairs for record in pair.run.records}) - len(rows),
        signs=[(sign, MEANING[verdict]) for verdict, sign in _signs()],
    )


def headline(runs: Sequence[Run]) -> str:
    """What all of the runs come to."""
    failing, total = sum(bool(run.footer.exit_code) for run in runs), len(runs)
    subjects = {run.header.subject.name for run in runs}
    if len(subjects) > 1:
        return f"{failing} of {total} pairs do not conform." if failing else f"All {total} conform."
    did = f"does not conform to {failing} of" if failing else "conforms to all"
    return f"{subjects.pop()} {did} {total} references."


def _signs() -> Iterator[tuple[Verdict, str]]:
    yield from ((verdict, _SIGNS[verdict]) for verdict in MEANING if verdict in _SIGNS)


def _columns(pairs: Sequence[Pair], verdicts: Sequence[Verdict]) -> Iterator[Column]:
    several = len({pair.run.header.subject.name for pair in pairs}) > 1
    for pair in pairs:
        head, footer = pair.run.header, pair.run.footer
        subject = f"{named(head.subject)}, " if several else ""
        yield Column(
            name=subject + named(head.reference),
            href=pair.leads_to(),
            fails=bool(footer.exit_code),
            said=verdict_in_words(pair.run),
            counts=tuple(_count(pair, verdict) for verdict in verdicts),
        )


def _count(pair: Pair, verdict: Verdict) -> Count | None:
    number = pair.run.footer.counts.get(verdict)
    if number is None:
        return None
    return Count(number, verdict not in PASSING, pair.leads_to(verdict=verdict))


def _rows(pairs: Sequence[Pair]) -> list[Row]:
    """The scenarios that do not conform at every pair, those that fail somewhere first."""
    cells: dict[str, dict[int, Cell]] = {}
    for at, pair in enumerate(pairs):
        for entry in entries(pair.run.records):
            verdict = entry.record.verdict
            cell = Cell(
                verdict=verdict,
                sign=_SIGNS.get(verdict, verdict),
                fails=verdict not in PASSING,
                href=pair.leads_to(scenario=entry.key),
            )
            cells.setdefault(entry.record.id, {})[at] = cell
    rows = [
        Row(
            name=name,
            fails=any(cell.fails for cell in found.values()),
            cells=tuple(found.get(at) for at in range(len(pairs))),
        )
        for name, found in cells.items()
        if any(cell.verdict != "conform" for cell in found.values())
    ]
    return sorted(rows, key=lambda row: not row.fails)
