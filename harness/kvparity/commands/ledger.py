"""`kvparity ledger`: what is wrong with a ledger, what an entry means, stale entries out."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from packaging.version import Version

from kvoracle import lock
from kvparity import config, gate, interruptions, ledger, subjects
from kvparity.commands.run import played
from kvparity.config import Config
from kvparity.exitcodes import CONFORMS, DIVERGES
from kvparity.ledger import Entry
from kvparity.mistakes import UsageError
from kvparity.observe import LEVELS
from kvparity.program import Program
from kvparity.record import Plan
from kvparity.run import run
from kvparity.views import around
from kvreports import runfile, terminal
from kvreports.model import LedgerProblem, Record, Run
from kvreports.words import plain
from kvscenarios import Scenario
from kvscenarios.errors import nearest
from kvscenarios.select import select


def check(runs: Sequence[Path], overrides: dict[str, Any], *, as_json: bool) -> int:
    """Tell what is wrong with a ledger, by itself and after these runs; 1 where anything is."""
    chosen = config.load(None, overrides)
    path = _path(chosen)
    entries = ledger.load(path)
    ids = [scenario.id for scenario in select(chosen.scenarios)]
    problems = [*_by_itself(entries, ids), *_after(entries, [runfile.read(one) for one in runs])]
    if as_json:
        print(json.dumps([problem.model_dump() for problem in problems], indent=1))
    else:
        for problem in problems:
            print(plain(f"{problem.why:<15} {problem.id}: {problem.message}"))
        print(f"{path}: {len(entries)} entries, {len(problems)} problems")
    return DIVERGES if problems else CONFORMS


def _path(chosen: Config) -> Path:
    """The ledger that the configuration names, or ours."""
    return chosen.ledger or ledger.OWN


def _by_itself(entries: Iterable[Entry], ids: list[str]) -> Iterator[LedgerProblem]:
    today = datetime.datetime.now(datetime.timezone.utc).date()
    for entry in entries:
        idle = list(entry.idle_globs(ids))
        if idle:
            message = f"no scenario matches {' or '.join(map(repr, idle))}"
            yield LedgerProblem(id=entry.id, why="matches-nothing", message=message)
        if not any(map(entry.speaks_of, lock.releases())):
            message = f"no known release is {', '.join(entry.when)}"
            yield LedgerProblem(id=entry.id, why="matches-nothing", message=message)
        if entry.until is not None and today > entry.until:
            message = f"declared until {entry.until}, which has passed"
            yield LedgerProblem(id=entry.id, why="expired", message=message)


def _after(entries: Iterable[Entry], runs: Sequence[Run]) -> Iterator[LedgerProblem]:
    """The entries that none of the runs found, though they speak of one of the releases."""
    found = _found(record for one in runs for record in one.records)
    releases = [one.header.reference.version for one in runs]
    for entry in entries:
        if entry.id not in found and any(map(entry.holds_at, releases)):
            message = "declared, but none of these runs found it"
            yield LedgerProblem(id=entry.id, why="stale", message=message)


def _found(records: Iterable[Record]) -> set[str]:
    return {f.declared for record in records for f in record.findings if f.declared is not None}


def explain(name: str, overrides: dict[str, Any], *, as_json: bool) -> int:
    """Tell what an entry says, and show the smallest scenario in which it is found."""
    chosen = config.load(None, overrides)
    entries = ledger.load(_path(chosen))
    entry = next((one for one in entries if one.id == name), None)
    if entry is None:
        known = [one.id for one in entries]
        raise UsageError(f"{_path(chosen)} has no entry {name!r}; {nearest(name, known)}")
    scenarios = [one for one in select(chosen.scenarios) if entry.concerns(one)]
    plan = _plan(chosen, config.references(chosen.references)[0])
    records = [one for one in run(plan, scenarios).records if entry.id in _found([one])]
    if as_json:
        told = {**json.loads(entry.model_dump_json()), "found_in": [one.id for one in records]}
        print(json.dumps(told, indent=1))
        return CONFORMS
    for line in _told(entry, plan, records):
        print(plain(line))
    if records:
        _show(plan, entry, min(records, key=lambda one: (one.ops_total, one.id)), scenarios)
    return CONFORMS


def _told(entry: Entry, plan: Plan, records: Sequence[Record]) -> Iterator[str]:
    yield f"{entry.id} ({entry.why})"
    yield entry.reason
    if entry.link:
        yield f"link      {entry.link}"
    match = entry.match.model_dump(exclude_none=True)
    said = (", ".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in match.values())
    yield from (f"{key:<9} {text}" for key, text in zip(match, said, strict=True))
    if entry.spreads:
        yield "spreads   what follows from it in the same scenario is declared as well"
    held = [one for one in sorted(lock.releases(), key=Version) if entry.speaks_of(one)]
    yield f"releases  {', '.join(entry.when) or 'all'}" + (
        f": {held[0]} ... {held[-1]}" if held else ""
    )
    if entry.until:
        yield f"until     {entry.until}"
    where = f"in {len(records)} scenarios, {plan.subject.name} against {plan.reference.name}"
    yield f"found     {where}"


def _show(plan: Plan, entry: Entry, record: Record, scenarios: Sequence[Scenario]) -> None:
    """The steps around the first place where the entry was found, as a table."""
    program = Program(next(one for one in scenarios if one.id == record.id))
    mine = plan.subject.driver.play(program)
    theirs = plan.reference.driver.play(program, aside=plan.subject.face.typed_errors)
    first = next(one for one in record.findings if one.declared == entry.id)
    ops = around(program, mine, theirs, first.index)
    print()
    terminal.table(record.id, record.about, plan.subject.name, plan.reference.name, ops)


def prune(file: Path | None, overrides: dict[str, Any], *, as_json: bool) -> int:
    """Take out the entries that none of the configured pairs finds, though the gate looks for them.

    What the gate plays is played, and what the gate calls stale, or matches nothing, is taken out.
    """
    chosen = config.load(file, overrides)
    path = _path(chosen)
    entries = ledger.load(path)
    scenarios, pairs = gate.scenarios(chosen), gate.pairs(chosen)
    runs = [played(gate.plan(chosen, pair), scenarios, chosen.jobs) for pair in pairs]
    found = _found(record for one in runs for record in one.records)
    unfound = {
        problem.id
        for one in runs
        for problem in one.footer.ledger
        if problem.why != "expired" and problem.id not in found
    }
    stale = [entry.id for entry in entries if entry.id in unfound]
    interruptions.check()
    if stale:
        runfile.write_whole(path, ledger.without(path, stale))
    if as_json:
        told = {"ledger": str(path), "pairs": pairs, "taken_out": stale}
        print(json.dumps(told, indent=1))
        return CONFORMS
    for name in stale:
        print(plain(f"taken out  {name}"))
    after = ", ".join(f"{subject} against {reference}" for subject, reference in pairs)
    print(f"{path}: {len(stale)} entries taken out, after {after}")
    return CONFORMS


def _plan(chosen: Config, reference: str) -> Plan:
    """The first configured subject against a reference."""
    against = subjects.resolve(reference)
    return Plan(
        subject=subjects.resolve(chosen.subjects[0]),
        reference=against,
        levels=LEVELS,
        ledger=ledger.between(chosen.subjects[0], against.version, chosen.ledger),
        whole_corpus=False,
        command=(),
    )
