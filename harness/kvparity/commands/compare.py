"""`kvparity compare`: what changed for a cache's users between two releases of mlx-lm."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from kvoracle.interface import changes, interface
from kvoracle.releases import release
from kvparity import ledger, subjects
from kvparity.campaign import Arena, Round, play_round, rounds
from kvparity.commands.run import played, write
from kvparity.comparison import Comparison, as_markdown, comparison
from kvparity.exitcodes import CONFORMS, DIVERGES
from kvparity.explain import explained
from kvparity.generate.starts import KINDS
from kvparity.observe import LEVELS
from kvparity.outcome import Outcome
from kvparity.record import Plan
from kvreports import runfile
from kvscenarios import Scenario
from kvscenarios.select import select

NOTES = "compare.md"
_SEED, _ROUND = 0, 50


def command(
    old: str,
    new: str,
    selectors: Sequence[str],
    keyword: str | None,
    *,
    fuzz: float | None,
    as_json: bool,
    out: Path,
) -> int:
    """Print what changed, and write it beside the page that draws it; 1 where anything did.

    With `fuzz`, so many seconds of generated scenarios come to those of the corpus.
    """
    before, after = (subjects.resolve(_name(word)) for word in (old, new))
    plan = Plan(
        subject=after,
        reference=before,
        levels=LEVELS,
        ledger=ledger.Ledger((), None),
        whole_corpus=False,
        command=("kvparity", *sys.argv[1:]),
    )
    scenarios = select(selectors, keyword)
    if fuzz is not None:
        scenarios += _generated(before, after, fuzz)
    run = explained(played(plan, scenarios), scenarios, before)
    offered = [interface(release(one.version or "")) for one in (before, after)]
    found = comparison(run, changes(*offered))
    text = as_markdown(found)
    write(out, run)
    runfile.write_whole(out / NOTES, text)
    print(found.model_dump_json(indent=1) if as_json else text)
    return DIVERGES if _anything(found) else CONFORMS


def _name(word: str) -> str:
    return word if word.startswith("mlx-lm") else f"mlx-lm=={word}"


def _anything(found: Comparison) -> bool:
    changed = found.gone or found.come or found.changed
    return bool(changed or found.groups or found.impossible or found.possible)


def _generated(
    before: subjects.Implementation, after: subjects.Implementation, seconds: float
) -> list[Scenario]:
    """Generated scenarios in which the two differ, one for each way in which they do."""
    arena, found = Arena(after, before, ledger.Ledger((), None)), Outcome()
    until = time.time() + seconds
    template = Round("", _SEED, _ROUND, "gate", until=until)
    for wave in rounds(KINDS, _SEED, None, template):
        for task in wave:
            found.take(play_round(arena, task, found.failures))
        if time.time() > until:
            break
    return [failure.scenario for failure in found.failures.values()]
