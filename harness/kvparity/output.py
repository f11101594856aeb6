"""Standard output is ours: what an implementation prints goes to standard error.

It may print while it is imported or played, by `print` or straight to the file descriptor, and
would stand in the midst of a report, or of JSON.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

_OUT, _ERR = 1, 2


@contextmanager
def kept_clear() -> Iterator[None]:
    """Whatever is printed meanwhile goes to standard error."""
    ours = sys.stdout
    ours.flush()
    kept = os.dup(_OUT)
    os.dup2(_ERR, _OUT)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        ours.flush()  # some may have kept it from before
        os.dup2(kept, _OUT)
        os.close(kept)


def fit() -> bool:
    """Make both streams such that anything can be printed; whether there is standard output at all.

    What a stream's encoding lacks is spelled out. Where standard error is closed, nobody reads it.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - stays open
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    return sys.stdout is not None


def give_up() -> None:
    """From now on whatever this process prints goes to standard error: a worker reports nothing."""
    os.dup2(_ERR, _OUT)
    sys.stdout = sys.stderr
