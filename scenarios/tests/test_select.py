"""Scenarios are named by file, by directory, or by a glob over the corpus."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvscenarios import ScenarioError, load_corpus
from kvscenarios.select import select

FILE = "family: mine\nscenarios:\n  - {name: a, cache: {kind: standard}, steps: [observe]}\n"


def test_nothing_named_means_the_whole_corpus() -> None:
    assert [s.id for s in select([])] == [s.id for s in load_corpus()]


def test_a_file_and_its_directory_name_the_same_scenarios_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FILE)
    assert [s.id for s in select([str(tmp_path), str(tmp_path / "a.yaml")])] == ["mine/a"]


def test_a_glob_takes_in_a_scenario_and_its_expansions() -> None:
    every = {scenario.id for scenario in load_corpus()}
    expanded = next(id_ for id_ in sorted(every) if "@" in id_)
    stem = expanded.partition("@")[0]
    assert {s.id for s in select([stem])} == {i for i in every if i.partition("@")[0] == stem}


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("rotatin/*", "no file and no scenario has this name"),
        ("gone.yaml", "no such file"),
    ],
)
def test_a_selector_that_finds_nothing_is_told(selector: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        select([selector])


def test_a_keyword_that_finds_nothing_is_told() -> None:
    with pytest.raises(ScenarioError, match="no file and no scenario has this name"):
        select([], keyword="no-such-word")


def test_an_empty_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"holds no \*\.yaml file"):
        select([str(tmp_path)])
