"""The files that scenarios save and load while they are played.

They are real ones, in one directory a process: to make and remove one for each scenario costs more
than most of them take to play.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

_numbers = count()


class Files:
    """The files of one scenario, under names that no other has."""

    def __init__(self) -> None:
        self._number = next(_numbers)
        self._paths: set[Path] = set()

    def of(self, name: str) -> Path:
        """Where the file is that the scenario calls so."""
        path = Path(_directory().name, f"{self._number}-{name}.safetensors")
        self._paths.add(path)
        return path

    def remove(self) -> None:
        """Remove those that there are."""
        while self._paths:
            self._paths.pop().unlink(missing_ok=True)


@contextmanager
def files() -> Iterator[Files]:
    """The files of a scenario, removed afterwards."""
    found = Files()
    try:
        yield found
    finally:
        found.remove()


@cache
def _directory() -> TemporaryDirectory[str]:
    """Removed when the process ends."""
    return TemporaryDirectory(prefix="kvparity-")
