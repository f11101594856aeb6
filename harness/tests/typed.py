"""The command line as it is typed, for the tests of more than one file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def kvparity(here: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a command comes to in a directory, with more in its environment."""
    return _run(here, [sys.executable, "-m", "kvparity", *words], environment)


def shell(here: Path, words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same of what is typed into a shell: streams can be closed, or lead elsewhere."""
    return _run(here, ["sh", "-c", f"{sys.executable} -m kvparity {words}"], environment)


def _run(
    here: Path, command: list[str], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=here,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
