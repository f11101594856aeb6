"""What a shell gets: the exit code of each verdict, alone and mixed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SUBJECT = """
from kvoracle.load import load
from kvoracle.sources import installed

globals().update(vars(load(installed())[0]))  # mlx-lm's caches, without importing all of mlx-lm

ChunkedKVCache = None

class KVCache(KVCache):  # says that it cannot be trimmed
    def is_trimmable(self):
        return False

class RotatingKVCache(RotatingKVCache):  # cannot be trimmed
    def trim(self, n):
        raise RuntimeError("no")

class QuantizedKVCache:  # cannot be made
    def __init__(self, *args, **kwargs):
        raise OSError("no room")
"""
SCENARIOS = """
family: mine
scenarios:
  - {name: conform, cache: {kind: concatenate}, steps: [{update: [1]}]}
  - {name: diverge, cache: {kind: standard}, steps: [{update: [1]}]}
  - {name: refused, cache: {kind: rotating, max_size: 4}, steps: [{update: [1]}, {trim: 1}]}
  - {name: unsupported, cache: {kind: concatenate}, steps: [maybe_trim_front]}
  - {name: lacking, cache: {kind: chunked, chunk_size: 4}, steps: [{update: [1]}]}
  - {name: crashed, cache: {kind: quantized}, steps: [observe]}
  - {name: reference-moved, cache: {kind: concatenate}, steps: [{update: [1], expect: {offset: 5}}]}
  - {name: subject-moved, cache: {kind: standard}, steps: [{update: [1], expect: {trimmable: true}}]}
"""
DECLARED = """
divergences:
  - {id: trimmable, match: {field: trimmable}, why: by-design, reason: It takes nothing back.}
"""
STALE = """
divergences:
  - {id: never, match: {field: offset}, why: by-design, reason: It was so once.}
"""


def entry(**parts: str) -> str:
    return (
        "divergences: [" + json.dumps({"id": "a", "match": {}, "why": "by-design", **parts}) + "]"
    )


CASES: dict[str, tuple[int, list[str], str | None]] = {
    "conform": (0, ["run", "mine.yaml", "-k", "mine/conform"], "1 conform"),
    "unsupported": (3, ["run", "mine.yaml", "-k", "unsupported"], "Nothing was compared"),
    "unsupported, for a script": (
        3,
        ["run", "mine.yaml", "-k", "unsupported", "--json"],
        "kvparity: nothing was compared",
    ),
    "gate of nothing": (
        3,
        ["gate", "--config", "passing.toml", "--kind", "tokens"],
        "Nothing was compared",
    ),
    "shard of nothing": (
        0,
        ["gate", "--config", "passing.toml", "--kind", "tokens", "--shard", "1/2"],
        "Nothing was compared",
    ),
    "empty subject": (1, ["run", "pass.yaml", "--subject", "python:empty"], "2 lacking, 1 unsupported"),
    "no scenarios": (2, ["run", "none.yaml"], "none.yaml:2: `scenarios` is empty"),
    "no scenario to show": (2, ["show", "none.yaml"], "none.yaml:2: `scenarios` is empty"),
    "declared": (0, ["run", "mine.yaml", "-k", "diverge", "--ledger", "declared.yaml"], "1 declared"),
    "diverge": (1, ["run", "mine.yaml", "-k", "diverge"], "1 diverge"),
    "refused": (1, ["run", "mine.yaml", "-k", "refused"], "1 refused"),
    "lacking": (1, ["run", "mine.yaml", "-k", "lacking"], "1 lacking"),
    "crashed": (1, ["run", "mine.yaml", "-k", "crashed"], "1 crashed"),
    "reference-moved": (1, ["run", "mine.yaml", "-k", "reference-moved"], "1 reference-moved"),
    "subject-moved": (
        1,
        ["run", "mine.yaml", "-k", "subject-moved", "--level", "returned"],
        "1 subject-moved",
    ),
    "passing, mixed": (
        0,
        ["gate", "--config", "passing.toml", "--ledger", "declared.yaml"],
        "1 declared, 1 unsupported, 1 conform",
    ),
    "failing, mixed": (1, ["run", "mine.yaml", "--ledger", "declared.yaml"], "1 refused, 1 lacking, 1 crashed"),
    "stale": (1, ["gate", "--config", "passing.toml", "--ledger", "stale.yaml"], "never"),
    "usage": (2, ["gate", "--config", "typo.toml"], "did you mean 'references'?"),
    "ledger": (2, ["run", "mine.yaml", "--ledger", "blank.yaml"], "needs a reason in words"),
    "no reference": (3, ["gate", "--config", "passing.toml", "--reference", "0.0.99"], "0.0.99"),
    "no subject": (3, ["gate", "--config", "passing.toml", "--subject", "python:gone"], "gone"),
    "no run file": (3, ["report", "gone.jsonl"], "gone.jsonl"),
    "no scenario to judge": (125, ["check", "gone.yaml"], "kvparity: cannot judge: gone.yaml: no such file"),
    "no such scenario": (125, ["check", "mine.yaml", "-k", "gone"], "cannot judge"),
    "unreadable to judge": (125, ["check", "typo.toml"], "kvparity: cannot judge: typo.toml: a scenario file has"),
    "unpaintable": (125, ["check", "unpaintable.yaml"], "cannot be told apart"),
    "no way to judge": (2, ["check", "mine.yaml", "--subject", "kvimp"], "did you mean 'kvimpl'?"),
    "cannot judge": (125, ["check", "mine.yaml", "-k", "crashed"], "crashed mine/crashed"),
}  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """Exit code and words of each case; they are typed one after another, two at a time."""
    here = tmp_path_factory.mktemp("shell")
    files = {
        "odd.py": SUBJECT,
        "mine.yaml": SCENARIOS,
        "pass.yaml": "".join(
            line
            for line in SCENARIOS.splitlines(keepends=True)
            if not re.search("name: (refused|crashed|lacking|.*-moved)", line)
        ),
        "declared.yaml": DECLARED,
        "stale.yaml": STALE,
        "empty.py": "",
        "unpaintable.yaml": "family: f\nscenarios: "
        "[{name: a, cache: {kind: standard}, steps: [{update: [99999999]}]}]\n",
        "none.yaml": "family: none\nscenarios: []\n",
        "blank.yaml": entry(reason=" "),
        "passing.toml": 'subjects = ["python:odd"]\nscenarios = ["pass.yaml"]\nexamples = 0\n',
        "typo.toml": "reference = 1\n",
    }
    for name, text in files.items():
        (here / name).write_text(text, encoding="utf-8")
    results: dict[str, tuple[int, str]] = {}
    waiting = list(CASES)
    while waiting:
        some, waiting = waiting[:2], waiting[2:]
        started = {name: _start(here, name) for name in some}
        for name, process in started.items():
            out, err = process.communicate(timeout=120)
            results[name] = process.returncode, out + err
    return results


def _start(here: Path, name: str) -> subprocess.Popen[str]:
    words = CASES[name][1]
    if words[0] in {"run", "check"} and "--subject" not in words:
        words = [*words, "--subject", "python:odd"]
    if words[0] in {"run", "gate"}:
        words = [*words, "--out", f"out-{name.replace(' ', '-')}"]
    return subprocess.Popen(
        [sys.executable, "-m", "kvparity", *words],
        cwd=here,
        env={**os.environ, "KVPARITY_OFFLINE": "1", "KVPARITY_CACHE": str(here / "none")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("name", CASES)
def test_the_exit_code_of(name: str, done: dict[str, tuple[int, str]]) -> None:
    code, _words, said = CASES[name]
    assert (done[name][0], said if said in done[name][1] else done[name][1]) == (code, said)


def test_no_mistake_ends_in_a_traceback(done: dict[str, tuple[int, str]]) -> None:
    assert [name for name, (_code, said) in done.items() if "Traceback" in said] == []
