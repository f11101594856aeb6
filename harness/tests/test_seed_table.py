"""The table of the seed's tests names what exists, and leaves none out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from kvscenarios import load_corpus

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| `(\w+)` \| (.*?) \| (.*?) \|$",
    (ROOT / "docs" / "seed.md").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)
SCENARIOS = {scenario.id.partition("@")[0]: scenario.source for scenario in load_corpus()}
TREE = ast.parse((ROOT / "impl" / "tests" / "test_seed.py").read_text(encoding="utf-8"))
TESTS = {node.name for node in TREE.body if isinstance(node, ast.FunctionDef)}


def test_all_49_tests_of_the_seed_have_a_row() -> None:
    assert len({name for name, _, _ in ROWS}) == len(ROWS) == 49


@pytest.mark.parametrize(("name", "scenarios", "tests"), ROWS, ids=[name for name, _, _ in ROWS])
def test_a_row_names_scenarios_that_name_it_and_tests_that_exist(
    name: str, scenarios: str, tests: str
) -> None:
    named, written = re.findall(r"`([^`]+)`", scenarios), re.findall(r"`([^`]+)`", tests)
    assert named or written
    assert all(name in (SCENARIOS[scenario] or "") for scenario in named)
    assert set(written) <= TESTS


def test_every_scenario_with_a_source_in_the_seed_is_in_the_table() -> None:
    told = {name for _, scenarios, _ in ROWS for name in re.findall(r"`([^`]+)`", scenarios)}
    sourced = {name for name, source in SCENARIOS.items() if source and "seed" in source}
    assert sourced <= told
