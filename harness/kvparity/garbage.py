"""When Python looks for what goes in circles: not while traces grow.

It would walk the same traces over and over, and find nothing: they hold plain values.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
    """The same for long: who asks for it lets `collect` look at what was made since, by hand.

    What there is by then is kept out of all collections to come: modules, and what is remembered.
    """
    with uncollected():
        gc.collect()
        gc.freeze()
        yield


def collect() -> None:
    """Look at what was made since the last time, and no more at what outlived that."""
    gc.collect(1)
