"""The file of a table as it is read: a regular one, and no more of it than there may be."""

from __future__ import annotations

import codecs
import stat
from pathlib import Path

from kvscenarios import ScenarioError
from kvscenarios.errors import Problem


def content(path: Path, most: int | None = None) -> bytes:
    """The file's bytes. Raises OSError, and ScenarioError for a device, a pipe or too many."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise ScenarioError([Problem("no regular file", str(path))])
    if most is not None and about.st_size > most:
        raise ScenarioError([Problem(f"larger than {most} bytes", str(path))])
    return path.read_bytes()


def without_bom(data: bytes) -> bytes:
    """The same without the mark that some editors put before a text."""
    return data.removeprefix(codecs.BOM_UTF8)
