"""The standard cache for a batch of prompts of unequal length; mlx-lm's ``BatchKVCache``.

Prompts are padded on the left, so that all rows end together and grow in step. Prompts that are
padded on the right are announced with ``prepare`` and turned by ``finalize`` once they are in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import mlx.core as mx

from .base import count
from .buffers import Pair, check_update, numbers_of, rows, with_room, written
from .errors import InvariantViolationError, LengthMismatchError
from .masks import create_causal_mask
from .padded import (
    PaddedBatch,
    check_kind,
    merged_rows,
    padding_text,
    parse_padding,
)
from .roll import dynamic_roll
from .rotating import RotatingKVCache
from .standard import KVCache

if TYPE_CHECKING:
    from typing_extensions import Self


class BatchKVCache(PaddedBatch):
    """Keeps every token of every row.

    Attributes:
        step: the buffer grows by multiples of this many slots.

    """

    reference_class_name = "BatchKVCache"
    step = 256

    def __init__(self, left_padding: Sequence[int] | mx.array) -> None:
        """Start empty.

        Args:
            left_padding: for each row, how many slots of the coming prompt are padding. A prompt of
                3 tokens beside one of 5 has 2.

        Raises:
            RankMismatchError, DtypeMismatchError: not a flat list of int32.
            OutOfRangeError: a negative padding.

        """
        super().__init__(left_padding)

    @property
    def _right_padding(self) -> mx.array | None:
        """What was announced and not finalized, under mlx-lm's name."""
        return self._pending

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> Pair:
        """Append a token or several to every row and return all.

        Args:
            keys: ``[B, n_kv_heads, S, k_head_dim]``.
            values: ``[B, n_kv_heads, S, v_head_dim]``; axes of size 1 broadcast, S excepted.

        Returns:
            All keys and values, padding included, ``[B, n_kv_heads, slots, head_dim]``.

        Raises:
            RankMismatchError, ArithmeticOverflowError, ShapePairMismatchError: in this order, and
                before anything has changed.

        """
        context = "BatchKVCache.update_and_fetch"
        prev, held = self._idx, self._held()
        S = check_update(context, keys, values, prev)
        end = prev + S
        if held is None or end > held[0].shape[2]:
            held = with_room(context, held, (keys, values), prev, self.step)
        held = written(context, held, (keys, values), prev, end)
        fetched = rows(held[0], end), rows(held[1], end)
        offset = self.offset + S
        (self.keys, self.values), self.offset, self._idx = held, offset, end
        return fetched

    def keys_and_values(self) -> Pair:
        """Return all slots that are in use; see ``PaddedBatch``."""
        keys, values = self._must_hold("BatchKVCache.keys_and_values")
        return rows(keys, self._idx), rows(values, self._idx)

    def size(self) -> int:
        """Return the number of slots in use, padding included."""
        return self._idx

    @property
    def nbytes(self) -> int:
        """The bytes of the slots in use."""
        return 0 if self.keys is None else sum(array.nbytes for array in self.keys_and_values())

    def is_trimmable(self) -> bool:
        """Return true: any token can be taken off."""
        return True

    def trim(self, n: int) -> int:
        """Take up to ``n`` slots off the end of every row; returns how many that were.

        Raises:
            OutOfRangeError: ``n`` is negative.

        """
        n = min(self._idx, count("BatchKVCache.trim: n", n))
        self._idx, self.offset = self._idx - n, self.offset - n
        return n

    def make_mask(
        self,
        N: int,
        return_array: bool = False,
        window_size: int | None = None,
        right_padding: mx.array | None = None,
    ) -> mx.array:
        """Return the mask for ``N`` slots to be appended, always an array: rows differ.

        Returns:
            ``[B, 1, N, slots + N]``; see ``create_causal_mask``, also for what is raised.

        """
        del return_array
        return create_causal_mask(N, self._idx, window_size, right_padding, self.left_padding)

    def _announced(
        self,
        context: str,
        right_padding: mx.array,
        lengths: Sequence[int] | mx.array | None,
        offset: mx.array,
    ) -> mx.array:
        del context, lengths, offset
        return right_padding

    def finalize(self) -> None:
        """Turn the right padding that was announced into left padding: the prompt is in.

        Raises:
            InvariantViolationError: right padding was announced, but there are no tokens.

        """
        right = self._pending
        if right is None:
            return
        held = self._must_hold("BatchKVCache.finalize")
        keys, values = (dynamic_roll(array, right[:, None], axis=2) for array in held)
        offset, padding = self.offset - right, self.left_padding + right
        self._commit(keys=keys, values=values, offset=offset, left_padding=padding, _pending=None)

    def filter(self, batch_indices: Sequence[int] | mx.array) -> None:
        """Keep just these rows, in this order, and drop the padding that all of them have.

        Padding that is still to come stays, and so does right padding that was announced. Without
        any row left, the cache is an empty one of no rows.

        Raises:
            OutOfRangeError: an index that names no row.
            RankMismatchError, DtypeMismatchError: not a flat list of integers.

        """
        kept = self._kept("BatchKVCache.filter", batch_indices)
        padding = kept["left_padding"]
        shared = min(self._idx, *numbers_of(padding)) if padding.size else 0
        if shared > 0:
            kept |= {"left_padding": padding - shared, "_idx": self._idx - shared}
            kept |= {name: kept[name][:, :, shared:] for name in ("keys", "values")}
        self._commit(**kept)

    def extend(self, other: BatchKVCache) -> None:
        """Append the rows of another batch; the shorter of the two gains left padding.

        Raises:
            InvariantViolationError: another kind.
            ShapePairMismatchError: other heads or head dims.

        """
        context = "BatchKVCache.extend"
        check_kind(context, other, BatchKVCache)
        ordered = [(cache._held(), cache._idx) for cache in (self, other)]
        self._commit(**self._joined(context, other, ordered, silent=0))

    def extract(self, idx: int) -> KVCache:
        """Return a row's own tokens as a cache of their own.

        Raises:
            OutOfRangeError, InvariantViolationError: no such row, or ``finalize`` must come first.

        """
        start = self._row_start("BatchKVCache.extract", idx)
        row = KVCache()
        if held := self._held():
            row.keys, row.values = (
                mx.contiguous(array[idx : idx + 1, :, start : self._idx]) for array in held
            )
            row.offset = row.keys.shape[2]
        return row

    @classmethod
    def merge(cls, caches: Sequence[KVCache | RotatingKVCache]) -> Self:
        """Return a batch whose rows are these caches, of one row each.

        Raises:
            OutOfRangeError: no caches.
            InvariantViolationError: another kind, or a ring that has dropped tokens.
            ShapePairMismatchError: caches of several rows, or of different heads or head dims.

        """
        context = "BatchKVCache.merge"
        merged = merged_rows(context, [_tokens(context, cache) for cache in caches])
        if merged is None:
            return cls([0] * len(caches))
        held, padding = merged
        batch = cls(padding)
        (batch.keys, batch.values), batch._idx = held, held[0].shape[2]
        batch.offset = batch.offset + batch._idx
        return batch

    @property
    def meta_state(self) -> list[str]:
        """``[]``, as in mlx-lm; of an empty batch, whose ``state`` is ``[]``, its left padding."""
        return [] if self.keys is not None else [padding_text(self.left_padding)]

    @meta_state.setter
    def meta_state(self, meta: Sequence[str]) -> None:
        self.set_meta_state(meta)

    def set_meta_state(self, meta: Sequence[str]) -> None:
        """Take over the left padding of an empty batch, numbers between commas.

        Raises:
            LengthMismatchError: more than one entry, or one for a batch that has tokens.
            MetaParseError, OutOfRangeError: not a number, or a negative one.

        """
        context = "BatchKVCache.set_meta_state"
        expected = int(self.keys is None)
        if len(meta) > expected:
            raise LengthMismatchError(context, expected, len(meta))
        if meta:
            padding = parse_padding(context, meta[0])
            self._commit(left_padding=padding, offset=-padding)

    def _replace(self, held: Pair | None, offset: mx.array, left_padding: mx.array) -> None:
        keys, values = held or (None, None)
        end = 0 if keys is None else keys.shape[2]
        self._commit(
            keys=keys, values=values, _idx=end, offset=offset, left_padding=left_padding,
            _pending=None,
        )  # fmt: skip

    @classmethod
    def from_state(cls, state: Sequence[mx.array], meta_state: Sequence[str] = ()) -> Self:
        """Return a batch out of another's ``state`` and ``meta_state``.

        Raises:
            CacheError: what setting the two raises.

        """
        batch = cls([])
        batch.state = list(state)
        batch.set_meta_state(meta_state)
        return batch


def _tokens(context: str, cache: KVCache | RotatingKVCache) -> Pair | None:
    """Return all the tokens that a cache has seen, in the order of time."""
    if not isinstance(cache, RotatingKVCache):
        check_kind(context, cache, KVCache)
    if cache.keys is None or cache.values is None:
        return None
    if isinstance(cache, KVCache):
        return cache.keys_and_values()
    keys, values = cache._in_order(cache.keys), cache._in_order(cache.values)
    if keys.shape[2] != cache.offset:
        raise InvariantViolationError(context, "a ring that has dropped tokens cannot become a row")
    return keys, values
