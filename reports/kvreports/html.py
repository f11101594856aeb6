"""A run as one self-contained HTML page, for whoever opens it from a CI artifact.

The page is static: it needs no network and no script. The little script that it has opens what a
link points at and copies text. What is drawn of an operation is worked out in `kvreports.picture`.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from kvreports.model import Finding, OpView, Record, Run, Verdict
from kvreports.picture import Drawing, Picture, picture, pinned, trail
from kvreports.words import MEANING, failing_verdicts, plain, sentence, verdict_in_words

_PAGE = Path(__file__).parent / "page"
_SLOTS = 48
_TRAIL_SLOTS = 24
_BEFORE = 12
_AFTER = 4
"""Operations of the trail: how far it reaches before and after the one that parts."""
_DRAWN = 200
"""Scenarios drawn in full: the page of a run in which everything fails still opens."""
_FINDINGS = 20
"""Findings of one scenario that are listed."""
_LEVELS = ("returned", "state", "internals")


@dataclass(frozen=True)
class Place:
    """An operation at which something does not hold: by side what was pinned, and what both did."""

    pins: tuple[tuple[str, Drawing], ...]
    picture: Picture | None


@dataclass(frozen=True)
class Story:
    """What the page tells of a scenario that has findings."""

    record: Record
    sentences: tuple[tuple[Finding, str], ...]
    more: int
    place: Place | None
    before: Picture | None
    trail: tuple[Picture, ...]


@dataclass(frozen=True)
class Group:
    """The scenarios of one verdict: those told in full, and those of which there is a line."""

    verdict: Verdict
    meaning: str
    fails: bool
    stories: tuple[Story, ...]
    lines: tuple[Record, ...]


def page(run: Run) -> str:
    """The page, whole. Text from the run is escaped, and control characters are spelled out."""
    style, script = (_asset(name) for name in ("page.css", "page.js"))
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            run=run,
            verdict=verdict_in_words(run),
            passes=run.footer.exit_code == 0,
            groups=list(_groups(run)),
            counts=[
                (name, run.footer.counts[name]) for name in MEANING if name in run.footer.counts
            ],
            failing=failing_verdicts(),
            options=_options(run),
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            policy=_policy(style, script),
        )
    )


@cache
def _asset(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_PAGE),
        autoescape=True,
        finalize=_spelled,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["anchor"] = anchor
    environment.filters["shell"] = shlex.join
    return environment


def _spelled(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return plain(value, keep="\n\t")
    return value


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded; the style and the script on the page are named by their hashes."""
    return (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src {_source(style)}; script-src {_source(script)}"
    )


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def anchor(identifier: str) -> str:
    """The fragment that leads to a scenario: its id, but for what an address cannot carry."""
    return "s:" + re.sub(r"[^\w@.=,/-]+", "-", identifier)


def _options(run: Run) -> list[str]:
    """What to give `kvparity run` for the same two sides and the same levels."""
    names = ["--subject", run.header.subject.name, "--reference", run.header.reference.name]
    if set(run.header.levels) != set(_LEVELS):
        names += [word for level in run.header.levels for word in ("--level", level)]
    return names


def _groups(run: Run) -> Iterator[Group]:
    drawn = 0
    for verdict, meaning in MEANING.items():
        records = [record for record in run.records if record.verdict == verdict]
        if not records:
            continue
        told = [record for record in records if record.findings][: _DRAWN - drawn]
        drawn += len(told)
        yield Group(
            verdict=verdict,
            meaning=meaning,
            fails=verdict in failing_verdicts(),
            stories=tuple(_story(record) for record in told),
            lines=tuple(records[len(told) :]) if told else tuple(records),
        )


def _story(record: Record) -> Story:
    first = record.first
    index = _shown(record.ops, first.index) if first is not None else None
    op = next((op for op in record.ops if op.index == index), None)
    before = next((op for op in record.ops if index is not None and op.index == index - 1), None)
    return Story(
        record=record,
        sentences=tuple((finding, sentence(finding)) for finding in record.findings[:_FINDINGS]),
        more=max(0, len(record.findings) - _FINDINGS),
        place=Place(
            pins=tuple((str(f.side), pinned(f, _SLOTS)) for f in _pins(record, first)),
            picture=picture(op, _SLOTS) if op is not None else None,
        ),
        before=picture(before, _SLOTS) if before is not None else None,
        trail=tuple(trail(_near(record.ops, index), _TRAIL_SLOTS)),
    )


def _pins(record: Record, first: Finding | None) -> list[Finding]:
    """The pinned facts that do not hold at the deciding finding's operation."""
    return [
        finding
        for finding in record.findings
        if first is not None
        and finding.index == first.index
        and finding.what in {"fact", "promise"}
        and (finding.declared is None) == (first.declared is None)
    ]


def _near(ops: Sequence[OpView], index: int | None) -> list[OpView]:
    if index is None:
        return []
    return [op for op in ops if -_BEFORE <= op.index - index <= _AFTER]


def _shown(ops: Sequence[OpView], index: int) -> int | None:
    """The operation to show for a finding: its own, or the last one where that was never played."""
    indices = [op.index for op in ops]
    return index if index in indices else max(indices, default=None)
