"""Scenarios played on both sides, judged, and put on record, in this process."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from kvparity import ledger, subjects
from kvparity.judge import Judgement, judge
from kvparity.observe import Level
from kvparity.program import Program
from kvparity.summary import summary
from kvparity.trace import Trace
from kvparity.views import around
from kvreports.model import OpView, Record
from kvscenarios import Scenario
from kvscenarios.writer import as_yaml

_TOGETHER = 32
"""Scenarios played before anything of them is evaluated."""


@dataclass(frozen=True)
class Plan:
    """What is held against what, how closely, and which differences are known."""

    subject: subjects.Implementation
    reference: subjects.Implementation
    levels: Collection[Level]
    ledger: ledger.Ledger
    whole_corpus: bool
    command: Sequence[str]


def records(plan: Plan, scenarios: Iterable[Scenario]) -> Iterator[Record]:
    """Every scenario's record, in their order. Raises ScenarioError before anything is played."""
    programs = [Program(scenario) for scenario in scenarios]
    for first in range(0, len(programs), _TOGETHER):
        yield from _together(plan, programs[first : first + _TOGETHER])


def _together(plan: Plan, programs: Sequence[Program]) -> Iterator[Record]:
    aside = plan.subject.face.typed_errors
    subjects_ = plan.subject.driver.play_all(programs)
    references = plan.reference.driver.play_all(programs, aside=aside)
    for program, subject, reference in zip(programs, subjects_, references, strict=True):
        yield _record(plan, program, subject, reference)


def _record(plan: Plan, program: Program, subject: Trace, reference: Trace) -> Record:
    judgement = judge(
        program,
        subject,
        reference,
        face=plan.subject.face,
        levels=plan.levels,
        ledger=plan.ledger,
    )
    scenario = program.scenario
    return Record(
        id=scenario.id,
        file=scenario.file,
        line=scenario.line,
        digest=scenario.digest,
        about=scenario.about,
        source=scenario.source,
        kinds=tuple(dict.fromkeys(_kinds(subject) + _kinds(reference))),
        operations=tuple(dict.fromkeys(op.name for op in program.ops)),
        steps=tuple(program.step_labels()),
        yaml=as_yaml(scenario) if judgement.findings else None,
        verdict=judgement.verdict,
        summary=summary(judgement),
        findings=judgement.findings,
        ops=_ops(program, subject, reference, judgement),
        ops_total=len(program.ops),
    )


def _ops(
    program: Program, subject: Trace, reference: Trace, judgement: Judgement
) -> tuple[OpView, ...]:
    if not judgement.findings:
        return ()
    return around(program, subject, reference, judgement.findings[0].index)


def _kinds(trace: Trace) -> list[str]:
    return [held.kind for entry in trace.entries[-1:] for held in entry.held.values()]
