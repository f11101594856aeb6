"""`kvparity oracle`: the store of mlx-lm's releases, and the lock that says what they are."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

from kvoracle import fetch, history, lock, releases, store
from kvoracle.sources import OracleError, installed_version
from kvparity.exitcodes import CONFORMS, COULD_NOT_RUN, DIVERGES

_AT_ONCE = 3
"""Downloads at the same time: each is a process of its own that mostly waits."""


def list_(*, as_json: bool) -> int:
    """Print the known releases, and which of them are on this machine."""
    known, stored, installed = lock.releases(), set(store.versions()), installed_version()
    rows = [
        {
            "version": version,
            "locked": version in known,
            "stored": version in stored,
            "installed": version == installed,
        }
        for version in dict.fromkeys([*known, *sorted(stored - known.keys())])
    ]
    if as_json:
        print(json.dumps(rows, indent=1))
        return CONFORMS
    for row in rows:
        marks = [word for word in ("stored", "installed") if row[word]]
        marks += [] if row["locked"] else ["not in the lock"]
        print(f"{row['version']:<10} {', '.join(marks)}".rstrip())
    print(f"{len(rows)} releases, {len(stored)} of them in {store.root()}", file=sys.stderr)
    return CONFORMS


def fetch_(versions: Sequence[str], *, everything: bool) -> int:
    """Put releases into the store; what is there already is left alone."""
    wanted = [*versions, *(lock.releases() if everything else ())]
    missing = [version for version in dict.fromkeys(wanted) if store.read(version) is None]
    failed = _each(_alike(missing), releases.fetched)
    done = len(missing) - len(failed)
    print(f"{done} fetched, {len(wanted) - len(missing)} were there", file=sys.stderr)
    return COULD_NOT_RUN if failed else CONFORMS


def have(versions: Sequence[str]) -> bool:
    """Fetch those that are not on this machine; whether all of them are, afterwards."""
    missing = [version for version in versions if releases.at_hand(version) is None]
    return not _each(_alike(missing), releases.fetched)


def verify(*, as_json: bool) -> int:
    """Hold every entry of the store against its hashes and the lock."""
    versions, damaged = store.versions(), dict(store.problems())
    if as_json:
        rows = [{"version": version, "problem": damaged.get(version)} for version in versions]
        print(json.dumps(rows, indent=1))
    else:
        for message in damaged.values():
            print(message)
        print(f"{len(versions)} entries, {len(damaged)} damaged", file=sys.stderr)
    return DIVERGES if damaged else CONFORMS


def path(version: str | None, *, as_json: bool) -> int:
    """Print where the store is, or a release's entry in it."""
    if version is not None and store.read(version) is None:
        raise OracleError(
            f"mlx-lm=={version} is not in the store: `kvparity oracle fetch {version}` fetches it"
        )
    place = str(store.root() if version is None else store.path(version))
    print(json.dumps({"version": version, "path": place}) if as_json else place)
    return CONFORMS


def prune() -> int:
    """Remove damaged entries and what killed downloads left behind."""
    gone = store.prune()
    for directory in gone:
        print(f"removed {directory}")
    print(f"{len(gone)} removed", file=sys.stderr)
    return CONFORMS


def lock_(versions: Sequence[str]) -> int:
    """Add releases to the lock as the index has them, and write when what came into being."""
    fresh: dict[str, lock.Locked] = {}

    def take(version: str) -> tuple[object, str | None]:
        wheel, yanked = fetch.download(version)
        sources = store.add(version, wheel)
        fresh[version] = lock.Locked(wheel.name, sources.hashes)
        return sources, yanked

    failed = _each([[version] for version in versions if version not in lock.releases()], take)
    if failed:
        return COULD_NOT_RUN
    lock.write({**lock.releases(), **fresh})
    history.write([releases.release(version) for version in lock.releases()])
    print(f"{len(fresh)} added, {len(lock.releases())} known", file=sys.stderr)
    return CONFORMS


def _alike(versions: Sequence[str]) -> list[list[str]]:
    """Releases in groups with the same two files: the first of a group serves the others."""
    known = lock.releases()
    groups: dict[object, list[str]] = {}
    for version in versions:
        files = tuple(known[version].hashes.values()) if version in known else version
        groups.setdefault(files, []).append(version)
    return list(groups.values())


def _each(
    groups: Sequence[Sequence[str]], work: Callable[[str], tuple[object, str | None]]
) -> list[str]:
    """Do the work for every release, a group after itself, and say what failed."""
    failed: list[str] = []
    with _progress(sum(map(len, groups))) as advance, ThreadPoolExecutor(_AT_ONCE) as pool:

        def one_after_another(group: Sequence[str]) -> None:
            for version in group:
                try:
                    _, yanked = work(version)
                except (OracleError, OSError) as error:
                    failed.append(version)
                    advance(str(error))
                else:
                    advance(f"mlx-lm=={version} was yanked: {yanked}" if yanked else None)

        list(pool.map(one_after_another, groups))
    return failed


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str | None], None]]:
    """What to call when a release is done, with what there is to say of it."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("fetching", total=total)

        def advance(message: str | None) -> None:
            if message is not None:
                console.print(f"kvparity: {message}")
            progress.advance(task)

        yield advance
