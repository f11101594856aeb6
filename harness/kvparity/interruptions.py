"""Ctrl-C: noted here, and kept from workers, whose parent deals with it.

KeyboardInterrupt is lost where it comes upon what lets no exception through: callbacks of the
garbage collector, finalizers, serializers written in other languages. So it is looked at again
wherever there is a moment for it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_noted: list[int] = []


def heed() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt, and is noted."""
    signal.signal(signal.SIGINT, _interrupt)
    said = sys.unraisablehook

    def hook(lost: Any) -> None:
        if not isinstance(lost.exc_value, KeyboardInterrupt):
            said(lost)

    sys.unraisablehook = hook


def _interrupt(number: int, _frame: object) -> None:
    _noted.append(number)
    raise KeyboardInterrupt


def noted() -> bool:
    """Whether there was a Ctrl-C, whatever became of it."""
    return bool(_noted)


def check() -> None:
    """Raises KeyboardInterrupt where there was a Ctrl-C."""
    if _noted:
        raise KeyboardInterrupt


@contextmanager
def held_back() -> Iterator[None]:
    """Ctrl-C waits meanwhile, and for ever in processes that are started: see `ignored`.

    A worker would end in a traceback where it comes upon it on the way to its first task. A pool is
    made before: what it keeps track of shared things with lets Ctrl-C through once it has begun.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignored() -> None:
    """Let this process, a worker, and those that it starts pass over Ctrl-C for good."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
