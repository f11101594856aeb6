"""Restoring a cache by the class name that came with its state.

Files carry mlx-lm's class names; the aliases are the names that ports give to the same kinds.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx

from .concatenate import ConcatenateKVCache
from .errors import UnknownKindError
from .rotating import RotatingKVCache
from .standard import KVCache

KINDS: dict[str, type[KVCache] | type[ConcatenateKVCache] | type[RotatingKVCache]] = {
    "KVCache": KVCache,
    "KvCache": KVCache,
    "KVCacheSimple": KVCache,
    "StandardKVCache": KVCache,
    "StandardKvCache": KVCache,
    "ConcatenateKVCache": ConcatenateKVCache,
    "ConcatenateKvCache": ConcatenateKVCache,
    "RotatingKVCache": RotatingKVCache,
    "RotatingKvCache": RotatingKVCache,
}


def from_state(
    kind: str, state: Sequence[mx.array], meta_state: Sequence[str] = ()
) -> KVCache | ConcatenateKVCache | RotatingKVCache:
    """Return a cache of the class called ``kind`` with this ``state`` and ``meta_state``.

    Raises:
        UnknownKindError: no kind goes by that name.
        CacheError: state or metadata that the kind refuses.

    """
    if kind not in KINDS:
        raise UnknownKindError("from_state", kind, tuple(KINDS))
    return KINDS[kind].from_state(state, meta_state)
