"""A change is bisected to its commit in a scratch history of mlx-lm's two files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kvoracle import releases, sources
from kvoracle.commits import Clone

RIGHT = releases.release(releases.PINNED).cache.decode()
BASE = releases.release(releases.PINNED).base.decode()
# What changes: a full ring's size is said to be one more.
WRONG = RIGHT.replace("return min(self.offset, self.max_size)", "return 1 + self.max_size", 1)
OTHER = RIGHT.replace("self._idx = self.keep", "raise RuntimeError('another failure')", 1)
SCENARIO = """
family: b
scenarios:
  - name: size-of-a-full-ring
    cache: {kind: rotating, max_size: 4, keep: 1}
    steps:
      - decode: 0..2
      - decode: 3..9
"""


class Scratch:
    """A repository whose commits are versions of the two files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "A. Author")
        self.git("config", "user.email", "author@example.invalid")
        self.git("config", "commit.gpgsign", "false")

    def git(self, *words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(self.path), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    def commit(self, title: str, cache: str, root: str = "mlx_lm", base: str = BASE) -> str:
        models = self.path / root / "models"
        models.mkdir(parents=True, exist_ok=True)
        (models / "cache.py").write_text(f"{cache}\n# {title}\n")
        (models / "base.py").write_text(base)
        return self.save(title)

    def save(self, title: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", title)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    (tmp_path / "b.yaml").write_text(SCENARIO)
    (tmp_path / "clone").mkdir()
    return Scratch(tmp_path / "clone")


def bisect(scratch: Scratch, good: str, bad: str = "HEAD", *words: str):
    return subprocess.run(
        [
            *(sys.executable, "-m", "kvparity", "bisect", "b.yaml", "--repo", "clone"),
            *("--good", good, "--bad", bad, *words),
        ],
        cwd=scratch.path.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def found(scratch: Scratch, good: str, bad: str = "HEAD") -> dict:
    done = bisect(scratch, good, bad, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_commit_is_found_among_others_that_touch_the_files_or_do_not(scratch: Scratch) -> None:
    good = scratch.commit("start", RIGHT)
    scratch.commit("a remark", RIGHT + "\n# a remark")
    (scratch.path / "README").write_text("elsewhere")
    scratch.save("elsewhere")
    culprit = scratch.commit("count one more", WRONG)
    scratch.commit("another remark", WRONG + "\n# another remark")
    outcome = found(scratch, good)
    assert outcome["culprit"] == culprit
    assert outcome["difference"]["field"] == "size"
    assert (outcome["difference"]["good"], outcome["difference"]["bad"]) == ("1", "5")


def test_the_move_out_of_llms_is_followed(scratch: Scratch) -> None:
    good = scratch.commit("below llms", RIGHT, root="llms/mlx_lm")
    culprit = scratch.commit("count one more", WRONG, root="llms/mlx_lm")
    scratch.git("mv", "llms/mlx_lm", "mlx_lm")
    scratch.save("move")
    assert found(scratch, good)["culprit"] == culprit


def test_a_change_on_a_merged_branch_is_found_on_the_branch(scratch: Scratch) -> None:
    good = scratch.commit("start", RIGHT)
    scratch.git("checkout", "-q", "-b", "topic")
    culprit = scratch.commit("count one more", WRONG)
    scratch.git("checkout", "-q", "main")
    scratch.commit("base only", RIGHT, base=BASE + "\n# base\n")
    scratch.git("merge", "-q", "-X", "theirs", "--no-edit", "topic")
    assert found(scratch, good)["culprit"] == culprit


@pytest.mark.parametrize(
    "broken", ["import no_such_module", OTHER], ids=["no load", "other failure"]
)
def test_a_commit_that_cannot_be_judged_is_passed_over(scratch: Scratch, broken: str) -> None:
    good = scratch.commit("start", RIGHT)
    scratch.commit("broken", broken)
    scratch.commit("mended", RIGHT + "\n# mended")
    culprit = scratch.commit("count one more", WRONG)
    outcome = found(scratch, good)
    assert outcome["culprit"] == culprit
    scratch.commit("more", WRONG + "\n# more")
    assert {t["answer"] for t in outcome["trials"]} <= {"good", "bad", "unknown"}


def test_commits_that_cannot_be_told_apart_are_all_named(scratch: Scratch) -> None:
    good = scratch.commit("start", RIGHT)
    broken = scratch.commit("broken", "import no_such_module")
    last = scratch.commit("count one more", WRONG)
    outcome = found(scratch, good)
    assert outcome["culprit"] is None
    assert [commit["sha"] for commit in outcome["suspects"]] == [broken, last]


def test_a_change_that_is_undone_is_found_between_its_ends(scratch: Scratch) -> None:
    good = scratch.commit("start", RIGHT)
    culprit = scratch.commit("count one more", WRONG)
    scratch.commit("undo", RIGHT + "\n# undone")
    assert found(scratch, good, culprit)["culprit"] == culprit
    done = bisect(scratch, good)
    assert done.returncode == 2
    assert "behave alike in this scenario" in done.stderr


def test_the_block_shows_commit_difference_hunk_and_command(scratch: Scratch) -> None:
    good = scratch.commit("start", RIGHT)
    culprit = scratch.commit("count one more", WRONG)
    block = bisect(scratch, good).stdout
    assert f"{culprit[:12]} (20" in block
    assert "A. Author): count one more" in block
    assert "+        return 1 + self.max_size" in block
    assert "| before | `1` |\n| after | `5` |" in block
    assert f"kvparity bisect b.yaml --repo clone --good {good} --bad HEAD" in block


def test_the_script_in_the_block_runs_with_mlx_lm_alone(scratch: Scratch, tmp_path: Path) -> None:
    good = scratch.commit("start", RIGHT)
    scratch.commit("count one more", WRONG)
    script = tmp_path / "script.py"
    script.write_text(found(scratch, good)["script"])
    done = subprocess.run(
        [sys.executable, "-I", str(script)], capture_output=True, text=True, check=True
    )
    assert "decode [[9]] -> [[[0.0, 7.0, 8.0, 9.0]" in done.stdout


def test_without_ends_the_last_change_between_releases_is_zoomed_into(scratch: Scratch) -> None:
    old, new = (releases.release(version) for version in ("0.28.0", "0.28.1"))
    scratch.commit("release", old.cache.decode(), base=old.base.decode())
    scratch.git("tag", "v0.28.0")
    scratch.commit("a remark", old.cache.decode() + "# remark", base=old.base.decode())
    culprit = scratch.commit("the change", new.cache.decode(), base=new.base.decode())
    scratch.save("elsewhere")
    scratch.git("tag", "v0.28.1")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "kvparity", "bisect", "rotating/ring-then-prefill"),
            *("--repo", "clone", "--json"),
        ],
        cwd=scratch.path.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["culprit"] == culprit


def test_nothing_in_the_clone_changes(scratch: Scratch) -> None:
    good = scratch.commit("start", RIGHT)
    scratch.commit("count one more", WRONG)
    (scratch.path / "mlx_lm/models/cache.py").write_text("uncommitted")
    before = scratch.git("status", "--porcelain"), scratch.git("rev-parse", "HEAD")
    bisect(scratch, good)
    assert (scratch.git("status", "--porcelain"), scratch.git("rev-parse", "HEAD")) == before


@pytest.mark.parametrize(
    ("good", "bad", "code", "said"),
    [
        ("HEAD", "HEAD~1", 3, "comes before the good one: swap them"),
        ("no-such", "HEAD", 3, "has no commit 'no-such'"),
        ("HEAD", "HEAD", 2, "behave alike in this scenario"),
    ],
)
def test_ends_that_are_wrong_are_told(
    scratch: Scratch, good: str, bad: str, code: int, said: str
) -> None:
    scratch.commit("start", RIGHT)
    scratch.commit("count one more", WRONG)
    done = bisect(scratch, good, bad)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert said in done.stderr


def test_a_directory_that_is_no_clone_of_mlx_lm_is_told(scratch: Scratch, tmp_path: Path) -> None:
    (scratch.path / "other").write_text("x")
    scratch.save("not mlx-lm")
    done = bisect(scratch, "HEAD")
    assert done.returncode == 3
    assert "is it a clone of mlx-lm?" in done.stderr
    (tmp_path / "plain").mkdir()
    with pytest.raises(sources.OracleError, match="is no git repository"):
        Clone(tmp_path / "plain")


def test_a_shallow_clone_is_told(scratch: Scratch, tmp_path: Path) -> None:
    first = scratch.commit("start", RIGHT)
    scratch.commit("count one more", WRONG)
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", f"file://{scratch.path}", str(tmp_path / "s")],
        check=True,
    )
    with pytest.raises(sources.OracleError, match="shallow: git fetch --unshallow"):
        Clone(tmp_path / "s").commit(first)


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("from kvimpl import *\nfrom kvimpl import CacheError", 0),
        (
            "from kvimpl import *\nfrom kvimpl import CacheError, RotatingKVCache as R\n"
            "class RotatingKVCache(R):\n    def size(self):\n        return 9\n",
            1,
        ),
        ("import no_such_module", 125),
        ("CacheError = ValueError", 125),
    ],
    ids=["good", "bad", "does not load", "lacks the kind"],
)
def test_check_leaves_with_what_git_bisect_run_takes(
    tmp_path: Path, module: str, code: int
) -> None:
    (tmp_path / "b.yaml").write_text(SCENARIO)
    (tmp_path / "mine.py").write_text(module)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "kvparity", "check", "b.yaml", "--subject", "python:mine"),
            *("--reference", f"mlx-lm=={releases.PINNED}"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},  # where fetched releases are, too
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
