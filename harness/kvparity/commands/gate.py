"""`kvparity gate`: everything that is configured, held together, as a check that is required."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kvparity import config, gate, ledger
from kvparity.campaign import Arena
from kvparity.commands.report import annotate
from kvparity.commands.run import PAGE, RUN_FILE, played, tell_if_nothing, write
from kvparity.config import Config
from kvparity.exitcodes import CONFORMS, COULD_NOT_RUN, DIVERGES
from kvparity.explain import explained
from kvparity.record import Plan
from kvparity.run import footer
from kvreports import pairs, runfile, terminal
from kvreports.brief import failing_records
from kvreports.formats import as_format
from kvreports.model import Run
from kvscenarios import Scenario
from kvscenarios.writer import as_yaml

_FILES = {
    "junit": "junit.xml",
    "sarif": "results.sarif",
    "markdown": "summary.md",
    "json": "run.json",
    "terminal": "run.txt",
}
"""Outputs that are files, by what they are called; the page is written in any case."""


@dataclass(frozen=True)
class Held:
    """One subject against one reference: what came of it, and where that is to be written."""

    run: Run
    out: Path
    extra: tuple[Scenario, ...]


def command(
    file: Path | None,
    overrides: dict[str, Any],
    *,
    shard: str | None,
    draft: Path | None,
    as_json: bool,
) -> int:
    """Play all pairs, then write everything and say what came of each.

    1 where one diverges, 3 where nothing was compared in one.
    """
    chosen = config.load(file, overrides)
    part = config.Shard.of(shard) if shard else config.Shard()
    if draft is not None:
        ledger.check_draft(draft)
    wanted = gate.pairs(chosen)
    scenarios = [one for one in gate.scenarios(chosen) if part.has(one.digest)]
    pairs_played = []
    for pair in wanted:
        out = chosen.out / _directory(*pair) if len(wanted) > 1 else chosen.out
        words = ("kvparity", *sys.argv[1:])
        plan = gate.plan(chosen, pair, whole=part.parts == 1, command=words)
        pairs_played.append(_held(plan, scenarios, chosen, out))
    pairs_played = [_beside(held, pairs_played) for held in pairs_played]
    for held in pairs_played:
        _write(held, chosen)
    if len(pairs_played) > 1:
        _write_page_of_all(pairs_played, chosen.out)
    if draft is not None:
        found = [record for held in pairs_played for record in held.run.records]
        runfile.write_whole(draft, ledger.draft(found))
    _say(pairs_played, chosen, as_json=as_json)
    return _exit_code([held.run.footer.exit_code for held in pairs_played], part)


def _exit_code(codes: Sequence[int], part: config.Shard) -> int:
    """What the runs come to together. What is not compared in one shard may be in another."""
    if DIVERGES in codes:
        return DIVERGES
    return COULD_NOT_RUN if COULD_NOT_RUN in codes and part.parts == 1 else CONFORMS


def _directory(subject: str, reference: str) -> str:
    """A directory's name that says who was held against whom, whatever they are called."""
    return re.sub(r"[^\w.=-]+", "-", f"{subject}-against-{reference}").strip("-.")[:200]


def _held(plan: Plan, scenarios: Sequence[Scenario], chosen: Config, out: Path) -> Held:
    """The run; where generated scenarios fail, with the smallest ones that do in their place."""
    run = played(plan, scenarios, chosen.jobs)
    failing = [record for record in failing_records(run) if gate.is_generated(record)]
    extra: list[Scenario] = []
    if failing:
        arena = Arena(plan.subject, plan.reference, plan.ledger)
        shrunk = gate.smallest(arena, failing, chosen.examples)
        replaced = {record.id for record in failing if gate.kind_of(record) in dict(shrunk)}
        extra = [_in_file(one, out) for _kind, one in shrunk]
        scenarios = [*(one for one in scenarios if one.id not in replaced), *extra]
        run = played(plan, scenarios, chosen.jobs)
    return Held(explained(run, scenarios, plan.reference), out, tuple(extra))


def _beside(held: Held, all_: Sequence[Held]) -> Held:
    """The pair beside the others: one ledger speaks of all subjects at a reference.

    An entry that another of them has found is not stale.
    """
    run, at = held.run, held.run.header.reference
    found = {
        finding.declared
        for other in all_
        if other.run.header.reference == at
        for record in other.run.records
        for finding in record.findings
    }
    problems = tuple(one for one in run.footer.ledger if one.why != "stale" or one.id not in found)
    ended = footer(run.records, problems)
    return replace(held, run=run.model_copy(update={"footer": ended}))


def _in_file(one: Scenario, out: Path) -> Scenario:
    """The scenario as the file says it that it will be found in."""
    return one.model_copy(update={"file": str(out / gate.GENERATED / f"{one.name}.yaml")})


def _write(held: Held, chosen: Config) -> None:
    write(held.out, held.run)
    for name in chosen.outputs:
        if name in _FILES:
            text = as_format(held.run, name, held.out / PAGE)
            runfile.write_whole(held.out / _FILES[name], text)
    for one in held.extra:
        runfile.write_whole(Path(one.file), as_yaml(one))


def _write_page_of_all(played: Sequence[Held], out: Path) -> None:
    """One page over the pages of the pairs, which stand in directories beside it."""
    ways = ((held.out / PAGE).relative_to(out).as_posix() for held in played)
    found = [pairs.Pair(held.run, way) for held, way in zip(played, ways, strict=True)]
    runfile.write_whole(out / PAGE, pairs.page(found))


def _say(played: Sequence[Held], chosen: Config, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_plain(held) for held in played], indent=1))
        for held in played:
            tell_if_nothing(held.run)
        return
    for held in played:
        terminal.summarise(held.run, held.out / PAGE)
        if "github" in chosen.outputs and os.environ.get("GITHUB_ACTIONS") == "true":
            annotate(held.run)
    if len(played) > 1:
        print(f"\nall pairs  {chosen.out / PAGE}\n{pairs.headline([held.run for held in played])}")


def _plain(held: Held) -> dict[str, Any]:
    """What came of a pair, for a script; the run file has everything."""
    footer = held.run.footer
    return {
        "subject": held.run.header.subject.name,
        "reference": held.run.header.reference.name,
        "exit_code": footer.exit_code,
        "counts": footer.counts,
        "ledger": [problem.model_dump() for problem in footer.ledger],
        "failing": [
            {"id": record.id, "verdict": record.verdict, "summary": record.summary}
            for record in failing_records(held.run)
        ],
        "run": str(held.out / RUN_FILE),
    }
