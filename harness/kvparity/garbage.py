"""When Python looks for what goes in circles: not while traces grow.

It would walk the same traces over and over, and find nothing: they hold plain values.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the collector still, unless somebody does already."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def seldom_collected() -> Iterator[None]:
    """The same for long: who asks for it lets `collect` look at what was made since, by hand."""
    with uncollected():
        _settle()
        gc.collect()
        yield


def collect() -> None:
    """Look at what was made since the last time, and no more at what outlived that."""
    gc.collect(1)


@cache
def _settle() -> None:
    """Keep what there is by now out of every collection to come: modules, and what they hold."""
    gc.collect()
    gc.freeze()
