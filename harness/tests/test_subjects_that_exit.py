"""A subject that ends the process: no command takes that for its own end."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from typed import kvparity

MINE = """
family: mine
scenarios:
  - {name: trimmed, cache: {kind: standard}, steps: [{update: [1, 2]}, {trim: 1}]}
"""
AT_IMPORT = "import sys\nsys.exit(0)\n"
IN_TRIM = """
import sys
import kvimpl
from kvimpl import *

class KVCache(kvimpl.KVCache):
    def trim(self, n):
        sys.exit(0)
"""
IN_OFFSET = """
import sys
import kvimpl
from kvimpl import *

class KVCache(kvimpl.KVCache):
    @property
    def offset(self):
        sys.exit(0)

    @offset.setter
    def offset(self, value):
        pass
"""
ANYWHERE = """
import sys

def __getattr__(name):
    sys.exit(0)
"""
AT_ONCE = """
import os
import kvimpl
from kvimpl import *

class KVCache(kvimpl.KVCache):
    def trim(self, n):
        os._exit(0)
"""
DIES = """
import os, signal
from kvimpl import *

class KVCache(KVCache):
    def trim(self, n):
        os.kill(os.getpid(), signal.SIGSEGV)
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    files = {
        "mine.yaml": MINE,
        "kvparity.toml": 'scenarios = ["mine.yaml"]\nexamples = 0\n',
        "at_import.py": AT_IMPORT,
        "in_trim.py": IN_TRIM,
        "at_once.py": AT_ONCE,
        "in_offset.py": IN_OFFSET,
        "anywhere.py": ANYWHERE,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("run mine.yaml", 3),
        ("gate", 3),
        ("check mine.yaml", 125),
        ("fuzz --examples 1 --kind standard", 3),
        ("show mine.yaml", 3),
        ("models llama", 3),
    ],
)
def test_an_import_that_exits_is_said(here: Path, words: str, code: int) -> None:
    done = kvparity(here, *f"{words} --subject python:at_import".split(), KVPARITY_OFFLINE="1")
    assert (done.returncode, done.stdout) == (code, "")
    assert "python:at_import cannot be imported: SystemExit: 0" in done.stderr


@pytest.mark.parametrize("subject", ["python:in_trim", "python:at_once"])
def test_an_operation_that_exits_is_observed(here: Path, subject: str) -> None:
    done = kvparity(
        here, *["run", "mine.yaml", "--json", "--subject", subject], KVPARITY_OFFLINE="1"
    )
    (record,) = json.loads(done.stdout)["records"]
    assert (done.returncode, record["verdict"]) == (1, "refused")
    assert record["findings"][0]["subject"]["raised"] == "SystemExit"
    assert (
        kvparity(
            here, *["check", "mine.yaml", "--subject", subject], KVPARITY_OFFLINE="1"
        ).returncode
        == 1
    )


def test_an_attribute_that_exits_is_observed(here: Path) -> None:
    done = kvparity(here, *["gate", "--subject", "python:in_offset"], KVPARITY_OFFLINE="1")
    assert (done.returncode, "SystemExit" in done.stdout) == (1, True), done.stdout + done.stderr


def test_an_exit_that_nobody_expects_is_no_end_of_ours(here: Path) -> None:
    done = kvparity(
        here, *["run", "mine.yaml", "--subject", "python:anywhere"], KVPARITY_OFFLINE="1"
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("kvparity: an implementation called exit(0)")


def test_what_takes_the_process_down_leaves_its_lines(here: Path) -> None:
    (here / "dies.py").write_text(DIES)
    done = kvparity(here, *["run", "mine.yaml", "--subject", "python:dies"], KVPARITY_OFFLINE="1")
    assert (done.returncode, done.stdout) == (-signal.SIGSEGV, "")
    assert f'"{here / "dies.py"}", line 7 in trim' in done.stderr


def test_what_exits_before_a_command_begins_is_said(here: Path) -> None:
    (here / "rich").mkdir()
    (here / "rich" / "__init__.py").write_text(AT_IMPORT)  # `python -m` looks here first
    done = kvparity(here, *["run", "mine.yaml"], KVPARITY_OFFLINE="1")
    assert (done.returncode, done.stderr) == (3, "kvparity: something called exit(0)\n")


@pytest.mark.parametrize(("words", "code"), [("--version", 0), ("run --help", 0), ("run --no", 2)])
def test_typers_own_exits_are_its_own(here: Path, words: str, code: int) -> None:
    assert kvparity(here, *words.split(), KVPARITY_OFFLINE="1").returncode == code
