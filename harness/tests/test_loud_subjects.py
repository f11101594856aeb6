"""A subject that prints: standard output is the command's alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from here import needs_models_of_today
from typed import kvparity

LOUD = """
import os, sys
import kvimpl
from kvimpl import *

print("import")
os.write(1, b"straight\\n")
sys.__stdout__.write("kept from before\\n")

class KVCache(kvimpl.KVCache):
    def update_and_fetch(self, keys, values):
        print("update")
        os.write(1, b"straight\\n")
        sys.__stdout__.write("kept from before\\n")
        return super().update_and_fetch(keys, values)

    def make_mask(self, *args, **kwargs):  # so that there is something to explain
        return None
"""
MINE = """
family: mine
scenarios:
  - {name: a, cache: {kind: standard}, steps: [{update: [1, 2]}, {make_mask: {n: 2}}]}
"""


@pytest.mark.parametrize(
    "words",
    [
        "run mine.yaml --subject python:loud",
        "run mine.yaml --reference python:loud",
        "run standard/* --jobs 2 --subject python:loud",
        "gate --examples 1 --kind standard --subject python:loud",
        "show mine.yaml --subject python:loud",
        "table mine.yaml --trace --reference python:loud",
        "fuzz --kind standard --examples 2 --seed 1 --jobs 2 --subject python:loud",
        pytest.param("models llama --tokens 2 --subject python:loud", marks=needs_models_of_today),
    ],
)
def test_json_is_all_that_is_printed(tmp_path: Path, words: str) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    (tmp_path / "mine.yaml").write_text(MINE)
    (tmp_path / "kvparity.toml").write_text('scenarios = ["mine.yaml"]\n')
    done = kvparity(tmp_path, *words.split(), "--json", KVPARITY_OFFLINE="1")
    assert json.loads(done.stdout)
    assert "Traceback" not in done.stderr
    assert {"import", "straight", "kept from before"} <= set(done.stderr.split("\n"))


def test_an_import_that_prints_and_fails_leaves_standard_output_alone(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(
        LOUD.replace("class KVCache", "raise ValueError\n\nclass KVCache")
    )
    done = kvparity(tmp_path, "run", "--subject", "python:loud", "--json")
    assert (done.returncode, done.stdout) == (3, "")
