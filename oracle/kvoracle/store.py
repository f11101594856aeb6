"""The store of releases: a directory an entry, under the user's cache directory.

An entry holds `base.py`, `cache.py` and `meta.json`. It is made under another name and renamed into
place, so that it is there whole or not at all, whoever else makes it at the same time.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from packaging.version import InvalidVersion, Version

from kvoracle import lock
from kvoracle.sources import DISTRIBUTION, FILES, OracleError, Sources

VARIABLE = "KVPARITY_CACHE"
"""The environment variable that puts the store elsewhere."""
_UNFINISHED = ".new-"
_ABANDONED_AFTER = 3600.0
"""Seconds after which an unfinished entry has nobody who works on it."""


@dataclass(frozen=True)
class Wheel:
    """What a release's wheel brings: its name and the two files."""

    name: str
    base: bytes
    cache: bytes


def directory() -> Path:
    """Our directory among the user's caches; it need not exist."""
    given = os.environ.get(VARIABLE)
    return Path(given).expanduser() if given else platformdirs.user_cache_path("kvparity")


def root() -> Path:
    """The directory of the entries; it need not exist."""
    return directory() / "releases"


def path(version: str) -> Path:
    """Where a release's entry is, or would be."""
    return root() / version


def versions() -> list[str]:
    """The releases that have an entry, whole or damaged, oldest first."""
    try:
        names = [entry.name for entry in root().iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return []
    return sorted(filter(_is_version, names), key=Version)


def read(version: str) -> Sources | None:
    """A release's entry, checked; None where there is none. Raises OracleError."""
    entry = path(version)
    if not entry.is_dir():
        return None
    try:
        base, cache = ((entry / f"{stem}.py").read_bytes() for stem in FILES)
        meta = json.loads((entry / "meta.json").read_bytes())
        recorded = {file: str(meta[file]) for file in ("base.py", "cache.py")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OracleError(
            f"{entry} is damaged: {type(error).__name__}: {error}; "
            "`kvparity oracle prune` removes it"
        ) from None
    sources = Sources(f"{DISTRIBUTION}=={version}", version, base, cache, str(entry))
    lock.check(sources, str(entry))
    lock.check_hashes(sources.hashes, recorded, str(entry))
    return sources


def add(version: str, wheel: Wheel) -> Sources:
    """Make a release's entry, unless somebody else just did. Raises OracleError and OSError."""
    entry = path(version)
    sources = Sources(f"{DISTRIBUTION}=={version}", version, wheel.base, wheel.cache, str(entry))
    lock.check(sources, wheel.name)
    meta = {"version": version, "wheel": wheel.name, **sources.hashes}
    with workspace() as fresh:
        for name, content in (("base.py", wheel.base), ("cache.py", wheel.cache)):
            (fresh / name).write_bytes(content)
        (fresh / "meta.json").write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")
        try:
            fresh.rename(entry)
        except OSError:
            # The other one's entry is there already; where it is not, the error stands.
            if not entry.is_dir():
                raise
    return sources


@contextmanager
def workspace() -> Iterator[Path]:
    """A directory in the store to build an entry in: gone afterwards, or renamed."""
    root().mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=root()))
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def problems() -> Iterator[tuple[str, str]]:
    """The damaged entries: version, and what is wrong."""
    for version in versions():
        try:
            read(version)
        except OracleError as error:
            yield version, str(error)


def prune() -> list[Path]:
    """Remove damaged entries and what killed downloads left behind; returns what is gone."""
    gone = [path(version) for version, _ in problems()]
    if root().is_dir():
        oldest = time.time() - _ABANDONED_AFTER
        unfinished = root().glob(f"{_UNFINISHED}*")
        gone += [left for left in unfinished if left.stat().st_mtime < oldest]
    for leftover in gone:
        shutil.rmtree(leftover)
    return gone


def _is_version(name: str) -> bool:
    try:
        Version(name)
    except InvalidVersion:
        return False
    return True
