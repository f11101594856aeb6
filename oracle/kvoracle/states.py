"""State and metadata of a cache put in, in the form that its release keeps them in.

Until 0.31 arrays and strings stand apart; since 0.32.0 numbers stand among the arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kvoracle.face import KINDS, Face, Unsupported


def restored(face: Face, cache: Any) -> Any:
    """A new cache from the state and metadata of this one, as a file would carry them."""
    cls = type(cache)
    if hasattr(cls, "meta_state"):
        if hasattr(cls, "from_state"):
            return cls.from_state(cache.state, cache.meta_state)
        return _restored_by_setters(cache)
    return face.method(cls, "from_state")(cache.state)


def _restored_by_setters(cache: Any) -> Any:
    """As `load_prompt_cache` did before 0.28.1, when caches had no `from_state`."""
    new = type(cache)()
    new.state, new.meta_state = cache.state, cache.meta_state
    return new


def set_state(face: Face, cache: Any, arrays: Sequence[Any]) -> None:
    """Put keys and values in as state; a ring's numbers stay as they are."""
    if hasattr(type(cache), "meta_state"):
        cache.state = list(arrays)
        return
    keys, values = arrays or (None, None)
    kind, rows = face.kind_of(cache), 0 if keys is None else keys.shape[-2]
    if kind == "rotating":
        cache.state = (keys, values, cache.offset, cache.keep, cache.max_size, cache._idx)
    elif kind == "concatenate":
        cache.state = (keys, values)
    elif kind == "standard":
        cache.state = (keys, values, rows)
    elif kind == "chunked":
        cache.state = (keys, values, rows, cache.chunk_size, cache.start_position)
    else:
        raise Unsupported(f"the state of its {kind} cache is not keys and values")


def set_meta_state(face: Face, cache: Any, meta: Sequence[str]) -> None:
    """Put metadata in: a ring's keep, max_size, offset and cursor."""
    if hasattr(type(cache), "meta_state"):
        cache.meta_state = _with_step(face, cache, meta)
        return
    kind = face.kind_of(cache)
    if kind == "rotating":
        keep, max_size, offset, idx = map(int, meta)
        cache.state = (cache.keys, cache.values, offset, keep, max_size, idx)
    elif kind == "chunked":
        chunk_size, start = map(int, meta)
        cache.state = (cache.keys, cache.values, cache.offset, chunk_size, start)
    elif kind not in {"standard", "concatenate"}:
        raise Unsupported(f"its {kind} cache has no metadata apart from the state")
    elif meta:
        raise ValueError("this kind has no metadata")


def _with_step(face: Face, cache: Any, meta: Sequence[str]) -> tuple[str, ...]:
    """The metadata with the buffer's step where releases before 0.28.1 had it."""
    at = {"rotating": 2, "quantized": 0}.get(face.kind_of(cache))
    if at is None or hasattr(type(cache), "step"):
        return tuple(meta)
    return (*meta[:at], str(cache.step), *meta[at:])


def from_state(face: Face, kind: str, arrays: Sequence[Any], meta: Sequence[str]) -> Any:
    """A cache from a class name, arrays and metadata. Raises Unsupported for other names."""
    by_name = getattr(face.cache, "from_state", None)
    if by_name is not None:
        return by_name(kind, list(arrays), tuple(meta))
    if kind not in KINDS:
        raise face.lacks(kind)
    cls = face.function(kind)
    if hasattr(cls, "meta_state") and hasattr(cls, "from_state"):
        return cls.from_state(list(arrays), tuple(meta))
    blank = {"rotating": {"max_size": 1}, "chunked": {"chunk_size": 1}}
    cache = cls(**blank.get(KINDS[kind], {}))
    set_state(face, cache, arrays)
    set_meta_state(face, cache, meta)
    return cache
