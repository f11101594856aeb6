"""Every planted fault turns a run of the corpus red, in the field where it shows."""

from __future__ import annotations

import planted
import pytest

from kvoracle.face import Face
from kvparity import ledger, subjects
from kvparity.observe import LEVELS
from kvparity.play import InProcess
from kvparity.run import Plan, run
from kvscenarios.select import select


def plan(subject: subjects.Implementation) -> Plan:
    reference = subjects.resolve("mlx-lm")
    declared = ledger.Ledger(ledger.load(ledger.OWN), reference.version)
    return Plan(subject, reference, LEVELS, declared, whole_corpus=False, command=())


def wrong(name: str) -> subjects.Implementation:
    face = Face(name, planted.module(planted.FAULTS[name]))
    return subjects.Implementation(name, None, "planted", {}, InProcess(face))


def test_there_are_at_least_25_planted_faults() -> None:
    assert len(planted.FAULTS) >= 25


@pytest.mark.parametrize("name", planted.FAULTS)
def test_a_planted_fault_is_caught_in_its_field(name: str) -> None:
    fault = planted.FAULTS[name]
    done = run(plan(wrong(name)), select([fault.glob]))
    caught = {r.id: r.first.field for r in done.records if r.verdict not in {"conform", "declared"}}
    assert caught, f"nothing in {fault.glob} sees it"
    assert done.footer.exit_code == 1
    assert set(caught.values()) & fault.fields, caught


def test_the_corpus_conforms_without_a_fault() -> None:
    done = run(plan(subjects.resolve("kvimpl")), select([]))
    assert {r.id: r.summary for r in done.records if r.verdict not in {"conform", "declared"}} == {}
