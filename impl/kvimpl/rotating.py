"""The rotating cache: a pinned prefix of ``keep`` tokens, and a window that slides behind it.

The algorithm is that of mlx-lm's ``RotatingKVCache``. Single tokens go into a ring in place, so
the rows are in physical order, not in that of time. Several tokens first put the ring into the
order of time and are then concatenated, which may leave up to ``max_size + S - 1`` rows until the
next single token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import mlx.core as mx

from .base import KeysValuesCache, count
from .buffers import Pair, check_pairing, check_update, joined, with_block, written
from .errors import InvariantViolationError, OutOfRangeError
from .masks import Mask, check_mask_index, check_not_negative, create_causal_mask, mask_end
from .metadata import parse_numbers
from .ring import Ring, check_cursor, check_max_size, filled

if TYPE_CHECKING:
    from typing_extensions import Self

    from .batch_rotating import BatchRotatingKVCache


class RotatingKVCache(Ring, KeysValuesCache):
    """Keeps the first ``keep`` tokens and the newest, ``max_size`` in all.

    Attributes:
        offset: the tokens seen so far, not those that are held.
        step: the ring grows by this many rows until it has ``max_size``.

    """

    reference_class_name = "RotatingKVCache"
    step = 256
    max_size: int

    def __init__(self, max_size: int, keep: int = 0) -> None:
        """Start empty.

        Raises:
            OutOfRangeError: not ``1 <= max_size`` or not ``0 <= keep < max_size``.

        """
        _check_window("RotatingKVCache", keep, max_size)
        self.keep = keep
        self.keys: mx.array | None = None
        self.values: mx.array | None = None
        self.offset = 0
        self.max_size = max_size
        self._idx = 0

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> Pair:
        """Append tokens and return what a query at their end may need.

        Args:
            keys: ``[B, n_kv_heads, S, k_head_dim]``.
            values: ``[B, n_kv_heads, S, v_head_dim]``; in a write to the ring (S = 1), axes of
                size 1 broadcast.

        Returns:
            Keys and values of up to ``max_size + S - 1`` tokens, in physical order.

        Raises:
            RankMismatchError, ArithmeticOverflowError, ShapePairMismatchError: in this order, and
                before anything has changed.

        """
        context = "RotatingKVCache.update_and_fetch"
        S = check_update(context, keys, values, self.offset)
        held, allocated = None, 0
        if self.keys is not None and self.values is not None:
            held, allocated = (self.keys, self.values), self.keys.shape[2]
        # A ring that is short of both window and offset (restored so, or left so by an update of
        # no tokens) has no free slots and wraps nowhere: it takes single tokens at its end, too.
        short = allocated < self.max_size and allocated < self.offset
        if S == 1 and not short:
            held, idx = self._ring_write(context, held, allocated, (keys, values))
        else:
            held = self._appended(context, held, (keys, values))
            idx = held[0].shape[2]
        offset = self.offset + S
        fetched = filled(held, offset)
        (self.keys, self.values), self.offset, self._idx = held, offset, idx
        return fetched

    def _ring_write(
        self, context: str, held: Pair | None, slots: int, update: Pair
    ) -> tuple[Pair, int]:
        """Return the ring with one more token, and the slot behind it."""
        idx, prev = self._idx, self.offset
        if held is None or prev >= slots < self.max_size:
            block = min(self.step, self.max_size - prev)
            held, slots, idx = with_block(context, held, update, block), slots + block, prev
        if slots > self.max_size:
            excess = slots - self.max_size
            held = self._without(excess, held[0]), self._without(excess, held[1])
            slots = idx = self.max_size
        if idx >= slots:
            # A cursor past an unfinished ring was restored so: the rows up to offset count.
            idx = self.keep if slots == self.max_size else prev
        return written(context, held, update, idx, idx + 1), idx + 1

    def _appended(self, context: str, held: Pair | None, update: Pair) -> Pair:
        """Return the tokens in the order of time with the update behind them.

        ``max_size - 1`` older rows stay, so that the first new token has its full window.
        """
        keys, values = update
        if held is None:
            check_pairing(context, keys, values)
            return keys[...], values[...]
        held_k, held_v = (self._in_order(buffer) for buffer in held)
        excess = held_k.shape[2] - self.max_size + 1
        return (
            joined(context, "keys", self._without(excess, held_k), keys),
            joined(context, "values", self._without(excess, held_v), values),
        )

    def _in_order(self, ring: mx.array) -> mx.array:
        slots = ring.shape[2]
        if self._idx >= slots:
            return ring
        if self._idx >= self.offset:
            return ring[:, :, : self._idx]
        keep = min(self.keep, slots)
        oldest = max(self._idx, keep)  # a cursor among the pinned was restored so
        parts = ring[:, :, :keep], ring[:, :, oldest:], ring[:, :, keep:oldest]
        return mx.concatenate(list(parts), axis=2)

    def _without(self, excess: int, ordered: mx.array) -> mx.array:
        """Drop the ``excess`` oldest tokens that are not pinned."""
        if excess <= 0:
            return ordered
        pinned, rest = ordered[:, :, : self.keep], ordered[:, :, self.keep + excess :]
        return mx.concatenate([pinned, rest], axis=2)

    def keys_and_values(self) -> Pair:
        """Return the ring, or what is filled of it, in physical order."""
        return filled(self._held("RotatingKVCache.keys_and_values"), self.offset)

    def size(self) -> int:
        """Return how many tokens are within the window."""
        return min(self.offset, self.max_size)

    @property
    def nbytes(self) -> int:
        """The bytes of the ring, filled or not."""
        return self.allocated_nbytes

    def is_trimmable(self) -> bool:
        """Tell whether the window is not full yet: after that, what a trim brings back is gone."""
        return self.offset < self.max_size

    def trim(self, n: int) -> int:
        """Take up to ``n`` tokens off the end; returns how many that were.

        A cache that is not trimmable stays as it is, and 0 is returned.

        Raises:
            OutOfRangeError: ``n`` is negative.

        """
        n = min(self.offset, count("RotatingKVCache.trim: n", n))
        if not self.is_trimmable():
            return 0
        self.offset, self._idx = self.offset - n, max(0, self._idx - n)
        return n

    def make_mask(self, N: int, window_size: int | None = None, return_array: bool = False) -> Mask:
        """Return the mask for ``N`` tokens to be appended, over the rows that they will see.

        Args:
            N: the number of tokens.
            window_size: positions a query sees; ``max_size`` if ``None`` or, for several tokens, 0.
            return_array: whether several tokens get an array where ``"causal"`` would do.

        Returns:
            For several tokens ``[N, min(offset, max_size - 1) + N]`` or ``"causal"``. For one
            ``None``, or ``[slots]`` in physical order while the window is smaller than the ring.

        Raises:
            ArithmeticOverflowError, OutOfRangeError: see ``create_causal_mask``.

        """
        context = "RotatingKVCache.make_mask"
        check_not_negative(f"{context}: N", N)
        check_not_negative(f"{context}: window_size", window_size or 0)
        if N > 1:
            window_size = window_size or self.max_size
            offset = min(self.max_size - 1, self.offset)
            if mask_end(context, offset, N) > window_size or return_array:
                return create_causal_mask(N, offset, window_size=window_size)
            return "causal"
        if window_size is None or not window_size <= self.offset or self.max_size <= window_size:
            return None
        slots = min(self.offset + 1, self.max_size)
        check_mask_index(context, slots)
        next_slot = self._idx if self._idx < self.max_size else 0
        newest = mx.arange(slots) >= slots - window_size
        return mx.roll(newest, (next_slot + 1) % slots)

    @staticmethod
    def merge(caches: Sequence[Any]) -> BatchRotatingKVCache:
        """Return a batch whose rows are these caches; see ``BatchRotatingKVCache.merge``."""
        from .batch_rotating import BatchRotatingKVCache  # noqa: PLC0415 - a batch knows its rows' kind

        return BatchRotatingKVCache.merge(caches)

    @property
    def meta_state(self) -> list[str]:
        """``[keep, max_size, offset, _idx]``, as mlx-lm wrote them up to 0.31.3."""
        return [str(n) for n in (self.keep, self.max_size, self.offset, self._idx)]

    @meta_state.setter
    def meta_state(self, meta: Sequence[str]) -> None:
        self.set_meta_state(meta)

    def set_meta_state(self, meta: Sequence[str]) -> None:
        """Take over ``[keep, max_size, offset, _idx]``, all of it or none.

        Offset and cursor need not agree with each other: the cache goes on from there.

        Raises:
            LengthMismatchError, MetaParseError: not four numbers.
            OutOfRangeError: a number past 64 bits, ``keep`` not below ``max_size``, or a cursor
                past the end of the buffer.

        """
        context = "RotatingKVCache.set_meta_state"
        names = ("keep", "max_size", "offset", "_idx")
        keep, max_size, offset, idx = parse_numbers(context, names, meta)
        _check_window(context, keep, max_size)
        if self.keys is not None:
            check_cursor(context, self.keys.shape[2], idx)
        self.keep, self.max_size, self.offset, self._idx = keep, max_size, offset, idx

    def _replace(self, keys: mx.array | None, values: mx.array | None) -> None:
        # Offset and cursor come with the metadata.
        self.keys, self.values = keys, values

    @classmethod
    def from_state(cls, state: Sequence[mx.array], meta_state: Sequence[str] = ()) -> Self:
        """Return a cache out of another's ``state`` and ``meta_state``.

        Raises:
            InvariantViolationError: no buffers, but an offset or cursor other than 0.
            CacheError: what setting the two raises.

        """
        cache = super().from_state(state, meta_state)
        if cache.keys is None and (cache.offset or cache._idx):
            requirement = "without buffers, offset and _idx must be 0"
            raise InvariantViolationError("RotatingKVCache.from_state", requirement)
        return cache

    @classmethod
    def _blank(cls) -> Self:
        return cls(max_size=1)


def _check_window(context: str, keep: int, max_size: int) -> None:
    check_max_size(context, max_size)
    if not 0 <= keep < max_size:
        requirement = f"must be at least 0 and below max_size {max_size}"
        raise OutOfRangeError(f"{context}: keep", requirement, keep)
