"""A cache as the attributes that mlx-lm has made its state since 0.32.0, and back.

Unlike ``state`` and ``meta_state``, these are the buffers whole, with the numbers beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx

from .arrays import ArraysCache
from .batch import BatchKVCache
from .batch_rotating import BatchRotatingKVCache
from .buffers import per_row
from .chunked import ChunkedKVCache
from .concatenate import ConcatenateKVCache
from .errors import MetaParseError, OutOfRangeError
from .padded import padding_text
from .quantized import QuantizedKVCache
from .rotating import RotatingKVCache
from .standard import KVCache

FIELDS: dict[str, tuple[str, ...]] = {
    "KVCache": ("keys", "values", "offset"),
    "ConcatenateKVCache": ("keys", "values"),
    "RotatingKVCache": ("keys", "values", "offset", "keep", "max_size", "_idx"),
    "ChunkedKVCache": ("keys", "values", "offset", "chunk_size", "start_position"),
    "QuantizedKVCache": ("keys", "values", "offset", "group_size", "bits"),
    "ArraysCache": ("cache", "left_padding", "lengths"),
    "BatchKVCache": ("keys", "values", "offset", "left_padding", "_idx"),
    "BatchRotatingKVCache": (
        "keys", "values", "offset", "left_padding", "max_size", "_offset", "_idx", "rotated",
    ),
}  # fmt: skip
"""The attributes of each kind, in mlx-lm's order."""


def from_fields(kind: str, values: Sequence[Any]) -> Any:
    """Return a cache of the class called ``kind`` with these attributes.

    Raises:
        CacheError: attributes that make no cache.

    """
    for name, value in zip(FIELDS[kind], values, strict=True):
        if not _TYPES[name](value):
            raise MetaParseError(kind, name)
    return _RESTORE[kind](**dict(zip(FIELDS[kind], values, strict=True)))


def _is_array(value: Any) -> bool:
    return isinstance(value, mx.array)


def _is_optional(value: Any) -> bool:
    return value is None or _is_array(value)


def _is_held(value: Any) -> bool:
    triple = isinstance(value, list) and len(value) == 3 and all(map(_is_array, value))
    return triple or _is_optional(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int)


def _is_offset(value: Any) -> bool:
    return _is_number(value) or _is_array(value)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "keys": _is_held,
    "values": _is_held,
    "cache": lambda value: isinstance(value, list) and all(map(_is_optional, value)),
    "left_padding": _is_optional,
    "lengths": _is_optional,
    "offset": _is_offset,
    "chunk_size": lambda value: value is None or _is_number(value),
    "rotated": lambda value: isinstance(value, bool),
} | dict.fromkeys(
    ("keep", "max_size", "_idx", "_offset", "start_position", "group_size", "bits"), _is_number
)


def _standard(*, keys: Any, values: Any, offset: Any) -> KVCache:
    cache = KVCache.from_state(_pair("KVCache", keys, values))
    cache.offset = _within("KVCache: offset", offset, 0, cache.offset)
    return cache


def _concatenating(*, keys: Any, values: Any) -> ConcatenateKVCache:
    return ConcatenateKVCache.from_state(_pair("ConcatenateKVCache", keys, values))


def _rotating(
    *, keys: Any, values: Any, offset: Any, keep: int, max_size: int, _idx: int
) -> RotatingKVCache:
    meta = _strings(keep, max_size, _number("RotatingKVCache", offset), _idx)
    return RotatingKVCache.from_state(_pair("RotatingKVCache", keys, values), meta)


def _chunked(
    *, keys: Any, values: Any, offset: Any, chunk_size: Any, start_position: int
) -> ChunkedKVCache:
    meta = _strings(chunk_size, start_position)
    cache = ChunkedKVCache.from_state(_pair("ChunkedKVCache", keys, values), meta)
    cache.offset = _within("ChunkedKVCache: offset", offset, start_position, cache.offset)
    return cache


def _quantized(
    *, keys: Any, values: Any, offset: Any, group_size: int, bits: int
) -> QuantizedKVCache:
    state = [] if keys is None and values is None else [keys, values]
    if not all(isinstance(triple, list) for triple in state):
        raise MetaParseError("QuantizedKVCache", "keys")
    meta = _strings(_number("QuantizedKVCache", offset), group_size, bits)
    return QuantizedKVCache.from_state(state, meta)


def _arrays(*, cache: list[mx.array | None], left_padding: Any, lengths: Any) -> ArraysCache:
    arrays = ArraysCache.from_state(cache)
    for name, array in (("left_padding", left_padding), ("lengths", lengths)):
        # Other rows than the slots have, mlx-lm lets pass.
        setattr(arrays, name, None if array is None else per_row(f"ArraysCache: {name}", array))
    return arrays


def _batch(*, keys: Any, values: Any, offset: Any, left_padding: Any, _idx: int) -> BatchKVCache:
    context = "BatchKVCache"
    offset, left_padding = _rows(context, offset), _rows(context, left_padding)
    if held := _pair(context, keys, values):
        cache = BatchKVCache.from_state([*held, offset, left_padding])
    else:
        cache = BatchKVCache(left_padding)
    cache._idx = _within(f"{context}: _idx", _idx, 0, cache._idx)
    return cache


def _batch_rotating(
    *,
    keys: Any,
    values: Any,
    offset: Any,
    left_padding: Any,
    max_size: int,
    _offset: int,
    _idx: int,
    rotated: bool,
) -> BatchRotatingKVCache:
    context = "BatchRotatingKVCache"
    offset, left_padding = _rows(context, offset), _rows(context, left_padding)
    meta = _strings(max_size, _offset, _idx, rotated)
    if held := _pair(context, keys, values):
        return BatchRotatingKVCache.from_state([*held, offset, left_padding], meta)
    return BatchRotatingKVCache.from_state([], [*meta, padding_text(left_padding)])


_RESTORE: dict[str, Callable[..., Any]] = {
    "KVCache": _standard,
    "ConcatenateKVCache": _concatenating,
    "RotatingKVCache": _rotating,
    "ChunkedKVCache": _chunked,
    "QuantizedKVCache": _quantized,
    "ArraysCache": _arrays,
    "BatchKVCache": _batch,
    "BatchRotatingKVCache": _batch_rotating,
}


def _pair(context: str, keys: Any, values: Any) -> list[mx.array]:
    if keys is None and values is None:
        return []
    if not (_is_array(keys) and _is_array(values)):
        raise MetaParseError(context, "keys" if _is_array(values) else "values")
    return [keys, values]


def _number(context: str, value: Any) -> int:
    if not isinstance(value, int):
        raise MetaParseError(context, "offset")
    return value


def _rows(context: str, value: Any) -> mx.array:
    if not isinstance(value, mx.array):
        raise MetaParseError(context, "offset")
    return value


def _within(context: str, value: Any, low: int, high: int) -> int:
    if not low <= _number(context, value) <= high:
        raise OutOfRangeError(context, f"must be {low} to {high}, as the rows are", value)
    return int(value)


def _strings(*values: object) -> list[str]:
    return [str(value) for value in values]
