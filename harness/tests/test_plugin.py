"""The pytest plugin, in sessions of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUBJECT = """
from kvimpl import *
from kvimpl import CacheError, RotatingKVCache as Right

class RotatingKVCache(Right):
    def make_mask(self, *args, **kwargs):
        return None
"""
SCENARIOS = """
family: rings
scenarios:
  - {name: agrees, cache: {kind: rotating, max_size: 4}, steps: [{update: [1]}]}
  - {name: parts, cache: {kind: rotating, max_size: 4}, steps: [{update: [1, 2]}, {make_mask: {n: 3}}]}
"""
TESTS = """
import kvparity
from hypothesis import given, settings


@kvparity.scenarios("rotating/ring-then-prefill", "rotating/keeps-prefix-and-window")
def test_rings(scenario, kvparity_check):
    kvparity_check(scenario)


@settings(max_examples=3, deadline=None, database=None, derandomize=True)
@given(scenario=kvparity.sequences("tokens"))
def test_drawn(kvparity_check, scenario):
    kvparity_check(scenario)


def test_sides(kvparity_subject, kvparity_reference):
    assert kvparity_subject.name == "python:odd"
    assert kvparity_reference.name.startswith("mlx-lm")
"""
PLAIN = """
import sys

def test_a_session_without_it_is_as_before():
    assert "kvparity.pytest_plugin" in sys.modules
    heavy = {"mlx", "mlx.core", "pydantic", "kvscenarios", "kvoracle", "kvreports", "kvimpl"}
    assert not heavy & set(sys.modules)
"""


def session(here: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
        cwd=here, env={**os.environ, "PYTEST_ADDOPTS": ""}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plugin")
    for name, text in {
        "odd.py": SUBJECT,
        "rings.yaml": SCENARIOS,
        "compose.yaml": "services: {}\n",
        "broken.yml": "family: f\nscenarios:\n  - {name: a, cache: {kind: rotatin}, steps: [observe]}\n",
        "test_mine.py": TESTS,
        "test_plain.py": PLAIN,
    }.items():
        (path / name).write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def files(here: Path) -> tuple[int, str]:
    """A session that collects the file of scenarios."""
    ignored = [f"--ignore={name}" for name in ("test_mine.py", "test_plain.py", "broken.yml")]
    return session(here, "--kvparity", "--kvparity-subject=python:odd", "-v", *ignored)


def test_scenarios_are_items_under_their_names(files: tuple[int, str]) -> None:
    code, said = files
    assert code == 1
    assert "rings.yaml::agrees PASSED" in said
    assert "rings.yaml::parts FAILED" in said
    assert "2 items" in said


def test_a_failure_is_the_table_of_where_the_sides_part(files: tuple[int, str]) -> None:
    _code, said = files
    assert "diverge: step 2 (make_mask n=3): returned: subject nothing, reference " in said
    assert "tokens held" in said
    assert "Traceback" not in said


def test_a_session_that_does_not_ask_for_it_imports_nothing_of_it(here: Path) -> None:
    code, said = session(here, "test_plain.py")
    assert (code, "1 passed" in said) == (0, True), said


def test_tests_of_ones_own_under_xdist(here: Path) -> None:
    code, said = session(here, "--kvparity-subject=python:odd", "test_mine.py", "-n", "2")
    assert (code, "failed" in said) == (0, False), said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kvparity", "broken.yml"], "unknown kind 'rotatin'; did you mean 'rotating'?"),
        (["--kvparity", "--kvparity-subject=kvimp", "rings.yaml"], "did you mean 'kvimpl'?"),
        (["--kvparity", "--kvparity-ledger=gone.yaml", "rings.yaml"], "gone.yaml: cannot be read"),
    ],
)
def test_a_mistake_is_one_message(words: list[str], said: str, here: Path) -> None:
    code, told = session(here, *words)
    assert code in {2, 3, 4}
    assert said in told
    assert "Traceback" not in told
