"""mlx-lm's caches with six mistakes in them: what the pictures in docs/report.md are taken of."""

from typing import Any

import mlx.core as mx
from mlx_lm.models import cache as right
from mlx_lm.models.cache import *  # noqa: F403 - all names of the module, as a subject has them


class RotatingKVCache(right.RotatingKVCache):
    """Ring order: forgets to unwind the ring before a prefill."""

    def _temporal_order(self, v: mx.array) -> mx.array:
        return v


class KVCache(right.KVCache):
    """Mask: looks one token too far back."""

    def make_mask(self, N: int, return_array: bool = False, window_size: int | None = None) -> Any:
        """The mask for one token more than the window has."""
        wider = window_size + 1 if window_size else None
        return super().make_mask(N, return_array=return_array, window_size=wider)


class ConcatenateKVCache(right.ConcatenateKVCache):
    """Offset: counts the first token twice."""

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> Any:
        """Keys and values as they should be; the offset is not."""
        fetched = super().update_and_fetch(keys, values)
        self.offset += self.offset == keys.shape[2]
        return fetched


class ChunkedKVCache(right.ChunkedKVCache):
    """Raises where mlx-lm returns."""

    def trim(self, n: int) -> int:
        """Not to be had."""
        raise NotImplementedError("chunks cannot be trimmed")


class BatchKVCache(right.BatchKVCache):
    """Batch padding: filters the rows, and not their padding."""

    def filter(self, batch_indices: mx.array) -> None:
        """Keep some rows, with the padding of the first ones."""
        padding = self.left_padding[: len(batch_indices)]
        super().filter(batch_indices)
        self.left_padding = padding


class QuantizedKVCache(right.QuantizedKVCache):
    """Quantized: loses the scales of the token that it decodes."""

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> Any:
        """Keys and values, the newest keys with scales of 0."""
        fetched = super().update_and_fetch(keys, values)
        if keys.shape[2] == 1:
            self.keys[1][..., self.offset - 1, :] = 0
        return fetched
