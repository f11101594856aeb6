"""Imports go one way, and heavy ones wait."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def test_imports_go_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        (["--help"], {"mlx", "pydantic", "yaml", "rich", "jinja2", "pandas", "hypothesis"}),
        (["run", "--help"], {"mlx", "yaml", "rich", "jinja2", "pandas", "hypothesis"}),
        (["list", "rotating/*"], {"mlx", "rich", "jinja2", "pandas", "hypothesis"}),
        (["run", "rotating/*", "--out", "{tmp}"], {"mlx_lm", "transformers", "numpy", "pandas"}),
    ],
)
def test_a_command_imports_no_more_than_it_needs(words, absent, tmp_path) -> None:
    words = [word.format(tmp=tmp_path) for word in words]
    code = (
        "import sys\n"
        "from kvparity.cli import app\n"
        f"sys.argv = ['kvparity', *{words!r}]\n"
        "try:\n    app()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('IMPORTED', *{name.partition('.')[0] for name in sys.modules})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.splitlines()[-1].split()[1:])
    assert imported & absent == set()
