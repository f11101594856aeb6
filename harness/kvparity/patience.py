"""What never ends is noticed, and left: a subject's endless loop is to end no gate.

The system's timer interrupts the main thread now and then. Nothing is measured in between, so that
what does end costs nothing. Loops in Python can be left so; one within mlx itself cannot.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LONG, SHORT = 10.0, 1.0
"""Seconds without any progress that are too many; and once something did not end: that may hang
in every scenario, and there are many of them."""

_timer = getattr(signal, "ITIMER_REAL", None)
_lost: list[object] = []


class TookTooLong(BaseException):
    """Raised in what did not end: no Exception, for it is not what an implementation raises."""


@contextmanager
def limited(progress: Callable[[], object]) -> Iterator[None]:
    """Raises TookTooLong in what runs inside, where `progress` has said the same for too long.

    It is not noticed beside the main thread, nor where somebody else has set the system's timer.
    """
    here = threading.current_thread() is threading.main_thread()
    if _timer is None or not here or signal.getitimer(_timer) != (0.0, 0.0):
        yield
        return
    latest: list[object] = []

    def look(_number: int, _frame: object) -> None:
        now = progress()
        if latest and latest[-1] == now:
            _lost.append(now)
            raise TookTooLong
        latest.append(now)

    before = signal.signal(signal.SIGALRM, look)
    seconds = SHORT if _lost else LONG
    signal.setitimer(_timer, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(_timer, 0)
        signal.signal(signal.SIGALRM, before)
