"""Holds a subject against a reference over many scenarios, and makes the run file's parts."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

import mlx.core as mx

from kvparity import __version__, interruptions, subjects
from kvparity.exitcodes import CONFORMS, COULD_NOT_RUN, DIVERGES
from kvparity.record import Plan, records
from kvparity.workers import Play
from kvreports.model import (
    PASSING,
    Footer,
    Header,
    Implementation,
    LedgerProblem,
    Record,
    Run,
    Verdict,
)
from kvscenarios import Scenario
from kvscenarios.errors import encodable


def run(
    plan: Plan,
    scenarios: Iterable[Scenario],
    advance: Callable[[Record], None] | None = None,
    *,
    play: Play | None = None,
) -> Run:
    """Every scenario played and judged; `advance` is told of each as it is done.

    Played in this process, unless `play` has others to help. Raises ScenarioError, WorkerDied and
    KeyboardInterrupt.
    """
    started = datetime.datetime.now(datetime.timezone.utc)
    clock = time.perf_counter()
    done = []
    for record in play(scenarios) if play else records(plan, scenarios):
        interruptions.check()
        done.append(record)
        if advance is not None:
            advance(record)
    return Run(
        header=_header(plan, started, time.perf_counter() - clock),
        records=tuple(done),
        footer=footer(done, _problems(plan, done)),
    )


def _problems(plan: Plan, done: Sequence[Record]) -> tuple[LedgerProblem, ...]:
    """What is wrong with the ledger, which only a run of the whole corpus can tell."""
    if not plan.whole_corpus:
        return ()
    found = {f.declared for record in done for f in record.findings if f.declared is not None}
    return tuple(plan.ledger.problems([record.id for record in done], found))


def _header(plan: Plan, started: datetime.datetime, duration: float) -> Header:
    return Header(
        tool=__version__,
        subject=_implementation(plan.subject),
        reference=_implementation(plan.reference),
        mlx=importlib.metadata.version("mlx"),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}, {mx.default_device()}",
        levels=tuple(plan.levels),
        command=tuple(map(encodable, plan.command)),
        started=started.isoformat(timespec="seconds"),
        duration=round(duration, 3),
    )


def _implementation(one: subjects.Implementation) -> Implementation:
    return Implementation(name=one.name, version=one.version, origin=one.origin, hashes=one.hashes)


def footer(records: Sequence[Record], problems: tuple[LedgerProblem, ...]) -> Footer:
    """What the records come to, with what is wrong with the ledger."""
    counts = Counter(record.verdict for record in records)
    return Footer(
        scenarios=len(records),
        counts=dict(sorted(counts.items())),
        ledger=problems,
        exit_code=_exit_code(counts.keys(), problems),
    )


def _exit_code(verdicts: Collection[Verdict], problems: Sequence[LedgerProblem]) -> int:
    """What the run comes to; one in which nothing was compared is no pass."""
    if not set(verdicts) - {"unsupported"}:
        return COULD_NOT_RUN
    passes = not problems and all(verdict in PASSING for verdict in verdicts)
    return CONFORMS if passes else DIVERGES
