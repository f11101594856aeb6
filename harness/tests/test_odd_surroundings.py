"""Where disks are full, directories gone and names no text: a message and an exit code, all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typed import kvparity

MINE = (
    "family: mine\nscenarios: [{name: a, cache: {kind: rotating, max_size: 4}, steps: [trim: 0]}]\n"
)
FULL = Path("/dev/full")
GONE = """
import os, sys
os.rmdir(os.getcwd())
from kvparity.__main__ import main
main()
"""
UNSAYABLE = """
from kvimpl import *

class Odd:
    def __repr__(self):
        raise ValueError("no words")

class RotatingKVCache(RotatingKVCache):
    def trim(self, n):
        return Odd()
"""
ELSEWHERE = "import os\nfrom kvimpl import *\nos.chdir('/')\n"
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no device that is always full")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text(MINE)
    return tmp_path


@needs_full
@pytest.mark.parametrize("words", ["--help", "list"])
def test_a_full_disk_is_said(here: Path, words: str) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "kvparity", *words.split()],
            cwd=here, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        3,
        "kvparity: standard output: No space left on device\n",
    )


@needs_full
def test_where_nothing_can_be_said_the_exit_code_says_it(here: Path) -> None:
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "kvparity", "run", "nosuch"],
            cwd=here, stdout=subprocess.DEVNULL, stderr=full, check=False,
        )  # fmt: skip
    assert done.returncode == 2


@needs_full
def test_a_first_ledger_is_written_to_a_file_alone(here: Path) -> None:
    done = kvparity(here, "run", "mine.yaml", "--write-ledger", str(FULL))
    assert (done.returncode, done.stderr) == (2, f"kvparity: {FULL}: no regular file\n")


def test_a_directory_that_is_gone_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", GONE, "run", "rotating/trim*"],
        cwd=gone, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr == "kvparity: the directory that this is run in is not there any more\n"


def test_a_value_without_words_is_named_by_its_class(here: Path) -> None:
    (here / "unsayable.py").write_text(UNSAYABLE)
    done = kvparity(here, "run", "mine.yaml", "--subject", "python:unsayable")
    assert done.returncode == 1
    assert "returned: subject <Odd>, reference 0" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_a_file_whose_name_is_no_text_is_played_and_named(here: Path) -> None:
    name = os.fsdecode(b"l\xe9.yaml")
    (here / "mine.yaml").rename(here / name)
    done = kvparity(here, "run", name, "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert r'"file":"l\\udce9.yaml"' in (here / "out" / "run.jsonl").read_text()


def test_an_import_that_goes_elsewhere_takes_no_report_along(here: Path) -> None:
    (here / "elsewhere.py").write_text(ELSEWHERE)
    done = kvparity(here, "run", "mine.yaml", "--subject", "python:elsewhere", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert (here / "out" / "index.html").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", ""], 2, "kvparity: '': a name without a letter: what is to be played?\n"),
        (["fuzz", "--seconds", "0"], 3, "kvparity: nothing was compared: there was no time\n"),
    ],
)
def test_what_asks_for_nothing_is_no_pass(
    here: Path, words: list[str], code: int, said: str
) -> None:
    done = kvparity(here, *words)
    assert (done.returncode, done.stderr) == (code, said)
