"""How a process of ours ends: not by an implementation's word, not silently, not after its parent.

An implementation that ended the process would take the verdict along, and leave with a code of its
own choice.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from contextlib import suppress
from typing import NoReturn

_end = os._exit


def guarded() -> None:
    """From now on `os._exit` raises what `sys.exit` does, and lines are printed where mlx crashes.

    C code that calls `exit` is still obeyed.
    """
    os._exit = _raised
    with suppress(OSError, ValueError):  # standard error is no file
        faulthandler.enable()


def _raised(status: int) -> NoReturn:
    sys.exit(status)


def with_parent() -> None:
    """End this process, a worker, once its parent is gone: nobody else would tell it to."""
    from threading import Thread  # noqa: PLC0415 - for workers alone

    Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    from multiprocessing import parent_process  # noqa: PLC0415 - for workers alone

    parent = parent_process()
    if parent is not None:
        parent.join()
        _end(1)
