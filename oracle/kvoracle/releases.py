"""A release's two files, from wherever they are: installed, in the store, or on the package index.

Releases whose files the lock says are the same, byte for byte, are fetched once.
"""

from __future__ import annotations

import os
import re
from functools import cache

from kvoracle import fetch, lock, store
from kvoracle.sources import OracleError, Sources, installed, installed_version

PINNED = "0.32.2"
"""The release that this repository's own suite and gate are held against: a newer one turns nothing
red until somebody moves this."""
OFFLINE = "KVPARITY_OFFLINE"
"""The environment variable that keeps everything from the network, set to anything but 0."""
_installed_version = cache(installed_version)  # a millisecond each time, asked for every release
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!-]{0,63}")


def offline() -> bool:
    """Whether the network must not be asked."""
    return os.environ.get(OFFLINE, "0") not in ("", "0")


def release(version: str) -> Sources:
    """A release's files, fetched if need be. Raises OracleError and OSError."""
    found = at_hand(version)
    return fetched(version)[0] if found is None else found


def at_hand(version: str) -> Sources | None:
    """A release's files if they are on this machine. Raises OracleError where they are damaged.

    An installed release that somebody has edited is not that release.
    """
    locked = lock.releases().get(version)
    if _installed_version() == version:
        here = installed()
        if locked is None or here.hashes == locked.hashes:
            return here
    return store.read(version)


def fetched(version: str) -> tuple[Sources, str | None]:
    """A release's files put into the store, and why it was yanked if pip said that it was.

    Raises OracleError and OSError.
    """
    if not _VERSION.fullmatch(version):
        raise OracleError(f"{version!r} is no version")
    for twin in lock.twins(version):
        found = at_hand(twin)
        if found is not None:
            wheel = store.Wheel(lock.releases()[version].wheel, found.base, found.cache)
            return store.add(version, wheel), None
    if offline():
        raise OracleError(_not_here(version))
    fresh, yanked = fetch.download(version)
    return store.add(version, fresh), yanked


def _not_here(version: str) -> str:
    here = [known for known in (_installed_version(), *store.versions()) if known]
    near = ", ".join(dict.fromkeys(lock.nearest(version, here))) or "none"
    return (
        f"mlx-lm=={version} is not on this machine, and the network is not asked "
        f"(--offline or {OFFLINE}); the nearest at hand: {near}"
    )
