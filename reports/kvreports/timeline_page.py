"""Timelines as one page: scenario by release, and below it what changed where."""

from __future__ import annotations

from collections.abc import Sequence

from kvreports.overview import key_of, link, releases
from kvreports.templates import drawn
from kvreports.timeline import Timeline
from kvreports.timeline_text import lines


def page(timelines: Sequence[Timeline]) -> str:
    """The page, whole: it needs no network and no script."""
    changing = sum(bool(one.transitions) for one in timelines)
    known = dict.fromkeys(r for one in timelines for s in one.stretches for r in s.releases)
    first, last = next(iter(known)), list(known)[-1]
    named = [(link(scenario=key_of(one.id)), one) for one in timelines]
    return drawn(
        "timelines.html.j2",
        headline=f"{changing} of {len(timelines)} scenarios changed between {first} and {last}",
        made=timelines[0],
        releases=releases((one.id, href, one.stretches) for href, one in named),
        scenarios=[(f"scenario={key_of(one.id)}", one, list(lines(one))[2:]) for one in timelines],
    )
