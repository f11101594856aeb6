"""`kvparity timeline`: a scenario's behaviour at every release, and where it changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from packaging.version import InvalidVersion, Version
from rich.console import Console
from rich.progress import track

from kvoracle import lock
from kvparity import overmlx
from kvparity.commands.oracle import have
from kvparity.commands.show import only
from kvparity.everyrelease import EveryRelease
from kvparity.exitcodes import CONFORMS, COULD_NOT_RUN
from kvparity.program import Program
from kvparity.subjects import UnknownName
from kvparity.timeline import timeline
from kvreports import timeline_text
from kvreports.runfile import write_whole
from kvreports.timeline import Timeline
from kvreports.timeline_page import page
from kvreports.words import plain
from kvscenarios.select import select

PAGE = "timelines.html"


def command(
    selector: str,
    keyword: str | None,
    first: str | None,
    last: str | None,
    *,
    as_json: bool,
    out: Path | None = None,
) -> int:
    """Play the scenario at every known release and print its timeline; of several, a line each.

    A page with all of them is written to `out`, where that is named.
    """
    scenarios = select([selector], keyword)
    versions = between(first, last)
    if not have(versions):
        return COULD_NOT_RUN
    every = EveryRelease(versions)
    found = _watched(every, [Program(scenario) for scenario in scenarios])
    if out is not None:
        write_whole(out / PAGE, page(found))
    if len(found) == 1:
        _print(found[0], as_json=as_json)
    elif as_json:
        print(json.dumps([json.loads(one.model_dump_json()) for one in found], indent=1))
    else:
        for one in found:
            print(f"{plain(one.id)}  {timeline_text.runs(one)}")
    return CONFORMS


def _watched(every: EveryRelease, programs: Sequence[Program]) -> list[Timeline]:
    """The timelines, with progress where somebody watches."""
    timelines = every.timelines(programs)
    if not sys.stderr.isatty():
        return list(timelines)
    console = Console(stderr=True)
    return list(track(timelines, "playing", len(programs), console=console, transient=True))


def over_mlx(
    selector: str, keyword: str | None, reference: str, versions: Sequence[str], *, as_json: bool
) -> int:
    """Play the scenario on one release under several versions of mlx and print its timeline."""
    scenario = only(selector, keyword)
    program = Program(scenario)
    for version in versions:
        _version(version)

    def advance(version: str) -> None:
        print(f"playing under mlx {version}", file=sys.stderr)

    played = overmlx.played(scenario, reference, versions or overmlx.VERSIONS, advance)
    _print(timeline(program, played), as_json=as_json)
    return CONFORMS


def _print(found: Timeline, *, as_json: bool) -> None:
    if as_json:
        print(found.model_dump_json(indent=1))
        return
    for line in timeline_text.lines(found):
        print(line)


def between(first: str | None, last: str | None) -> list[str]:
    """The known releases from one to another, both included. Raises UnknownName."""
    low, high = (None if bound is None else _version(bound) for bound in (first, last))
    known = [
        version
        for version in lock.releases()
        if (low is None or low <= Version(version)) and (high is None or Version(version) <= high)
    ]
    if not known:
        ends = list(lock.releases())
        raise UnknownName(
            f"no known release lies between {first or ends[0]} and {last or ends[-1]}; "
            f"they go from {ends[0]} to {ends[-1]}"
        )
    return known


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise UnknownName(f"{text!r} is no version; write one such as 0.31.3") from None
