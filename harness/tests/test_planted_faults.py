"""Every planted fault turns a run of the corpus red, in the field where it shows."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import planted
import pytest

from kvoracle.face import Face
from kvoracle.releases import PINNED
from kvparity import ledger, subjects
from kvparity.observe import LEVELS
from kvparity.play import InProcess
from kvparity.program import Program
from kvparity.record import Plan
from kvparity.run import run
from kvparity.trace import Trace
from kvscenarios import Scenario
from kvscenarios.select import select


class Remembering(InProcess):
    """The reference, which plays a scenario once however many faults are held against it."""

    def __init__(self, face: Face) -> None:
        super().__init__(face)
        self._traces: dict[tuple[str, bool], Trace] = {}

    def play_all(self, programs: Sequence[Program], *, aside: bool = False) -> list[Trace]:
        fresh = [p for p in programs if (p.scenario.id, aside) not in self._traces]
        for program, trace in zip(fresh, super().play_all(fresh, aside=aside), strict=True):
            self._traces[program.scenario.id, aside] = trace
        return [self._traces[p.scenario.id, aside] for p in programs]


@functools.cache
def reference() -> subjects.Implementation:
    installed = subjects.resolve(f"mlx-lm=={PINNED}")
    return replace(installed, driver=Remembering(installed.face))


@functools.cache
def scenarios(glob: str) -> list[Scenario]:
    return select([glob])


def plan(subject: subjects.Implementation) -> Plan:
    declared = ledger.Ledger(ledger.load(ledger.OWN), reference().version)
    return Plan(subject, reference(), LEVELS, declared, whole_corpus=False, command=())


def wrong(name: str) -> subjects.Implementation:
    face = Face(name, planted.module(planted.FAULTS[name]))
    return subjects.Implementation(name, None, "planted", {}, InProcess(face))


def test_there_are_at_least_25_planted_faults() -> None:
    assert len(planted.FAULTS) >= 25


@pytest.mark.parametrize("name", planted.FAULTS)
def test_a_planted_fault_is_caught_in_its_field(name: str) -> None:
    fault = planted.FAULTS[name]
    caught: dict[str, str] = {}
    for some in slices(scenarios(fault.glob)):
        done = run(plan(wrong(name)), some)
        red = [r for r in done.records if r.verdict not in {"conform", "declared"}]
        assert done.footer.exit_code == bool(red)
        caught |= {record.id: record.first.field for record in red}
        if set(caught.values()) & fault.fields:
            return
    raise AssertionError(caught or f"nothing in {fault.glob} sees it")


def slices(found: list[Scenario], size: int = 16) -> Iterator[list[Scenario]]:
    """One after another: most faults are seen soon."""
    return iter(found[first : first + size] for first in range(0, len(found), size))


def test_the_corpus_conforms_without_a_fault() -> None:
    done = run(plan(subjects.resolve("kvimpl")), scenarios("*"))
    assert {r.id: r.summary for r in done.records if r.verdict not in {"conform", "declared"}} == {}
