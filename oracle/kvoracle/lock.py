"""The releases that are known: each one's wheel, and the hashes that pin its two files.

`releases.lock.json` is package data, written by `kvparity oracle lock`. A release that came out
since is not in it, and is taken as the package index gives it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from packaging.version import InvalidVersion, Version

from kvoracle.sources import OracleError, Sources

PATH = Path(__file__).parent / "releases.lock.json"


@dataclass(frozen=True)
class Locked:
    """What the lock says of a release: its wheel's name, and sha256 of the files by file name."""

    wheel: str
    hashes: Mapping[str, str]


@cache
def releases() -> Mapping[str, Locked]:
    """The known releases by version, oldest first."""
    known = json.loads(PATH.read_text(encoding="utf-8"))
    return {
        version: Locked(one["wheel"], {file: one[file] for file in ("base.py", "cache.py")})
        for version, one in known.items()
    }


def write(known: Mapping[str, Locked]) -> None:
    """Write the lock, oldest release first. Raises OSError."""
    content = {
        version: {"wheel": known[version].wheel, **known[version].hashes}
        for version in sorted(known, key=Version)
    }
    PATH.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    releases.cache_clear()


def twins(version: str) -> list[str]:
    """The other known releases whose two files are the same, byte for byte."""
    known = releases()
    if version not in known:
        return []
    hashes = known[version].hashes
    return [other for other in known if other != version and known[other].hashes == hashes]


def check(sources: Sources, where: str) -> None:
    """Hold the files of a known release against the lock. Raises OracleError."""
    locked = releases().get(sources.version)
    if locked is not None:
        check_hashes(sources.hashes, locked.hashes, where)


def check_hashes(got: Mapping[str, str], expected: Mapping[str, str], where: str) -> None:
    """Raises OracleError naming the file, both hashes, and what to do."""
    for file, digest in expected.items():
        if got.get(file) != digest:
            raise OracleError(
                f"{where}: {file} is not what was released: sha256 expected {digest}, "
                f"got {got.get(file)}; `kvparity oracle verify` lists what is damaged, "
                "`kvparity oracle prune` removes it"
            )


def nearest(version: str, versions: Iterable[str]) -> list[str]:
    """The releases around a version: up to two before it and two after."""
    ordered = sorted(versions, key=Version)
    try:
        wanted = Version(version)
    except InvalidVersion:
        return ordered[-2:]
    before = [known for known in ordered if Version(known) < wanted]
    return before[-2:] + [known for known in ordered if Version(known) > wanted][:2]
