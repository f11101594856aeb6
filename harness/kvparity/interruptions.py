"""Ctrl-C, noted: KeyboardInterrupt is lost where it comes upon what lets no exception through.

Such are callbacks of the garbage collector, finalizers, and serializers written in other languages.
So it is looked at again wherever there is a moment for it.
"""

from __future__ import annotations

import signal
import sys
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
