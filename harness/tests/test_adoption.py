"""A repository with a cache of its own adopts the gate, as the README tells it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kvparity import ledger

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
CACHE = next(
    block
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    if "never gives up" in block
)
HEALED = "from mlx_lm.models.cache import *\n"
NARROW = """
scenarios = ["rotating/trim-*"]
kinds = ["rotating"]
examples = 2
"""
"""A part of it all, so that the test is quick."""


class Repository:
    """A directory in which commands are typed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def type(self, words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", *words.split()],
            cwd=self.path,
            env={**os.environ, "KVPARITY_OFFLINE": "1", "KVPARITY_CACHE": str(self.path / "none")},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return done.returncode, done.stdout + done.stderr

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text, encoding="utf-8")

    def read(self, name: str) -> str:
        return (self.path / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """What each step of the README came to; every step stands on those before it."""
    repository = Repository(tmp_path_factory.mktemp("theirs"))
    repository.write("mycache.py", CACHE)
    told = {"init": repository.type("kvparity init --subject python:mycache")}
    told["init again"] = repository.type("kvparity init --subject python:mycache")
    repository.write("kvparity.toml", repository.read("kvparity.toml") + NARROW)
    told["red"] = repository.type("kvparity gate --write-ledger kvparity-ledger.yaml")
    told["blank"] = repository.type("kvparity gate")
    blank = repository.read("kvparity-ledger.yaml")
    reasons = blank.replace("why: ''", "why: by-design").replace(
        "reason: ''", "reason: Held on to."
    )
    repository.write("kvparity-ledger.yaml", reasons)
    told["green"] = repository.type("kvparity gate")
    repository.write("mycache.py", HEALED)
    told["stale"] = repository.type("kvparity gate")
    told["pruned"] = repository.type("kvparity ledger prune")
    told["nothing left to prune"] = repository.type("kvparity ledger prune --json")
    told["entries left"] = len(ledger.load(repository.path / "kvparity-ledger.yaml")), ""
    return told


@pytest.mark.parametrize(
    ("step", "code", "said"),
    [
        ("init", 0, "wrote  kvparity-ledger.yaml"),
        ("init again", 2, "nothing was written"),
        ("red", 1, "step 2 (trim 6): returned: subject 5, reference 6"),
        ("blank", 2, "why: why is one of hardening, upstream-bug, by-design, not ''\n"),
        ("blank", 2, "reason: a declared divergence needs a reason in words"),
        ("green", 0, "python:mycache conforms to mlx-lm=="),
        ("stale", 1, "declared, but nothing diverges"),
        ("pruned", 0, "taken out  rotating-trim-returned"),
        ("nothing left to prune", 0, '"taken_out": []'),
        ("entries left", 0, ""),
    ],
)
def test_the_step(step: str, code: int, said: str, steps: dict[str, tuple[int, str]]) -> None:
    assert (steps[step][0], said if said in steps[step][1] else steps[step][1]) == (code, said)


def test_the_readme_shows_what_is_printed(steps: dict[str, tuple[int, str]]) -> None:
    """Each line of its consoles, where `...` stands for anything."""
    told = "\n".join(said for _code, said in steps.values())
    consoles = re.findall(
        r"```console\n(.*?)```", README.partition("## Adopt the gate")[2], re.DOTALL
    )
    shown = [
        line
        for console in consoles
        for line in console.splitlines()
        if not line.startswith("$") and line != "..."
    ]
    assert len(shown) > 4
    for line in shown:
        pattern = r"\s+".join(".*".join(map(re.escape, word.split("..."))) for word in line.split())
        assert re.search(pattern, told), line
