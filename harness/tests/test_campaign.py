"""A campaign finds planted faults, shrinks them, tells them apart, and finds nothing else."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path

import planted
import pytest
from hypothesis.database import InMemoryExampleDatabase
from typer.testing import CliRunner

from kvoracle.face import Face
from kvoracle.releases import PINNED
from kvparity import subjects
from kvparity.campaign import Arena, Round, play_round, rounds
from kvparity.cli import app
from kvparity.generate import profiles
from kvparity.generate.starts import KINDS
from kvparity.ledger import Ledger
from kvparity.outcome import Failure, Fingerprint, Outcome
from kvparity.play import InProcess
from kvscenarios import Scenario
from kvscenarios.loader import load_file

ONE_REPLAYED = Round("standard", 1, 1, remember=True, replay=True)


@functools.cache
def own() -> Arena:
    return Arena.of("kvimpl", "mlx-lm")


def with_fault(name: str) -> Arena:
    face = Face(name, planted.module(planted.FAULTS[name]))
    wrong = subjects.Implementation(name, None, "planted", {}, InProcess(face))
    return Arena(wrong, own().reference, Ledger((), None))


def gate(kind: str, examples: int = 25, *, hostile: bool = False, seed: int = 0) -> Round:
    return Round(kind, seed, examples, "gate", hostile)


@pytest.mark.parametrize(
    ("name", "kind", "hostile"),
    [
        ("trim_returns_what_was_asked", "standard", False),
        ("writes_into_what_it_was_given", "concatenate", False),
        ("rotates_to_slot_zero", "rotating", False),
        ("half_commits_on_error", "standard", True),
    ],
)
def test_a_planted_fault_is_found_and_shrunk_to_a_few_steps(
    name: str, kind: str, hostile: bool
) -> None:
    [failure] = play_round(with_fault(name), gate(kind, hostile=hostile)).failures.values()
    assert len(failure.scenario.steps) <= 6


@pytest.mark.parametrize("hostile", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_kvimpl_differs_from_mlx_lm_in_nothing_undeclared(kind: str, hostile: bool) -> None:
    outcome = play_round(own(), gate(kind, 5, hostile=hostile))
    assert {one.sentence for one in outcome.failures.values()} == set()


def test_what_is_known_is_passed_over() -> None:
    arena, task = with_fault("trim_returns_what_was_asked"), Round("standard", 0, 25, "debug")
    first = play_round(arena, task)
    again = play_round(arena, task, known=set(first.failures))
    assert len(first.failures) == 1
    assert not set(first.failures) & set(again.failures)


def failure(scenario: Scenario, ops: int) -> Outcome:
    print_ = Fingerprint("rotating", "decode", "state", "offset", "difference")
    return Outcome(failures={print_: Failure(print_, scenario, "", ops)})


def test_of_two_failures_with_one_fingerprint_the_smaller_is_kept() -> None:
    scenario = Scenario.model_validate(
        {"name": "x", "cache": {"kind": "standard"}, "steps": ["observe"]}
    )
    found = Outcome()
    for ops in (9, 3, 5):
        found.take(failure(scenario, ops))
    assert [one.ops for one in found.failures.values()] == [3]


def test_a_round_draws_the_same_from_the_same_seed() -> None:
    first, second = (play_round(own(), gate("batch", 4, seed=7)) for _ in range(2))
    assert (first.ops, first.covered) == (second.ops, second.covered)


def test_a_failure_is_remembered_and_tried_first_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arena = with_fault("trim_returns_what_was_asked")
    found = play_round(arena, Round("standard", 0, 25, remember=True))
    again = play_round(arena, ONE_REPLAYED)
    assert set(again.failures) == set(found.failures)
    assert play_round(arena, replace(ONE_REPLAYED, remember=False)).failures == {}


@pytest.mark.parametrize(
    "between",
    [
        Round("standard", 2, 5, remember=True, replay=True, laws=True),
        Round("standard", 2, 5, remember=True, replay=True, hostile=True),
        Round("standard", 2, 5, remember=True),
    ],
    ids=["laws", "hostile", "a later wave"],
)
def test_what_is_remembered_is_not_forgotten_by_rounds_in_between(
    between: Round, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arena = with_fault("trim_returns_what_was_asked")
    found = play_round(arena, Round("standard", 0, 25, remember=True)).failures
    before = remembered("standard")
    play_round(arena, between, known=set(found))
    assert before
    assert remembered("standard") >= before


def test_the_example_at_which_the_time_is_up_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    play_round(own(), replace(ONE_REPLAYED, until=0.0))
    assert remembered("standard") == set()


def remembered(name: str) -> set[Path]:
    return {path for path in (profiles.DATABASE / name).rglob("*") if path.is_file()}


def test_every_wave_remembers_and_the_first_replays() -> None:
    template = Round("", 0, 10, remember=True)
    waves = [wave for [wave] in rounds(["standard"], 1, 30, template)]
    assert [(one.remember, one.replay) for one in waves] == [
        (True, True),
        (True, False),
        (True, False),
    ]


@pytest.mark.parametrize("name", profiles.NAMES)
def test_a_profile_has_no_deadline_and_remembers_nothing_by_itself(name: str) -> None:
    plain = profiles.profile(name)
    assert (plain.deadline, plain.database) == (None, None)


def test_of_a_failure_the_smallest_example_is_remembered_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = InMemoryExampleDatabase()
    monkeypatch.setattr(profiles, "database", lambda _name: kept)
    play_round(with_fault("rotates_to_slot_zero"), Round("rotating", 0, 25, remember=True))
    assert [len(examples) for examples in kept.data.values() if examples] == [1]


def test_rounds_draw_as_many_examples_as_were_asked_for() -> None:
    waves = list(rounds(["standard", "batch"], 1, 25, Round("", 0, 10)))
    assert [[one.examples for one in wave] for wave in waves] == [[10, 10], [10, 10], [5, 5]]


def test_a_share_of_the_rounds_tries_the_laws() -> None:
    [wave] = rounds(["standard", "trie"], 1, 10, Round("", 0, 10), laws=["standard"])
    assert [(one.kind, one.examples) for one in wave if one.laws] == [("standard", 2)]


def test_no_two_rounds_of_a_campaign_have_one_seed() -> None:
    seeds = [one.seed for wave in rounds(KINDS, 1, 100, Round("", 0, 10)) for one in wave]
    assert len(set(seeds)) == len(seeds)


FAULTY = """
import planted
globals().update(vars(planted.module(planted.FAULTS["rotates_to_slot_zero"])))
"""


def test_a_finding_is_written_as_a_scenario_that_fails_when_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faulty_caches.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(tmp_path)
    sides = ["--subject", "python:faulty_caches", "--reference", f"mlx-lm=={PINNED}"]
    found = CliRunner().invoke(
        app,
        [
            *("fuzz", "--kind", "rotating", "--examples", "6", "--seed", "1", "--json"),
            *("--profile", "gate", "--save", str(tmp_path / "found"), *sides),
        ],
    )
    assert found.exit_code == 1, found.output
    finding = next(
        one for one in json.loads(found.output)["findings"] if one["what"] == "difference"
    )
    [written] = [
        path for path in (tmp_path / "found").iterdir() if path.read_text() == finding["yaml"]
    ]
    assert load_file(written)[0].steps
    again = CliRunner().invoke(app, ["run", str(written), "--out", str(tmp_path), *sides])
    assert again.exit_code == 1, again.output


def test_a_kind_that_nobody_knows_is_wrong_usage() -> None:
    result = CliRunner().invoke(app, ["fuzz", "--kind", "rotatin"])
    assert result.exit_code == 2


def of_a_copy(reference: subjects.Implementation) -> Outcome:
    """What a round on the laws finds of mlx-lm's caches under another name: a copy of its file."""
    face = Face("python:copy", own().reference.face.cache)
    copy = subjects.Implementation(face.name, None, "copied", {}, InProcess(face))
    arena = Arena(copy, reference, Ledger((), None))
    return play_round(arena, Round("rotating", 1, 40, "debug", laws=True))


def test_a_law_that_both_sides_break_alike_is_the_references_affair() -> None:
    assert {one.what for one in of_a_copy(own().reference).failures} == {"reference-law"}


def test_a_law_that_only_the_subject_breaks_is_the_subjects() -> None:
    assert {one.what for one in of_a_copy(own().subject).failures} == {"law"}
