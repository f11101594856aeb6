"""What is put on record of a failure beside what differs."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import planted
import pytest

from kvoracle import releases
from kvoracle.face import Face
from kvoracle.releases import PINNED
from kvparity import ledger, subjects
from kvparity.explain import explained
from kvparity.observe import LEVELS
from kvparity.play import InProcess
from kvparity.record import Plan
from kvparity.run import run
from kvreports.model import Record, Run
from kvscenarios.select import select

RING = "rotating/ring-then-prefill"
PREFILLS = "prefills_a_wrapped_ring_in_physical_order"


def run_of(subject: subjects.Implementation, globs: list[str]) -> Run:
    reference = subjects.resolve(f"mlx-lm=={PINNED}")
    declared = ledger.Ledger(ledger.load(ledger.OWN), reference.version)
    plan = Plan(subject, reference, LEVELS, declared, whole_corpus=False, command=())
    scenarios = select(globs)
    return explained(run(plan, scenarios), scenarios, reference)


@cache
def failing() -> Run:
    releases.release("0.31.3")  # at hand, beside the pinned one
    face = Face(PREFILLS, planted.module(planted.FAULTS[PREFILLS]))
    wrong = subjects.Implementation(PREFILLS, None, "planted", {}, InProcess(face))
    return run_of(wrong, [RING, "rotating/prefill-into-a-ring@keep=0,decoded=3,*"])


def smallest() -> Record:
    return next(record for record in failing().records if record.trace)


def test_of_failures_that_look_alike_the_smallest_is_explained() -> None:
    records = failing().records
    told = [record.id for record in records if record.trace]
    assert len(records) > 3
    assert told == [min(records, key=lambda record: record.ops_total).id]


def test_the_lines_are_those_of_the_operation_that_differs() -> None:
    texts = [line.text for line in smallest().trace]
    assert any("_temporal_order" in text for text in texts)
    assert texts[-1].startswith("return self.keys, self.values")
    assert {line.file for line in smallest().trace} == {"cache.py"}


def test_the_releases_are_told_oldest_first_and_each_once() -> None:
    eras = smallest().eras
    told = [release for era in eras for release in era.releases]
    assert (told[-1], len(told)) == (PINNED, len(set(told)))
    assert [era.change is None for era in eras] == [True] + [False] * (len(eras) - 1)


def test_every_failure_has_a_script_that_runs_with_mlx_lm_alone(tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text(smallest().snippet or "", encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert "holds" in done.stdout


@pytest.mark.parametrize(
    ("glob", "has_script", "explained_"),
    [(RING, False, False), ("concatenate/trimmed-to-nothing", True, False)],
    ids=["conforms", "declared"],
)
def test_what_passes_is_not_explained(glob, has_script, explained_) -> None:
    [record] = run_of(subjects.resolve("kvimpl"), [glob]).records
    assert (record.snippet is not None, bool(record.trace or record.eras)) == (
        has_script,
        explained_,
    )


def test_a_declared_difference_carries_the_ledger_s_reason() -> None:
    [record] = run_of(subjects.resolve("kvimpl"), ["concatenate/trimmed-to-nothing"]).records
    first = record.findings[0]
    entry = next(e for e in ledger.load(ledger.OWN) if e.id == first.declared)
    assert (first.why, first.reason) == (entry.why, entry.reason)
