"""`git bisect run kvparity check` finds a change in kvimpl's own history, as docs/bisect.md says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kvoracle.releases import PINNED

ROOT = Path(__file__).parents[2]
RIGHT = "return min(self.offset, self.max_size)"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
def test_git_bisect_run_finds_the_commit_that_changed_kvimpl(tmp_path: Path) -> None:
    clone = tmp_path / "clone"

    def git(*words: str) -> str:
        command = ["git", "-C", str(clone), "-c", "user.name=A", "-c", "user.email=a@b.invalid"]
        return subprocess.run(
            [*command, *words],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(clone / "impl"), "PYTHONDONTWRITEBYTECODE": "1"},
        ).stdout

    def commit(title: str, old: str, new: str) -> str:
        path = clone / "impl" / "kvimpl" / "rotating.py"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        git("commit", "-qam", title)
        return git("rev-parse", "HEAD").strip()

    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    good = git("rev-parse", "HEAD").strip()
    commit("a remark", '"""The rotating cache', '"""A remark. The rotating cache')
    commit("broken", "from __future__ import annotations", "import no_such_module_here")
    commit("mended", "import no_such_module_here", "from __future__ import annotations")
    culprit = commit("count every token", RIGHT, "return self.offset")
    commit("another remark", '"""A remark. ', '"""Another remark. ')

    git("bisect", "start", "HEAD", good)
    check = (sys.executable, "-m", "kvparity", "check", "rotating/keeps-prefix-and-window")
    sides = ("--subject", "python:kvimpl", "--reference", f"mlx-lm=={PINNED}")
    said = git("bisect", "run", *check, *sides)
    assert f"{culprit} is the first bad commit" in said
