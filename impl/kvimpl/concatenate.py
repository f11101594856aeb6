"""The simplest cache: concatenates, so its buffers hold what was given and nothing else.

mlx-lm's ``ConcatenateKVCache`` recommends it for large blocks. One thing differs from there: after
a ``trim``, mlx-lm still returns the trimmed tokens and the next update brings them back.
"""

from __future__ import annotations

import mlx.core as mx

from .base import KeysValuesCache, UnboundedCache
from .buffers import Pair, check_pairing, check_update, joined, rows


class ConcatenateKVCache(UnboundedCache, KeysValuesCache):
    """Keeps every token, in buffers of exactly their length."""

    reference_class_name = "ConcatenateKVCache"

    def __init__(self) -> None:
        self.keys: mx.array | None = None
        self.values: mx.array | None = None
        self.offset = 0

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> Pair:
        """Append tokens and return all.

        Args:
            keys: ``[B, n_kv_heads, S, k_head_dim]``.
            values: ``[B, n_kv_heads, S, v_head_dim]``.

        Returns:
            All keys and values, in the dtype that concatenating promotes to.

        Raises:
            RankMismatchError, ArithmeticOverflowError, ShapePairMismatchError: in this order, and
                before anything has changed.

        """
        context = "ConcatenateKVCache.update_and_fetch"
        prev = self.offset
        end = prev + check_update(context, keys, values, prev)
        if self.keys is None or self.values is None:
            check_pairing(context, keys, values)
            held_k, held_v = keys[...], values[...]
        else:
            held_k = joined(context, "keys", rows(self.keys, prev), keys)
            held_v = joined(context, "values", rows(self.values, prev), values)
        fetched = held_k[...], held_v[...]
        self.keys, self.values, self.offset = held_k, held_v, end
        return fetched

    def keys_and_values(self) -> Pair:
        """Return all tokens; see ``KeysValuesCache``."""
        keys, values = self._held("ConcatenateKVCache.keys_and_values")
        return rows(keys, self.offset), rows(values, self.offset)
