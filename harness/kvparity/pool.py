"""Worker processes, started before this one has imported what is heavy.

A worker is spawned, for mlx does not survive a fork once it has evaluated something. While it
imports what it needs to play, the process that asked for it does the same.
"""

from __future__ import annotations

import gc
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from kvparity import ending, interruptions, output

_MOST = 4
_WORTHWHILE = 200
"""Scenarios to a process from which another one saves more time than it takes to start."""


def fitting(wanted: int | None, scenarios: int | None = None) -> int:
    """How many processes to play so many scenarios by, the one that asks among them.

    As many as are wanted, but none without a scenario; as are worth it where nobody says. Without
    a number of scenarios it is the whole corpus, of which it is not known yet how many there are.
    """
    if wanted is not None:
        return wanted if scenarios is None else min(wanted, scenarios)
    enough = _MOST if scenarios is None else scenarios // _WORTHWHILE
    return max(1, min(_cores(), _MOST, enough))


def started(workers: int) -> ProcessPoolExecutor:
    """So many workers, which get themselves ready from now on."""
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin)
    with interruptions.held_back():
        for _ in range(workers):
            pool.submit(_begun)
    return pool


def _cores() -> int:
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return own or 1


def _begin() -> None:
    """Make this process a worker; the rest is what playing imports."""
    become_worker()
    gc.disable()  # a worker lives for seconds, and hands over what it makes
    import kvimpl  # noqa: F401, PLC0415
    import kvparity.workers  # noqa: F401, PLC0415


def become_worker() -> None:
    """Make this process a worker: Ctrl-C and reports are for the process that it ends with."""
    interruptions.ignored()
    output.give_up()
    ending.guarded()
    ending.with_parent()


def _begun() -> None:
    """What a worker does first: a process is started for a task."""
