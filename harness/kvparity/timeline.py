"""From the traces of one scenario at many releases to its timeline. Pure: nothing is played here.

Two releases behave alike where nothing that can be seen at both differs: values, which operations
raise and what class of error, and how far the scenario can be played. A field that one of them
lacks is left out.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from string import ascii_uppercase
from typing import Literal

from kvparity import __version__
from kvparity.compare import Difference, differences, place
from kvparity.observe import LEVELS
from kvparity.program import Program
from kvparity.trace import Entry, Stop, Trace
from kvparity.views import viewed
from kvreports.model import Value
from kvreports.timeline import (
    UNSUPPORTED,
    Change,
    Raise,
    Stretch,
    Timeline,
    Transition,
    Visible,
)


@dataclass(frozen=True)
class Played:
    """A release and the scenario's trace there; equal releases may share one trace."""

    release: str
    trace: Trace


@dataclass
class _Run:
    """Neighbouring releases that behave alike.

    `traces` has one for each set of fields that came into sight: traces that are alike and show the
    same fields are the same.
    """

    releases: list[str] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)

    def takes(self, trace: Trace) -> bool:
        """Whether the trace is like every one of the run."""
        if self.traces and trace is self.traces[-1]:
            return True
        return all(first_difference(own, trace) is None for own in self.traces)

    def add(self, played: Played) -> None:
        """Lengthen the run by a release that it takes."""
        self.releases.append(played.release)
        if self.traces and _names(self.traces[-1]) == _names(played.trace):
            self.traces[-1] = played.trace
        else:
            self.traces.append(played.trace)


def timeline(program: Program, played: Sequence[Played]) -> Timeline:
    """The timeline of a scenario, from its traces in the order of the releases."""
    runs = _runs(played)
    scenario = program.scenario
    return Timeline(
        tool=__version__,
        mlx=importlib.metadata.version("mlx"),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        id=scenario.id,
        file=scenario.file,
        line=scenario.line,
        digest=scenario.digest,
        about=scenario.about,
        stretches=tuple(
            _stretch(program, run, letter) for run, letter in zip(runs, _letters(runs), strict=True)
        ),
        transitions=tuple(_transition(program, *pair) for pair in pairwise(runs)),
        visible=tuple(_visible(played)),
    )


def first_difference(before: Trace, after: Trace) -> Difference | None:
    """Where two traces first differ, the class of what is raised and an early end included."""
    return next(_all_differences(before, after), None)


def _all_differences(before: Trace, after: Trace) -> Iterator[Difference]:
    found = [
        *differences(before, after, LEVELS),
        *_other_errors(before, after),
        *_other_handles(before, after),
    ]
    yield from sorted(found, key=lambda difference: difference.index)
    mine, theirs = before.stop, after.stop
    if _end(mine) != _end(theirs):
        index = min(stop.index for stop in (mine, theirs) if stop is not None)
        yield Difference(index, "returned", None, "stop", _said(mine), _said(theirs))


def _other_errors(before: Trace, after: Trace) -> Iterator[Difference]:
    for index, (old, new) in enumerate(zip(before.entries, after.entries, strict=False)):
        if old.raised and new.raised and old.raised.name != new.raised.name:
            yield Difference(index, "returned", None, "raised", old.raised, new.raised)


def _other_handles(before: Trace, after: Trace) -> Iterator[Difference]:
    for index, (old, new) in enumerate(zip(before.entries, after.entries, strict=False)):
        if _changing(old) != _changing(new):
            yield Difference(index, "returned", None, "handles", _changing(old), _changing(new))


def _changing(entry: Entry) -> str:
    """Which arrays that were read after an op a later one changed, in words."""
    fields = [f"{cache}.{name}" for cache, name in sorted(entry.moved)]
    returned = ["what was returned"] if entry.later is not None else []
    given = ["what was given"] if not entry.inputs_kept else []
    changed = ", ".join([*returned, *given, *fields])
    return f"{changed} changes later" if changed else "nothing changes later"


def _end(stop: Stop | None) -> tuple[str, int] | None:
    return None if stop is None else (stop.why, stop.index)


def _said(stop: Stop | None) -> str:
    return "plays on" if stop is None else f"stops, {stop.why}: {stop.message}"


def _runs(played: Sequence[Played]) -> list[_Run]:
    runs: list[_Run] = []
    for one in played:
        if not runs or not runs[-1].takes(one.trace):
            runs.append(_Run())
        runs[-1].add(one)
    return runs


def _letters(runs: Sequence[_Run]) -> list[str]:
    """A letter a behaviour, in the order in which they first appear."""
    named: dict[str, list[_Run]] = {}
    letters = []
    for run in runs:
        stop = run.traces[0].stop
        if stop is not None and stop.why == "unsupported":
            letters.append(UNSUPPORTED)
            continue
        known = (
            letter
            for letter, others in named.items()
            if all(other.takes(trace) for other in others for trace in run.traces)
        )
        letter = next(known, None) or _letter(len(named))
        named.setdefault(letter, []).append(run)
        letters.append(letter)
    return letters


def _letter(index: int) -> str:
    """A, B, ... Z, A2, B2, ..."""
    again, place_ = divmod(index, len(ascii_uppercase))
    return ascii_uppercase[place_] + (str(again + 1) if again else "")


def _stretch(program: Program, run: _Run, letter: str) -> Stretch:
    trace = run.traces[-1]
    return Stretch(
        letter=letter,
        releases=tuple(run.releases),
        stopped=trace.stop.why if trace.stop else None,
        why=_where(program, trace.stop) if trace.stop else None,
        raises=tuple(_raises(program, trace)),
    )


def _where(program: Program, stop: Stop) -> str:
    op = program.ops[min(stop.index, len(program.ops) - 1)]
    return f"step {op.index + 1} ({program.label(op)}): {stop.message}"


def _raises(program: Program, trace: Trace) -> Iterator[Raise]:
    for op, entry in zip(program.ops, trace.entries, strict=False):
        if entry.raised is not None:
            yield Raise(
                step=op.index + 1,
                op=program.label(op),
                raised=entry.raised.name,
                message=entry.raised.message,
            )


def _transition(program: Program, before: _Run, after: _Run) -> Transition:
    """The first difference between the last of one run and the first of the next.

    Where these two are alike, an older release of the first run is not like the newer ones.
    """
    old, new = next(
        (old, new)
        for old in reversed(before.traces)
        for new in after.traces
        if first_difference(old, new) is not None
    )
    first, *rest = _all_differences(old, new)
    fields = dict.fromkeys(each.field for each in rest if each.field != first.field)
    op = program.ops[min(first.index, len(program.ops) - 1)]
    change = Change(
        what=_what(first),
        index=first.index,
        step=op.index + 1,
        op=program.label(op),
        cache=first.cache,
        field=first.field,
        place=place(first.subject, first.reference),
        before=_shown(program, first, first.subject),
        after=_shown(program, first, first.reference),
        also=tuple(fields),
    )
    return Transition(before=before.releases[-1], after=after.releases[0], change=change)


def _shown(program: Program, difference: Difference, value: object) -> Value:
    return viewed(value, difference.field, program.paint)


def _what(difference: Difference) -> Literal["value", "raised", "support"]:
    if difference.field == "stop":
        return "support"
    return "raised" if difference.field == "raised" else "value"


def _visible(played: Sequence[Played]) -> Iterator[Visible]:
    """Where fields come into sight, or go out of it, between releases that play to the end."""
    whole = [one for one in played if one.trace.stop is None]
    for older, newer in pairwise(whole):
        if older.trace is newer.trace:
            continue
        had, has = _fields(older.trace), _fields(newer.trace)
        if had.keys() != has.keys():
            yield Visible(
                release=newer.release,
                come=tuple(name for name in has if name not in had),
                gone=tuple(name for name in had if name not in has),
            )


def _fields(trace: Trace) -> dict[str, None]:
    return dict.fromkeys(name for names in _names(trace) for name in names)


def _names(trace: Trace) -> list[tuple[str, ...]]:
    """The fields that are seen, in order, cache by cache and entry by entry."""
    return [held.names for entry in trace.entries for held in entry.held.values()]
