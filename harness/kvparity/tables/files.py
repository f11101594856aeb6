"""The file of a table as it is read: a regular one, and no more of it than there may be."""

from __future__ import annotations

import codecs
from pathlib import Path

from kvscenarios.loader import check_regular


def content(path: Path, most: int | None = None) -> bytes:
    """The file's bytes. Raises OSError, and ScenarioError for a device, a pipe or too many."""
    check_regular(path, str(path), most)
    return path.read_bytes()


def without_bom(data: bytes) -> bytes:
    """The same without the mark that some editors put before a text."""
    return data.removeprefix(codecs.BOM_UTF8)
