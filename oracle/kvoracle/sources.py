"""The two files that make a release's caches, with the hashes that pin them."""

from __future__ import annotations

import hashlib
import importlib.metadata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

DISTRIBUTION = "mlx-lm"
FILES = ("base", "cache")
"""`models/base.py` must come along: some behaviour changes live only there."""


class OracleError(Exception):
    """A reference that cannot be had: not installed, unknown or damaged."""


@dataclass(frozen=True)
class Sources:
    """A release's (or commit's) `models/base.py` and `models/cache.py`, verbatim."""

    name: str
    version: str
    base: bytes
    cache: bytes
    origin: str

    @cached_property
    def hashes(self) -> dict[str, str]:
        """sha256 of the two files, by file name."""
        return {
            "base.py": hashlib.sha256(self.base).hexdigest(),
            "cache.py": hashlib.sha256(self.cache).hexdigest(),
        }


def installed_version() -> str | None:
    """The version of the installed mlx-lm, or None."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return None


def installed() -> Sources:
    """The installed release, read from its files. Raises OracleError."""
    try:
        distribution = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        raise OracleError(
            "mlx-lm is not installed here: pip install mlx-lm, or name another reference"
        ) from None
    models = Path(str(distribution.locate_file("mlx_lm/models")))
    base, cache = (_read(models / f"{stem}.py") for stem in FILES)
    version = distribution.version
    return Sources(f"{DISTRIBUTION}=={version}", version, base, cache, str(models))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OracleError(
            f"the installed mlx-lm is damaged: {path}: {reason}; reinstall it"
        ) from None
