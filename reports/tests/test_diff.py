"""Two runs held against each other."""

from __future__ import annotations

import pytest

from kvreports.diff import as_text, diff


@pytest.mark.parametrize(
    ("before", "after", "what", "worse"),
    [
        ("conform", "conform", None, False),
        ("conform", "declared", "changed", False),
        ("conform", "diverge", "broke", True),
        ("declared", "refused", "broke", True),
        ("diverge", "conform", "healed", False),
        ("diverge", "unsupported", "healed", False),
        ("diverge", "refused", "changed", False),
        (None, "conform", "appeared", False),
        (None, "diverge", "appeared", True),
        ("diverge", None, "vanished", False),
    ],
)
def test_what_became_of_a_scenario(before, after, what, worse, run_of, record_of) -> None:
    runs = [run_of(*([record_of(verdict=v)] if v else [])) for v in (before, after)]
    found = diff(*runs)
    assert ([change.what for change in found.changes], found.worse) == (
        [what] if what else [],
        worse,
    )


def test_a_scenario_that_was_renamed_is_the_same_one(run_of, record_of) -> None:
    found = diff(run_of(record_of("old")), run_of(record_of("new")))
    assert found.changes == ()


def test_one_that_does_something_else_under_the_same_name_is_another(run_of, record_of) -> None:
    found = diff(run_of(record_of(digest="0")), run_of(record_of(digest="1")))
    assert [change.what for change in found.changes] == ["appeared", "vanished"]


def test_twins_are_told_apart_by_their_names(run_of, record_of) -> None:
    old = run_of(record_of("a"), record_of("b", verdict="diverge"))
    new = run_of(record_of("b"), record_of("a"))
    assert [(change.id, change.what) for change in diff(old, new).changes] == [("ring/b", "healed")]


def test_another_first_divergence_is_a_change(run_of, record_of) -> None:
    runs = [run_of(record_of(verdict="diverge", summary=said)) for said in ("step 1", "step 2")]
    assert [change.what for change in diff(*runs).changes] == ["changed"]


def test_an_entry_that_became_stale_is_worse(case, run_of, record_of) -> None:
    stale = run_of(record_of(), ledger=case("hostile").footer.ledger)
    assert diff(run_of(record_of()), stale).worse
    assert not diff(stale, run_of(record_of())).worse


def test_nothing_hostile_reaches_the_text(case, run_of) -> None:
    assert as_text(diff(run_of(), case("hostile"))).replace("\n", "").isprintable()
