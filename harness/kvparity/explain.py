"""What helps to understand a failure, put on record: a script, the lines that ran, the releases.

Each costs playing the scenario once more, so only some failures are explained: of those that look
alike (`kvreports.overview.groups`) the smallest. What passes is left as it is, but for its script.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kvoracle import lock, releases
from kvoracle.face import Face
from kvoracle.sources import OracleError
from kvparity import output
from kvparity.everyrelease import EveryRelease
from kvparity.program import Program
from kvparity.snippets import snippet
from kvparity.subjects import Implementation
from kvparity.tables.working import lines_at
from kvreports.model import Era, Finding, Record, Run, TraceLine
from kvreports.overview import entries, groups
from kvreports.timeline import Timeline
from kvreports.timeline_text import what_changed
from kvscenarios import Scenario

_EXPLAINED = 20
"""Failures that are explained at most."""


def explained(run: Run, scenarios: Sequence[Scenario], reference: Implementation) -> Run:
    """The run with scripts for all that was found, and the failures explained.

    `scenarios` are those of the run, in its order.
    """
    of = {scenario.id: scenario for scenario in scenarios}
    chosen = [group.entries[0].record.id for group in groups(entries(run.records))][:_EXPLAINED]
    history = _histories([of[name] for name in chosen])
    with output.kept_clear():
        records = tuple(
            _explained(record, of[record.id], reference.face, history.get(record.id))
            if record.findings
            else record
            for record in run.records
        )
    return run.model_copy(update={"records": records})


def _explained(
    record: Record, scenario: Scenario, face: Face, history: tuple[Era, ...] | None
) -> Record:
    update: dict[str, object] = {"snippet": snippet(scenario)}
    first = record.first
    if history is not None and first is not None:
        update |= {"eras": history, "trace": tuple(_lines(face, scenario, first))}
    return record.model_copy(update=update)


def _lines(face: Face, scenario: Scenario, finding: Finding) -> Iterator[TraceLine]:
    if finding.what == "stop" and finding.side == "reference":
        return
    program = Program(scenario)
    for line in lines_at(face, program, min(finding.index, len(program.ops) - 1)):
        yield TraceLine(file=line.file.rpartition("/")[2], line=line.number, text=line.text)


def _histories(scenarios: Sequence[Scenario]) -> dict[str, tuple[Era, ...]]:
    """How each scenario behaves at the releases whose files are on this machine."""
    if not scenarios:
        return {}
    here = [version for version in lock.releases() if _at_hand(version)]
    if len(here) < 2:
        return {scenario.id: () for scenario in scenarios}
    every = EveryRelease(here)
    found = every.timelines([Program(scenario) for scenario in scenarios])
    return {scenario.id: tuple(_eras(one)) for scenario, one in zip(scenarios, found, strict=True)}


def _at_hand(version: str) -> bool:
    try:
        return releases.at_hand(version) is not None
    except OracleError:
        return False


def _eras(timeline: Timeline) -> Iterator[Era]:
    changes = [None, *(what_changed(transition) for transition in timeline.transitions)]
    for stretch, change in zip(timeline.stretches, changes, strict=True):
        yield Era(letter=stretch.letter, releases=stretch.releases, change=change)
