"""Holds a subject against a reference over many scenarios, and makes the run file's parts."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import mlx.core as mx

from kvparity import __version__, ledger, subjects
from kvparity.exitcodes import CONFORMS, DIVERGES
from kvparity.judge import Judgement, judge
from kvparity.observe import Level
from kvparity.program import Program
from kvparity.summary import summary
from kvparity.trace import Trace
from kvparity.views import around
from kvreports.model import (
    PASSING,
    Footer,
    Header,
    Implementation,
    LedgerProblem,
    OpView,
    Record,
    Run,
)
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


def run(
    plan: Plan, scenarios: Sequence[Scenario], advance: Callable[[Record], None] | None = None
) -> Run:
    """Every scenario played and judged; `advance` is told of each as it is done."""
    started = datetime.datetime.now(datetime.timezone.utc)
    clock = time.perf_counter()
    programs = [Program(scenario) for scenario in scenarios]
    records = []
    for first in range(0, len(programs), _TOGETHER):
        for record in _records(plan, programs[first : first + _TOGETHER]):
            records.append(record)
            if advance is not None:
                advance(record)
    problems = tuple(plan.ledger.problems(scenarios)) if plan.whole_corpus else ()
    return Run(
        header=_header(plan, started, time.perf_counter() - clock),
        records=tuple(records),
        footer=_footer(records, problems),
    )


def _records(plan: Plan, programs: Sequence[Program]) -> Iterator[Record]:
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
        levels=plan.levels,
        typed_errors=plan.subject.face.typed_errors,
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


def _header(plan: Plan, started: datetime.datetime, duration: float) -> Header:
    return Header(
        tool=__version__,
        subject=_implementation(plan.subject),
        reference=_implementation(plan.reference),
        mlx=importlib.metadata.version("mlx"),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}, {mx.default_device()}",
        levels=tuple(plan.levels),
        command=tuple(plan.command),
        started=started.isoformat(timespec="seconds"),
        duration=round(duration, 3),
    )


def _implementation(one: subjects.Implementation) -> Implementation:
    return Implementation(name=one.name, version=one.version, origin=one.origin, hashes=one.hashes)


def _footer(records: Sequence[Record], problems: tuple[LedgerProblem, ...]) -> Footer:
    counts = Counter(record.verdict for record in records)
    passes = not problems and all(verdict in PASSING for verdict in counts)
    return Footer(
        scenarios=len(records),
        counts=dict(sorted(counts.items())),
        ledger=problems,
        exit_code=CONFORMS if passes else DIVERGES,
    )
