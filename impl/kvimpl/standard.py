"""The standard cache: keeps every token, in a buffer that grows by steps.

The buffer evolves as in mlx-lm's ``KVCache`` down to the last row, so that memory can be held
against it. Every write goes to a copy (which mlx makes in place once nobody else looks), so the
cache changes only in the assignments that end an operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import mlx.core as mx

from .base import KeysValuesCache, UnboundedCache
from .buffers import Pair, check_update, rows, with_room, written
from .quantized import QuantizedKVCache, check_quantizable, check_quantization

if TYPE_CHECKING:
    from .batch import BatchKVCache


class KVCache(UnboundedCache, KeysValuesCache):
    """Keeps every token.

    Attributes:
        step: the buffer grows by multiples of this many rows.

    """

    reference_class_name = "KVCache"
    step = 256

    def __init__(self) -> None:
        self.keys: mx.array | None = None
        self.values: mx.array | None = None
        self.offset = 0

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> Pair:
        """Append tokens and return all.

        Args:
            keys: ``[B, n_kv_heads, S, k_head_dim]``.
            values: ``[B, n_kv_heads, S, v_head_dim]``; axes of size 1 broadcast, S excepted.

        Returns:
            All keys and values, ``[B, n_kv_heads, offset, head_dim]``, in the dtype of the buffer.

        Raises:
            RankMismatchError, ArithmeticOverflowError, ShapePairMismatchError: in this order, and
                before anything has changed.

        """
        context = "KVCache.update_and_fetch"
        prev = self.offset
        end = prev + check_update(context, keys, values, prev)
        held_k, held_v = self.keys, self.values
        if held_k is None or held_v is None:
            held_k, held_v = with_room(context, None, (keys, values), prev, self.step)
        elif end > held_k.shape[2]:
            held_k, held_v = with_room(context, (held_k, held_v), (keys, values), prev, self.step)
        held_k, held_v = written(context, (held_k, held_v), (keys, values), prev, end)
        fetched = rows(held_k, end), rows(held_v, end)
        self.keys, self.values, self.offset = held_k, held_v, end
        return fetched

    def keys_and_values(self) -> Pair:
        """Return all tokens; see ``KeysValuesCache``."""
        keys, values = self._held("KVCache.keys_and_values")
        return rows(keys, self.offset), rows(values, self.offset)

    def size(self) -> int:
        """Return the number of tokens."""
        return self.offset

    def to_quantized(self, group_size: int = 64, bits: int = 4) -> QuantizedKVCache:
        """Return a quantized cache of the same tokens; this one stays as it is.

        Raises:
            OutOfRangeError: a group size or bit width that mlx does not quantize to, or a head_dim
                that is not a multiple of the group size.
            DtypeMismatchError: the buffers are not floating.

        """
        context = "KVCache.to_quantized"
        check_quantization(context, group_size, bits)
        quantized = QuantizedKVCache(group_size, bits)
        if self.keys is not None and self.values is not None:
            check_quantizable(context, self.keys, self.values, group_size)
            quantized.keys = mx.quantize(self.keys, group_size=group_size, bits=bits)
            quantized.values = mx.quantize(self.values, group_size=group_size, bits=bits)
            quantized.offset = self.offset
        return quantized

    @staticmethod
    def merge(caches: Sequence[Any]) -> BatchKVCache:
        """Return a batch whose rows are these caches; see ``BatchKVCache.merge``."""
        from .batch import BatchKVCache  # noqa: PLC0415 - a batch knows its rows' kind

        return BatchKVCache.merge(caches)
