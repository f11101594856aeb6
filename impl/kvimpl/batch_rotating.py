"""The rotating cache for a batch of prompts of unequal length; mlx-lm's ``BatchRotatingKVCache``.

As in ``rotating``, single tokens are written into a ring in place, and several at once are put
behind the ring in the order of time. All rows share one cursor. What differs is padding, which is
evicted like any old token (``left_padding`` then counts below zero), and that nothing is pinned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import mlx.core as mx

from .base import count
from .buffers import (
    Pair,
    check_pairing,
    check_update,
    joined,
    numbers_of,
    with_block,
    written,
)
from .errors import InvariantViolationError, LengthMismatchError, MetaParseError
from .masks import check_not_negative, create_causal_mask
from .metadata import parse_numbers
from .padded import (
    PaddedBatch,
    check_kind,
    merged_rows,
    padding_text,
    parse_padding,
    row_counts,
)
from .ring import Ring, check_cursor, check_max_size, filled
from .roll import dynamic_roll
from .rotating import RotatingKVCache

if TYPE_CHECKING:
    from typing_extensions import Self

_NEVER = 2**30
"""An offset that no row reaches, and from which any other can be taken in 32 bits."""


class BatchRotatingKVCache(Ring, PaddedBatch):
    """Keeps the newest ``max_size`` slots of every row.

    Attributes:
        step: the ring grows by this many slots until it has ``max_size``.
        rotated: whether the ring has wrapped, so that its oldest slot is the one at ``_idx``.

    """

    reference_class_name = "BatchRotatingKVCache"
    step = 256
    max_size: int

    def __init__(self, max_size: int, left_padding: Sequence[int] | mx.array) -> None:
        """Start empty.

        Args:
            max_size: the window.
            left_padding: for each row, how many slots of the coming prompt are padding.

        Raises:
            OutOfRangeError: not ``1 <= max_size``, or a negative padding.
            RankMismatchError, DtypeMismatchError: padding that is not a flat list of int32.

        """
        check_max_size("BatchRotatingKVCache", max_size)
        super().__init__(left_padding)
        self.max_size = max_size
        self._offset = 0  # the slots seen so far, which is what _idx counts until the ring is full
        self.rotated = False

    @property
    def _lengths(self) -> mx.array | None:
        """The offsets at which the announced prompts end, under mlx-lm's name."""
        return self._pending

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> Pair:
        """Append a token or several to every row and return what a query may need.

        Args:
            keys: ``[B, n_kv_heads, S, k_head_dim]``.
            values: ``[B, n_kv_heads, S, v_head_dim]``; in a write to the ring (S = 1), axes of
                size 1 broadcast.

        Returns:
            Up to ``max_size + S - 1`` slots, padding included, in physical order.

        Raises:
            RankMismatchError, ArithmeticOverflowError, ShapePairMismatchError: in this order.
            InvariantViolationError: a single token between ``prepare`` and ``finalize``.

        """
        context = "BatchRotatingKVCache.update_and_fetch"
        prev, held = self._offset, self._held()
        S = check_update(context, keys, values, prev)
        slots = held[0].shape[2] if held else 0
        if S == 1 and self._pending is not None:
            raise InvariantViolationError(context, "finalize must come before decoding")
        # As in RotatingKVCache: a ring short of both window and offset takes tokens at its end.
        if S != 1 or (slots < self.max_size and slots < prev):
            return self._append(context, held, (keys, values))
        idx, rotated, padding = self._idx, self.rotated, self.left_padding
        if held is None or prev >= slots < self.max_size:
            block = min(self.step, self.max_size - prev)
            held, slots, idx = with_block(context, held, (keys, values), block), slots + block, prev
        if slots > self.max_size:
            excess = slots - self.max_size
            held = held[0][:, :, excess:], held[1][:, :, excess:]
            slots = idx = self.max_size
            padding = padding - excess
        if idx >= slots:
            rotated, idx = True, 0
        if rotated:
            padding = padding - 1
        held = written(context, held, (keys, values), idx, idx + 1)
        return self._stored(held, padding, self.offset + 1, prev + 1, (idx + 1, rotated))

    def _append(self, context: str, held: Pair | None, update: Pair) -> Pair:
        keys, values = update
        S, padding, offset = keys.shape[2], self.left_padding, self.offset
        if held is None:
            check_pairing(context, keys, values)
            keys, values = keys[...], values[...]
        else:
            held, idx = self._in_order(held)
            held = held[0][:, :, :idx], held[1][:, :, :idx]
            # What was padding on the right makes room for tokens, and must not evict any.
            held, padding, offset = self._turned(held, padding, offset)
            excess = idx - self.max_size + 1
            if excess > 0:
                held = held[0][:, :, excess:], held[1][:, :, excess:]
                padding = padding - excess
            keys = joined(context, "keys", held[0], keys)
            values = joined(context, "values", held[1], values)
        place = keys.shape[2], False
        return self._stored((keys, values), padding, offset + S, self._offset + S, place)

    def _stored(
        self, held: Pair, padding: mx.array, offset: mx.array, end: int, place: tuple[int, bool]
    ) -> Pair:
        # So that evaluating the keys evaluates these, whose graph would grow by a node a token.
        keys, values = mx.depends(held[0], (padding, offset)), held[1]
        fetched = filled((keys, values), end)
        self.keys, self.values, self.left_padding, self.offset, self._offset, (self._idx, self.rotated) = (  # noqa: E501 - on one line, nothing comes between
            keys, values, padding, offset, end, place,
        )  # fmt: skip
        return fetched

    def _in_order(self, held: Pair) -> tuple[Pair, int]:
        """Return the buffers in the order of time, and the place behind the newest slot."""
        if not self.rotated:
            return held, self._idx
        keys, values = (mx.roll(array, -self._idx, 2) for array in held)
        return (keys, values), keys.shape[2]

    def _turned(
        self, held: Pair, padding: mx.array, offset: mx.array
    ) -> tuple[Pair, mx.array, mx.array]:
        """Return all with what lies behind the announced ends rolled to the start."""
        if self._pending is None:
            return held, padding, offset
        roll = mx.maximum(0, offset - self._pending)
        keys, values = (dynamic_roll(array, roll[:, None], axis=2) for array in held)
        return (keys, values), padding + roll, offset - roll

    def keys_and_values(self) -> Pair:
        """Return the ring, or what is filled of it, in physical order."""
        held = self._must_hold("BatchRotatingKVCache.keys_and_values")
        return filled(held, self._offset)

    def size(self) -> int:
        """Return how many slots are within the window, padding included."""
        return min(self._offset, self.max_size)

    def is_trimmable(self) -> bool:
        """Tell whether the window is not full yet: after that, what a trim brings back is gone."""
        return self._offset < self.max_size

    def trim(self, n: int) -> int:
        """Take up to ``n`` slots off the end of every row; returns how many that were.

        A cache that is not trimmable stays as it is, and 0 is returned.

        Raises:
            OutOfRangeError: ``n`` is negative.

        """
        n = min(self._offset, count("BatchRotatingKVCache.trim: n", n))
        if not self.is_trimmable():
            return 0
        offset = self.offset - n
        self.offset, self._offset, self._idx = offset, self._offset - n, max(0, self._idx - n)
        return n

    def make_mask(
        self, N: int, window_size: int | None = None, return_array: bool = False
    ) -> mx.array:
        """Return the mask for ``N`` slots to be appended, always an array: rows differ.

        Args:
            N: the number of slots.
            window_size: positions a query sees; ``max_size`` if ``None`` or 0.
            return_array: no matter.

        Returns:
            ``[B, 1, N, min(offset, max_size - 1) + N]``, for one token in physical order.

        Raises:
            ArithmeticOverflowError, OutOfRangeError: see ``create_causal_mask``.

        """
        del return_array
        check_not_negative("BatchRotatingKVCache.make_mask: N", N)
        padding, idx = self.left_padding, self._idx
        if (excess := idx - self.max_size + int(N > 1)) > 0:
            padding = padding - excess
        wraps = N == 1 and (self.rotated or idx >= self.max_size)
        if wraps:
            padding = padding - 1
        mask = create_causal_mask(
            N,
            min(self.max_size - 1, self._offset),
            window_size=window_size or self.max_size,
            left_padding=padding,
        )
        if not wraps:
            return mask
        return mx.roll(mask, (0 if idx >= self.max_size else idx) + 1, -1)

    def _announced(
        self,
        context: str,
        right_padding: mx.array,
        lengths: Sequence[int] | mx.array | None,
        offset: mx.array,
    ) -> mx.array:
        del right_padding
        if lengths is None:
            raise InvariantViolationError(context, "right padding needs lengths")
        return offset + row_counts(f"{context}: lengths", lengths, self._rows)

    def finalize(self) -> None:
        """Turn the right padding that was announced into left padding: the prompt is in.

        Raises:
            InvariantViolationError: right padding was announced, but there are no tokens.

        """
        if self._pending is None:
            return
        held = self._must_hold("BatchRotatingKVCache.finalize")
        (keys, values), padding, offset = self._turned(held, self.left_padding, self.offset)
        self._commit(keys=keys, values=values, left_padding=padding, offset=offset, _pending=None)

    def filter(self, batch_indices: Sequence[int] | mx.array) -> None:
        """Keep just these rows, in this order, with what was announced for them.

        Without any row left, the cache is an empty one of no rows.

        Raises:
            OutOfRangeError: an index that names no row.
            RankMismatchError, DtypeMismatchError: not a flat list of integers.

        """
        kept = self._kept("BatchRotatingKVCache.filter", batch_indices)
        if not kept["offset"].size:
            kept |= {"_offset": 0, "rotated": False}
        self._commit(**kept)

    def extend(self, other: BatchRotatingKVCache) -> None:
        """Append the rows of another batch; the shorter of the two gains left padding.

        Raises:
            InvariantViolationError: another kind, or another ``max_size``.
            ShapePairMismatchError: other heads or head dims.

        """
        context = "BatchRotatingKVCache.extend"
        check_kind(context, other, BatchRotatingKVCache)
        if other.max_size != self.max_size:
            raise InvariantViolationError(context, f"max_size must be {self.max_size}")
        in_phase = (self.rotated, self._idx) == (other.rotated, other._idx)
        ordered = [
            (held, cache._idx) if in_phase or held is None else cache._in_order(held)
            for cache, held in ((self, self._held()), (other, other._held()))
        ]
        joined = self._joined(context, other, ordered, silent=_NEVER)
        joined |= {"_offset": max(self._offset, other._offset)}
        self._commit(**joined, rotated=self.rotated and in_phase)

    def extract(self, idx: int) -> RotatingKVCache:
        """Return a row's own tokens as a cache of their own, in the order of time.

        Raises:
            OutOfRangeError, InvariantViolationError: no such row, or ``finalize`` must come first.

        """
        start = self._row_start("BatchRotatingKVCache.extract", idx)
        row = RotatingKVCache(self.max_size)
        if held := self._held():
            one = held[0][idx : idx + 1], held[1][idx : idx + 1]
            (keys, values), end = self._in_order(one)
            row.keys = mx.contiguous(keys[:, :, start:end])
            row.values = mx.contiguous(values[:, :, start:end])
            row.offset, row._idx = max(0, numbers_of(self.offset)[idx]), row.keys.shape[2]
        return row

    @classmethod
    def merge(cls, caches: Sequence[RotatingKVCache]) -> Self:
        """Return a batch whose rows are the windows of these caches, of one row each.

        As in mlx-lm a batch pins nothing: tokens that a cache kept are in its row, but the oldest
        there, and the first to go.

        Raises:
            OutOfRangeError: no caches.
            InvariantViolationError: another kind, or different ``max_size``.
            ShapePairMismatchError: caches of several rows, or of different heads or head dims.

        """
        context = "BatchRotatingKVCache.merge"
        for cache in caches:
            _check_member(context, cache, caches[0].max_size)
        merged = merged_rows(context, [_window(cache) for cache in caches])
        if merged is None:
            return cls(caches[0].max_size, [0] * len(caches))
        held, padding = merged
        batch = cls(caches[0].max_size, padding)
        batch.keys, batch.values = held
        batch.offset = mx.array([cache.offset for cache in caches])
        batch._idx = batch._offset = held[0].shape[2]
        return batch

    @property
    def meta_state(self) -> list[str]:
        """``[max_size, _offset, _idx, rotated]``, as mlx-lm wrote them up to 0.31.3.

        An empty batch, whose ``state`` is ``[]``, adds its left padding.
        """
        numbers = [str(n) for n in (self.max_size, self._offset, self._idx, self.rotated)]
        return numbers if self.keys is not None else [*numbers, padding_text(self.left_padding)]

    @meta_state.setter
    def meta_state(self, meta: Sequence[str]) -> None:
        self.set_meta_state(meta)

    def set_meta_state(self, meta: Sequence[str]) -> None:
        """Take over ``[max_size, _offset, _idx, rotated]``, all of it or none.

        An empty batch also takes its left padding, numbers between commas, as a fifth entry.

        Raises:
            LengthMismatchError: another number of entries.
            MetaParseError: not numbers, or ``rotated`` neither ``"True"`` nor ``"False"``.
            OutOfRangeError: a number past 64 bits, no window, a negative padding, or a cursor past
                the end of the buffer.
            InvariantViolationError: a ring that has wrapped, but not at ``max_size``.

        """
        context = "BatchRotatingKVCache.set_meta_state"
        if len(meta) != 5 or self.keys is not None:
            if len(meta) != 4:
                raise LengthMismatchError(context, 4, len(meta))
            padding, offset = self.left_padding, self.offset
        else:
            padding = parse_padding(context, meta[4])
            offset = -padding
        max_size, slots_seen, idx = parse_numbers(
            context, ("max_size", "_offset", "_idx"), meta[:3]
        )
        check_max_size(context, max_size)
        if (text := str(meta[3])) not in ("True", "False"):
            raise MetaParseError(context, "rotated")
        rotated = text == "True"
        if self.keys is not None:
            slots = self.keys.shape[2]
            check_cursor(context, slots, idx)
            if rotated and slots != max_size:
                raise InvariantViolationError(context, f"a ring of {slots} slots wraps at {slots}")
        self._commit(
            max_size=max_size, _offset=slots_seen, _idx=idx, rotated=rotated,
            left_padding=padding, offset=offset,
        )  # fmt: skip

    def _replace(self, held: Pair | None, offset: mx.array, left_padding: mx.array) -> None:
        # Window and cursor come with the metadata.
        keys, values = held or (None, None)
        self._commit(
            keys=keys, values=values, offset=offset, left_padding=left_padding, _pending=None
        )

    @classmethod
    def from_state(cls, state: Sequence[mx.array], meta_state: Sequence[str] = ()) -> Self:
        """Return a batch out of another's ``state`` and ``meta_state``.

        Raises:
            InvariantViolationError: no buffers, but a ring that was written to.
            CacheError: what setting the two raises.

        """
        batch = cls(1, [])
        batch.state = list(state)
        batch.set_meta_state(meta_state)
        if batch.keys is None and (batch._offset or batch._idx or batch.rotated):
            requirement = "without buffers, nothing can have been written"
            raise InvariantViolationError("BatchRotatingKVCache.from_state", requirement)
        return batch


def _window(cache: RotatingKVCache) -> Pair | None:
    """Return the tokens within the window, in the order of time."""
    if cache.keys is None or cache.values is None:
        return None
    keys, values = cache._in_order(cache.keys), cache._in_order(cache.values)
    start = max(0, keys.shape[2] - cache.size())
    return keys[:, :, start:], values[:, :, start:]


def _check_member(context: str, cache: RotatingKVCache, max_size: int) -> None:
    check_kind(context, cache, RotatingKVCache)
    if cache.max_size != max_size:
        raise InvariantViolationError(context, f"max_size must be {max_size} for all")
