"""A run as one self-contained HTML page, for whoever opens it from a CI artifact.

The page asks nothing of any network. Its overview and a list of what failed, with the tables, are
plain HTML; the scripts on it draw every recorded step from the run's own records, which the page
carries compressed, and take the list's place.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from kvreports.model import OpView, Run, Verdict
from kvreports.overview import Entry, Group, entries, groups, link, matrix, releases
from kvreports.picture import Fact, bookkeeping
from kvreports.templates import drawn, scripts
from kvreports.words import MEANING, failing_verdicts, sentence, verdict_in_words

_LISTED = 200
"""Scenarios of the static list that are told with their tables."""
_WAYS = 6
"""Groups of failures that are there at a glance."""
_LEVELS = ("returned", "state", "internals")
_BRIEF = {"id", "file", "line", "about", "source", "kinds", "operations", "steps", "verdict"}
"""What the page carries of a scenario that conforms."""


@dataclass(frozen=True)
class Told:
    """A scenario in the static list. `facts`: both sides after the operation that decides."""

    entry: Entry
    sentences: tuple[str, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Listed:
    """The scenarios of one verdict: those with findings told, the others named."""

    verdict: Verdict
    meaning: str
    count: int
    told: tuple[Told, ...]
    named: tuple[Entry, ...]


def page(run: Run) -> str:
    """The page, whole. Text from the run is escaped, and control characters are spelled out."""
    order = list(MEANING)
    found = sorted(entries(run.records), key=lambda entry: order.index(entry.record.verdict))
    table, ways = matrix(found), groups(found)
    return drawn(
        "page.html.j2",
        scripts(),
        run=run,
        verdict=verdict_in_words(run),
        passes=run.footer.exit_code == 0,
        counts=[(name, run.footer.counts[name]) for name in MEANING if name in run.footer.counts],
        failing=failing_verdicts(),
        groups=ways,
        ways_shown=_WAYS,
        listed=list(_listed(found)),
        matrix=table,
        anchors=table.anchors(found),
        releases=releases(
            (one.record.id, link(scenario=one.key), one.record.eras) for one in found
        ),
        options=shlex.join(_options(run)),
        data=packed(_data(run, found, ways)),
    )


def packed(text: str) -> str:
    """A text as it stands inline on the page: gzip, then base64. The same text gives the same."""
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=3, mtime=0)).decode()


def _data(run: Run, found: Sequence[Entry], ways: Sequence[Group]) -> str:
    """What the scripts draw from, as JSON: each record as the run file has it, and what is said."""
    head = {
        "subject": run.header.subject.name,
        "reference": run.header.reference.name,
        "options": shlex.join(_options(run)),
        "start": ways[0].entries[0].key if ways else None,
        "verdicts": [
            {"name": name, "meaning": meaning, "fails": name in failing_verdicts()}
            for name, meaning in MEANING.items()
        ],
    }
    like = {entry.key: way for way in ways for entry in way.entries}
    scenarios = ",".join(_scenario(entry, like.get(entry.key)) for entry in found)
    return f'{json.dumps(head)[:-1]}, "scenarios": [{scenarios}]}}'


def _scenario(entry: Entry, way: Group | None) -> str:
    record = entry.record
    where = {"key": entry.key, "kinds": entry.kinds, "operations": entry.operations}
    if not record.findings:
        return f'{json.dumps(where)[:-1]}, "record": {record.model_dump_json(include=_BRIEF)}}}'
    said: dict[str, object] = {**where, "said": [sentence(finding) for finding in record.findings]}
    if way is not None:
        said |= {"like": way.entries[0].key, "alike": len(way.entries)}
    return f'{json.dumps(said)[:-1]}, "record": {_exact(record.model_dump_json())}}}'


def _exact(text: str) -> str:
    """The JSON with whole numbers of 16 digits and more as strings: scripts would round them."""
    return _TOKENS.sub(_quoted, text) if _SIXTEEN.search(text) else text


def _quoted(token: re.Match[str]) -> str:
    return f'"{token[0]}"' if _LONG.fullmatch(token[0]) else token[0]


_SIXTEEN = re.compile("[0-9]{16}")  # no sign, no end: this one looks through every record
_LONG = re.compile(r"-?\d{16,}")
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?')


def _options(run: Run) -> list[str]:
    """What to give `kvparity run` for the same two sides and the same levels."""
    names = ["--subject", run.header.subject.name, "--reference", run.header.reference.name]
    if set(run.header.levels) != set(_LEVELS):
        names += [word for level in run.header.levels for word in ("--level", level)]
    return names


def _listed(found: Sequence[Entry]) -> Iterator[Listed]:
    left = _LISTED
    for verdict, some in groupby(found, key=lambda entry: entry.record.verdict):
        members = list(some)
        told = [entry for entry in members if entry.record.findings][:left]
        left -= len(told)
        names = {entry.key for entry in told}
        yield Listed(
            verdict=verdict,
            meaning=MEANING[verdict],
            count=len(members),
            told=tuple(map(_told, told)),
            named=tuple(entry for entry in members if entry.key not in names),
        )


def _told(entry: Entry) -> Told:
    record = entry.record
    first = record.first
    op = _shown(record.ops, first.index) if first is not None else None
    facts = tuple(bookkeeping(op)) if op is not None else ()
    return Told(
        entry,
        tuple(f"step {f.step}, {f.op}: {sentence(f)}" for f in record.findings[:_SENTENCES]),
        facts if entry.fails else tuple(fact for fact in facts if fact.differs),
    )


_SENTENCES = 20
"""Findings of one scenario that the static list has."""


def _shown(ops: Sequence[OpView], index: int) -> OpView | None:
    """The operation to show for a finding: its own, or the last one where that was never played."""
    return next((op for op in ops if op.index == index), ops[-1] if ops else None)
