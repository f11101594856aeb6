"""The commands as typed: what they print, what they write, and the code they leave with."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typed import kvparity, shell

from kvreports import runfile

FILE = """
family: mine
scenarios:
  - name: ring
    cache: {kind: rotating, max_size: 4, keep: 1}
    steps:
      - decode: 0..5
        expect: {keys: [0, 4, 5, 3]}
      - make_mask: {n: 1, window_size: 2}
"""
FAULTY = """
from kvimpl import *
from kvimpl import CacheError, RotatingKVCache as Right

class RotatingKVCache(Right):
    def update_and_fetch(self, keys, values):
        keep, self.keep = self.keep, 0
        fetched = super().update_and_fetch(keys, values)
        self.keep = keep
        return fetched
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text(FILE)
    (tmp_path / "faulty.py").write_text(FAULTY)
    return tmp_path


def test_a_run_that_conforms_leaves_a_whole_run_file_and_a_page(here: Path) -> None:
    done = kvparity(here, "run", "mine.yaml")
    assert done.returncode == 0, done.stderr
    run = runfile.read(here / "kvparity-report" / "run.jsonl")
    assert [(r.id, r.verdict) for r in run.records] == [("mine/ring", "conform")]
    assert run.header.command == ("kvparity", "run", "mine.yaml")
    assert (
        (here / "kvparity-report" / "index.html").read_text().lower().startswith("<!doctype html>")
    )


def test_a_run_that_diverges_says_where_and_leaves_with_1(here: Path) -> None:
    done = kvparity(here, "run", "mine.yaml", "--subject", "python:faulty")
    assert done.returncode == 1
    assert "mine/ring" in done.stdout
    assert "mine.yaml:4" in done.stdout
    (record,) = runfile.read(here / "kvparity-report" / "run.jsonl").records
    assert record.first is not None
    assert (record.verdict, record.first.step, record.first.field) == ("diverge", 1, "returned")
    assert record.first.place == {"row": 0, "head": 0, "slot": 0, "lane": 0}


def test_json_is_the_run_and_nothing_else(here: Path) -> None:
    done = kvparity(here, "run", "mine.yaml", "--json")
    assert json.loads(done.stdout)["footer"]["counts"] == {"conform": 1}


def test_only_the_levels_asked_for_are_compared(here: Path) -> None:
    words = ("run", "mine.yaml", "--subject", "python:faulty", "--level", "internals", "--json")
    record = json.loads(kvparity(here, *words).stdout)["records"][0]
    assert record["findings"][0]["field"] != "returned"
    assert record["verdict"] != "conform"


@pytest.mark.parametrize(
    "words", ["list esc.yaml", "check esc.yaml", "run esc.yaml", "show esc.yaml"]
)
def test_no_name_and_no_message_steers_a_terminal(here: Path, words: str) -> None:
    raw = "\\e[31mred\\u202E"
    (here / "esc.yaml").write_text(
        f'family: mine\nscenarios: [{{name: a, about: "{raw}", cache: {{kind: standard}}, '
        "steps: [update: [1], trim: 1]}]\n"
    )
    (here / "esc.py").write_text(
        "import kvimpl\nfrom kvimpl import *\nclass KVCache(kvimpl.KVCache):\n"
        '    def trim(self, n):\n        raise ValueError("\\x1b[31mred\\u202e")\n'
    )
    subject = ("--subject", "python:esc") if words[:4] != "list" else ()
    done = kvparity(here, *words.split(), *subject)
    assert "red" in done.stdout
    assert not {"\x1b", "\u202e"} & set(done.stdout + done.stderr)


def test_output_is_plain_where_nobody_watches(here: Path) -> None:
    done = kvparity(here, "run", "mine.yaml", "--subject", "python:faulty", TERM="xterm-256color")
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "gone.yaml"], 2, "gone.yaml: no such file"),
        (["run", "no/such"], 2, "no file and no scenario has this name"),
        (["run", "bad.yaml"], 2, "bad.yaml:2: scenario 'a': unknown kind 'rotatin'; did you mean 'rotating'?"),
        (["run", "broken.yaml"], 2, "broken.yaml:2: not YAML"),
        (["run", "mine.yaml", "-k", "nothing"], 2, "no file and no scenario has this name"),
        (["run", "mine.yaml", "--subject", "kvimp"], 2, "no implementation is called 'kvimp'; did you mean 'kvimpl'?"),
        (["run", "mine.yaml", "--subject", "python:no.such"], 3, "python:no.such cannot be imported"),
        (["run", "mine.yaml", "--reference", "mlx-lm==0.0.99"], 3, "mlx-lm==0.0.99 is not"),
        (["run", "mine.yaml", "--level", "stat"], 2, "'stat' is not one of"),
        (["run", "mine.yaml", "--out", "mine.yaml"], 3, "mine.yaml"),
        (["show", "rotating/*"], 2, "name one"),
        (["schema", "nothing"], 2, "'nothing' is not one of"),
        (["rum"], 2, "No such command 'rum'"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_clear_message_and_nothing_is_written(
    here: Path, words: list[str], code: int, said: str
) -> None:
    (here / "bad.yaml").write_text(
        "family: f\nscenarios: [{name: a, cache: {kind: rotatin}, steps: [observe]}]\n"
    )
    (here / "broken.yaml").write_text("family: f\nscenarios: [}\n")
    done = kvparity(here, *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (here / "kvparity-report").exists()


def test_check_tells_a_script_what_it_tells_git_bisect(here: Path) -> None:
    done = kvparity(here, "check", "mine.yaml", "--subject", "python:faulty", "--json")
    (row,) = json.loads(done.stdout)
    assert (done.returncode, row["id"], row["verdict"]) == (1, "mine/ring", "diverge")
    done = kvparity(here, "check", "gone.yaml", "--json")
    assert (done.returncode, done.stdout) == (125, "")


def test_list_names_each_scenario_with_what_it_would_catch(here: Path) -> None:
    found = json.loads(kvparity(here, "list", "rotating/*", "--json").stdout)
    assert found
    assert all(row["about"] for row in found)


def test_show_prints_what_each_side_holds_after_each_token(here: Path) -> None:
    ops = json.loads(kvparity(here, "show", "mine.yaml", "--json").stdout)
    rows = [op["reference"]["caches"]["cache"]["fields"]["keys"]["rows"][0] for op in ops[:6]]
    assert rows[-1] == [0, 4, 5, 3]
    assert [len(row) for row in rows] == [1, 2, 3, 4, 4, 4]
    shown = kvparity(here, "show", "mine.yaml").stdout
    assert "0 4 5 >3" in shown


def test_show_says_what_is_wrong_below(here: Path) -> None:
    (here / "wrong.yaml").write_text(
        "family: wrong\nscenarios:\n"
        "  - {name: a, cache: {kind: standard}, steps: [{update: [1], expect: {offset: 5}}]}\n"
    )
    shown = kvparity(here, "show", "wrong.yaml").stdout
    assert "step 1 (update [1]): offset: pinned 5, reference 1" in shown


@pytest.mark.parametrize("after", [0.02, 0.25, 0.9], ids=["at once", "early", "under way"])
def test_ctrl_c_writes_nothing_and_leaves_with_130(here: Path, after: float) -> None:
    start = "from kvparity.__main__ import main; print('ready', flush=True); main()"
    process = subprocess.Popen(
        [sys.executable, "-c", start, "run", "--out", "report"],
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said == "kvparity: interrupted\n"
    assert not (here / "report").exists()


SWALLOWS = """
import signal
import kvimpl
from kvimpl import *

class RotatingKVCache(kvimpl.RotatingKVCache):
    def update_and_fetch(self, keys, values):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            pass
        return super().update_and_fetch(keys, values)
"""


@pytest.mark.parametrize(
    "words", ["run mine.yaml", "gate --examples 0", "gate --kind rotating", "show mine.yaml"]
)
def test_ctrl_c_that_somebody_swallowed_is_no_less_one(here: Path, words: str) -> None:
    (here / "swallows.py").write_text(SWALLOWS)
    (here / "kvparity.toml").write_text('scenarios = ["mine.yaml"]\n')
    done = kvparity(here, *words.split(), "--subject", "python:swallows")
    assert (done.returncode, done.stderr) == (130, "kvparity: interrupted\n")
    assert not (here / "kvparity-report").exists()


def test_ctrl_c_that_a_finalizer_swallows_is_no_less_one(here: Path) -> None:
    finalizer = "    def __del__(self):\n        signal.raise_signal(signal.SIGINT)\n"
    head = "import signal\nimport kvimpl\nfrom kvimpl import *\n"
    body = f"class RotatingKVCache(kvimpl.RotatingKVCache):\n{finalizer}"
    (here / "swallows.py").write_text(head + body)
    done = kvparity(here, "run", "mine.yaml", "--subject", "python:swallows")
    assert (done.returncode, done.stderr) == (130, "kvparity: interrupted\n")
    assert not (here / "kvparity-report").exists()


@pytest.mark.parametrize("words", ["list", "run mine.yaml", "--help"])
def test_standard_output_that_is_closed_is_said(here: Path, words: str) -> None:
    done = shell(here, f"{words} >&-")
    assert (done.returncode, done.stderr) == (3, "kvparity: standard output is closed\n")


def test_standard_error_that_is_closed_is_nobodys_loss(here: Path) -> None:
    done = shell(here, "list mine.yaml --json 2>&-")
    assert (done.returncode, [row["id"] for row in json.loads(done.stdout)]) == (0, ["mine/ring"])
    assert shell(here, "run gone.yaml 2>&-").stdout == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_an_encoding_lacks_is_spelled_out(here: Path, encoding: str) -> None:
    (here / "wide.yaml").write_text(FILE.replace("name: ring", 'name: ring\n    about: "→ 漢"'))
    for words in ("list wide.yaml", "show wide.yaml", "run wide.yaml"):
        done = shell(here, words, PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
    assert r"\u6f22" in shell(here, "list wide.yaml", PYTHONIOENCODING=encoding).stdout
