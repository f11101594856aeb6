"""`kvparity table`: expected tables printed, written to a file, and held against it later."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from kvparity import output, subjects
from kvparity.exitcodes import CONFORMS, DIVERGES
from kvparity.mistakes import UsageError
from kvparity.tables import check as checking
from kvparity.tables.document import document
from kvparity.tables.formats import BINARY, OWN, written
from kvparity.tables.made import Table, make
from kvparity.tables.provenance import NotATable
from kvreports.runfile import write_whole
from kvreports.words import plain
from kvscenarios import Scenario
from kvscenarios.select import select


def command(
    selectors: Sequence[str],
    reference: str,
    format_: str,
    template: Path | None,
    *,
    trace: bool,
    out: Path | None,
) -> int:
    """Play the scenarios on the reference and print their tables, or write them to `out`."""
    if template is not None:
        format_ = OWN
    if format_ == BINARY and out is None:
        raise UsageError("safetensors is no text for a terminal: say where, with --out FILE")
    if not selectors:
        raise UsageError("name a scenario, such as rotating/ring-then-prefill; or --check a FILE")
    played = subjects.resolve(reference)
    with output.kept_clear():
        tables = list(_made(select(selectors), played, trace=trace))
    typed = shlex.join(["kvparity", *sys.argv[1:]])
    data = written(document(tables, played, typed, format_, working=trace), template)
    if out is None:
        sys.stdout.write(data.decode())
    else:
        write_whole(out, data)
        print(f"wrote {out}", file=sys.stderr)
    return CONFORMS


def _made(
    scenarios: Sequence[Scenario], played: subjects.Implementation, *, trace: bool
) -> Iterator[Table]:
    """The tables; of several scenarios, those that the reference cannot play are left out.

    Raises Missing where it can play none of them.
    """
    left_out = []
    for scenario in scenarios:
        try:
            yield from make([scenario], played, trace=trace)
        except subjects.Missing as fact:
            left_out.append(str(fact))
    if len(left_out) == len(scenarios):
        raise subjects.Missing("\n".join(left_out[:5]))
    for said in left_out:
        print(f"left out: {plain(said)}", file=sys.stderr)


def check(
    path: Path,
    selectors: Sequence[str],
    reference: str | None,
    beside: Sequence[str] = (),
    *,
    as_json: bool,
) -> int:
    """Say whether a table still holds: 0 if it does, 1 with what moved, or was edited, if not.

    `beside` are options that say how to write a table, of which none is written here.
    """
    if beside:
        raise UsageError(f"--check writes no table: leave {', '.join(beside)} out")
    try:
        with output.kept_clear():
            outcome = checking.check(path, reference, selectors)
    except NotATable as error:
        raise UsageError(f"{path}: {error}") from None
    if as_json:
        print(json.dumps({"holds": outcome.holds, **dataclasses.asdict(outcome)}, indent=1))
    else:
        for line in _said(outcome):
            print(plain(line))
    return CONFORMS if outcome.holds else DIVERGES


def _said(outcome: checking.Outcome) -> Iterator[str]:
    yield f"{outcome.file}: made at {outcome.made_at}, checked at {outcome.checked_at}"
    if outcome.edited:
        yield "edited: the file is not as kvparity wrote it (its own hash is another)"
        yield from (f"  {line}" for line in _edits(outcome))
    for scenario in outcome.scenarios_changed:
        yield f"stale: the scenario {scenario} itself has changed since"
    if outcome.moved:
        yield f"stale: {len(outcome.moved)} of {outcome.rows} rows moved"
    for moved in outcome.moved:
        yield f"  {moved.scenario} op {moved.op}, step {moved.step}: {moved.operation}"
        yield from (f"    {name} was {was}, is {now}" for name, was, now in moved.changes)
    if outcome.lines_moved:
        yield f"stale: {len(outcome.lines_moved)} rows cite lines that are others now"
        yield from (f"  {place}" for place in outcome.lines_moved)
    if outcome.holds:
        yield f"holds: {outcome.rows} rows are the same"
    elif not outcome.stale:
        yield f"apart from that, {outcome.rows} rows are the same"


def _edits(outcome: checking.Outcome) -> Iterator[str]:
    """The lines that somebody edited, each with its place."""
    for edit in outcome.edits:
        op = f" op {edit.op}, step {edit.step}" if edit.op else ""
        yield f"line {edit.line}" + (f", {edit.scenario}{op}:" if edit.scenario else ":")
        yield from (f"  - {line}" for line in edit.was)
        yield from (f"  + {line}" for line in edit.now)
    if outcome.edits_more:
        yield f"... and {outcome.edits_more} more places"
    if outcome.edits_unshown:
        yield f"its lines cannot be shown: {outcome.edits_unshown}"
