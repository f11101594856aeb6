"""What changed between two releases, from the interface to the smallest scenario."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kvoracle.interface import changes, interface
from kvoracle.sources import Sources


def sources(cache: str, base: str = "") -> Sources:
    return Sources("mlx-lm@x", "x", base.encode(), cache.encode(), "test")


def test_the_interface_is_what_is_public() -> None:
    found = interface(
        sources(
            "class A(B):\n"
            "    def __init__(self, n=1): ...\n"
            "    @property\n    def size(self): ...\n"
            "    @classmethod\n    def merge(cls, caches): ...\n"
            "    def _private(self): ...\n"
            "class _Hidden: ...\n"
            "def save(path, *, layout='new'): ...\n",
            "def mask(n: int): ...\n",
        )
    )
    assert found == {
        "A": "class(B)",
        "A.__init__": "(self, n=1)",
        "A.size": "property (self)",
        "A.merge": "classmethod (cls, caches)",
        "save": "(path, *, layout='new')",
        "base.mask": "(n: int)",
    }


def test_what_is_gone_come_and_changed() -> None:
    found = changes({"a": "(x)", "b": "()"}, {"a": "(x, y)", "c": "()"})
    assert (found.gone, found.come, found.changed) == (("b",), ("c",), (("a", "(x)", "(x, y)"),))


def compare(here: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kvparity", "compare", *words],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict:
    here = tmp_path_factory.mktemp("compare")
    done = compare(here, "0.28.0", "0.28.1", "rotating/*", "--json")
    assert done.returncode == 1, done.stderr
    assert {path.name for path in (here / "kvparity-report").iterdir()} == {
        "compare.md", "index.html", "run.jsonl",
    }  # fmt: skip
    return json.loads(done.stdout)


def test_the_change_of_0_28_1_to_rings_is_grouped_by_field_with_its_smallest_scenario(
    found,
) -> None:
    (group,) = [group for group in found["groups"] if group["field"] == "returned"]
    assert group["kind"] == "rotating"
    assert "rotating/ring-then-prefill" in group["scenarios"]
    assert group["smallest"]["operations"] <= 10


def test_every_scenario_is_alike_or_told(found) -> None:
    told = {name for group in found["groups"] for name in group["scenarios"]}
    told |= {example["id"] for example in found["impossible"] + found["possible"]}
    assert found["alike"] + len(told) <= found["scenarios"]


def test_a_release_compared_with_itself_has_not_changed(tmp_path: Path) -> None:
    done = compare(tmp_path, "0.28.1", "0.28.1", "rotating/ring-*")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_search_of_no_time_adds_nothing_to_the_corpus(tmp_path: Path) -> None:
    words = ("0.28.0", "0.28.1", "masks/causal-from-the-start", "--fuzz", "0", "--json")
    assert json.loads(compare(tmp_path, *words).stdout)["scenarios"] == 1


def test_a_release_that_there_is_not_is_told(tmp_path: Path) -> None:
    done = compare(tmp_path, "0.28.1", "0.99.0", "rotating/ring-*")
    assert done.returncode == 3
    assert "0.99.0" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "kvparity-report").exists()
