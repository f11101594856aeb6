"""The command line as it is typed, for the tests of more than one file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def kvparity(here: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a command comes to in a directory, with more in its environment."""
    return subprocess.run(
        [sys.executable, "-m", "kvparity", *words],
        cwd=here,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
