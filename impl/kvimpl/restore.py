"""Restoring a cache by the class name that came with its state.

Files carry mlx-lm's class names; the aliases are the names that ports, and earlier releases of
mlx-lm, give to the same kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import ArraysCache
from .batch import BatchKVCache
from .batch_rotating import BatchRotatingKVCache
from .cache_list import CacheList
from .chunked import ChunkedKVCache
from .concatenate import ConcatenateKVCache
from .errors import UnknownKindError
from .quantized import QuantizedKVCache
from .rotating import RotatingKVCache
from .standard import KVCache

KINDS: dict[str, Any] = {
    "KVCache": KVCache,
    "KvCache": KVCache,
    "KVCacheSimple": KVCache,
    "StandardKVCache": KVCache,
    "StandardKvCache": KVCache,
    "ConcatenateKVCache": ConcatenateKVCache,
    "ConcatenateKvCache": ConcatenateKVCache,
    "RotatingKVCache": RotatingKVCache,
    "RotatingKvCache": RotatingKVCache,
    "ChunkedKVCache": ChunkedKVCache,
    "ChunkedKvCache": ChunkedKVCache,
    "QuantizedKVCache": QuantizedKVCache,
    "QuantizedKvCache": QuantizedKVCache,
    "StandardQuantizedKvCache": QuantizedKVCache,
    "ArraysCache": ArraysCache,
    "MambaCache": ArraysCache,
    "BatchKVCache": BatchKVCache,
    "BatchKvCache": BatchKVCache,
    "BatchRotatingKVCache": BatchRotatingKVCache,
    "BatchRotatingKvCache": BatchRotatingKVCache,
    "CacheList": CacheList,
}
"""Every class name that a state may come with."""


def from_state(kind: str, state: Sequence[Any], meta_state: Sequence[Any] = ()) -> Any:
    """Return a cache of the class called ``kind`` with this ``state`` and ``meta_state``.

    Raises:
        UnknownKindError: no kind goes by that name.
        CacheError: state or metadata that the kind refuses.

    """
    if kind not in KINDS:
        raise UnknownKindError("from_state", str(kind), tuple(KINDS))
    return KINDS[kind].from_state(state, meta_state)
