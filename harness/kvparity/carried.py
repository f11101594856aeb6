"""How state is laid out: what a cache gives to a file, in which order, and the file itself.

mlx-lm has had two conventions: arrays, and metadata beside them as strings, up to 0.31.3; arrays
and numbers in one tree since 0.32.0. A hardened implementation has its own, and is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx

from kvparity.observe import ANY_ERROR, raised
from kvparity.trace import Laid

_APART, _TREE = "metadata apart", "one tree"


def state(cache: Any, snapshot: Callable[[Any], Any]) -> Laid:
    """The layout of a cache's state: what stands where, and what its short arrays hold."""
    convention = _convention(cache)
    try:
        carried = (cache.state, cache.meta_state) if convention == _APART else cache.state
        parts = list(_parts("", carried))
    except ANY_ERROR as error:  # what reading it raises is its layout
        return Laid(convention, raised(error))
    short = [value for _, value in parts if isinstance(value, mx.array) and value.ndim < 2]
    places = [f"{path} {_form(value)}" for path, value in parts]
    return Laid(convention, (*places, *map(snapshot, short)))


def file(path: Path, example: Any) -> Laid:
    """The layout of a file: its arrays by name, type and shape, and its metadata.

    `example` is one of the caches in it: its class knows the convention.
    """
    loaded: Any = mx.load(str(path), return_metadata=True)
    arrays, metadata = loaded
    places = sorted(f"{name} {_form(array)}" for name, array in arrays.items())
    words = sorted(f"{key}: {word}" for key, word in metadata.items())
    return Laid(_convention(example), (*places, *words))


def _convention(cache: Any) -> str:
    return _APART if hasattr(type(cache), "meta_state") else _TREE


def _parts(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The leaves of a tree, each under the way to it."""
    inside: Iterable[tuple[Any, Any]]
    if isinstance(value, dict):
        inside = sorted(value.items())
    elif isinstance(value, tuple | list):
        inside = enumerate(value)
    else:
        yield path.removeprefix("."), value
        return
    for name, part in inside:
        yield from _parts(f"{path}.{name}", part)


def _form(value: Any) -> str:
    if isinstance(value, mx.array):
        return f"{str(value.dtype).removeprefix('mlx.core.')} {list(value.shape)}"
    known = value is None or isinstance(value, bool | int | float | str)
    return repr(value) if known else type(value).__name__
