"""The page over several runs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kvreports.model import Implementation, Run
from kvreports.pairs import Pair, headline, page


def at(run: Run, reference: str, subject: str = "kvimpl") -> Run:
    """The run between two other sides."""
    sides = {
        "subject": Implementation(name=subject, version=None, origin="here"),
        "reference": Implementation(name=reference, version=None, origin="there"),
    }
    return run.model_copy(update={"header": run.header.model_copy(update=sides)})


@pytest.fixture
def two(case: Any, run_of: Any, record_of: Any) -> list[Run]:
    """A scenario that fails at the new release alone, one that is declared, one that conforms."""
    failing = case("offset only").records[0].model_copy(update={"id": "ring/breaks"})
    fine, known = record_of("fine"), record_of("known", verdict="declared")
    before = record_of("breaks")
    return [at(run_of(before, fine, known), "old"), at(run_of(failing, fine, known), "new")]


def drawn(runs: list[Run]) -> str:
    return page([Pair(run, f"{run.header.reference.name}/index.html") for run in runs])


def cells(text: str) -> list[tuple[str, str]]:
    """The address of every cell, and what it says."""
    return re.findall(r'<a href="([^"]+)" aria-label="([^"]+)"', text)


def test_each_cell_leads_to_its_scenario_on_the_page_of_its_run(two: list[Run]) -> None:
    assert [cell for cell in cells(drawn(two)) if "scenario=" in cell[0]] == [
        ("old/index.html#scenario=ring/breaks", "ring/breaks, old: conform"),
        ("new/index.html#scenario=ring/breaks", "ring/breaks, new: diverge"),
        ("old/index.html#scenario=ring/known", "ring/known, old: declared"),
        ("new/index.html#scenario=ring/known", "ring/known, new: declared"),
    ]


def test_each_count_leads_to_its_scenarios(two: list[Run]) -> None:
    assert [cell for cell in cells(drawn(two)) if "verdict=" in cell[0]] == [
        ("old/index.html#verdict=declared", "old: 1 declared"),
        ("old/index.html#verdict=conform", "old: 2 conform"),
        ("new/index.html#verdict=diverge", "new: 1 diverge"),
        ("new/index.html#verdict=declared", "new: 1 declared"),
        ("new/index.html#verdict=conform", "new: 1 conform"),
    ]


def test_what_conforms_everywhere_is_counted_and_not_listed(two: list[Run]) -> None:
    text = drawn(two)
    assert ("ring/fine" in text, "2 that do not conform everywhere; 1 more do" in text) == (
        False,
        True,
    )


def test_a_scenario_that_one_pair_did_not_play_has_an_empty_cell(
    two: list[Run], run_of: Any
) -> None:
    two[0] = at(run_of(*two[0].records[1:]), "old")
    names = [name for _, name in cells(drawn(two))]
    assert [name for name in names if "ring/breaks" in name] == ["ring/breaks, new: diverge"]


@pytest.mark.parametrize(
    ("subjects", "said"),
    [
        (("kvimpl", "kvimpl"), "kvimpl does not conform to 1 of 2 references."),
        (("kvimpl", "mine"), "1 of 2 pairs do not conform."),
    ],
)
def test_the_headline_says_how_many_fail(
    subjects: tuple[str, str], said: str, two: list[Run]
) -> None:
    runs = [at(run, "r", subject) for run, subject in zip(two, subjects, strict=True)]
    assert headline(runs) == said


def test_the_headline_says_that_all_conform(two: list[Run]) -> None:
    assert headline([two[0], two[0]]) == "kvimpl conforms to all 2 references."
    assert headline([two[0], at(two[0], "old", "mine")]) == "All 2 conform."


def test_text_is_escaped_and_nothing_runs(case: Any) -> None:
    run = case("hostile")
    text = page([Pair(at(run, "<script>\x1b"), "a b?/index.html")] * 2)
    assert ("<script" in text, "\x1b" in text, "&lt;script&gt;\\x1b" in text) == (
        False,
        False,
        True,
    )
    assert 'href="a%20b%3F/index.html#scenario=' in text
    assert "script-src &#39;none&#39;" in text
