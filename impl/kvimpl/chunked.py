"""The chunked cache: grows like the standard one, and drops its oldest tokens on request.

mlx-lm's ``ChunkedKVCache``, for models that attend within chunks: such a model calls
``maybe_trim_front`` before each update. It builds its own masks, so there is no ``make_mask``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import mlx.core as mx

from .base import KeysValuesCache, count
from .buffers import Pair, check_update, rows, with_room, written
from .errors import ArithmeticOverflowError, InvariantViolationError, OutOfRangeError
from .masks import MAX_POSITION
from .metadata import parse_numbers

if TYPE_CHECKING:
    from typing_extensions import Self

UNBOUNDED = "None"
"""How the metadata tells that there is no chunk size."""


class ChunkedKVCache(KeysValuesCache):
    """Keeps every token until ``maybe_trim_front`` leaves the newest ``chunk_size``.

    Attributes:
        offset: the tokens seen so far.
        start_position: the position of the oldest token held.
        step: the buffer grows by multiples of this many rows.

    """

    reference_class_name = "ChunkedKVCache"
    step = 256

    def __init__(self, chunk_size: int | None) -> None:
        """Start empty; without a chunk size, ``maybe_trim_front`` does nothing.

        Raises:
            OutOfRangeError: a chunk of less than one token.

        """
        _check_chunk_size("ChunkedKVCache", chunk_size)
        self.keys: mx.array | None = None
        self.values: mx.array | None = None
        self.offset = 0
        self.chunk_size = chunk_size
        self.start_position = 0

    def maybe_trim_front(self) -> None:
        """Drop the oldest tokens so that at most ``chunk_size`` are left."""
        if self.keys is None or self.values is None or self.chunk_size is None:
            return
        held = self.offset - self.start_position
        excess = held - self.chunk_size
        if excess > 0:
            keys, values = self.keys[:, :, excess:held], self.values[:, :, excess:held]
            start = self.start_position + excess
            self.keys, self.values, self.start_position = keys, values, start

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> Pair:
        """Append tokens and return all that are held.

        Args:
            keys: ``[B, n_kv_heads, S, k_head_dim]``.
            values: ``[B, n_kv_heads, S, v_head_dim]``; axes of size 1 broadcast, S excepted.

        Returns:
            Keys and values of positions ``start_position`` to ``offset``.

        Raises:
            RankMismatchError, ArithmeticOverflowError, ShapePairMismatchError: in this order, and
                before anything has changed.

        """
        context = "ChunkedKVCache.update_and_fetch"
        S = check_update(context, keys, values, self.offset)
        prev = self.offset - self.start_position
        end = prev + S
        held = None
        if self.keys is not None and self.values is not None:
            held = self.keys, self.values
        if held is None or end > held[0].shape[2]:
            held = with_room(context, held, (keys, values), prev, self.step)
        held_k, held_v = written(context, held, (keys, values), prev, end)
        fetched = rows(held_k, end), rows(held_v, end)
        self.keys, self.values, self.offset = held_k, held_v, self.offset + S
        return fetched

    def keys_and_values(self) -> Pair:
        """Return the tokens that are held; see ``KeysValuesCache``."""
        keys, values = self._held("ChunkedKVCache.keys_and_values")
        held = self.offset - self.start_position
        return rows(keys, held), rows(values, held)

    def is_trimmable(self) -> bool:
        """Return true: any token that is held can be taken off."""
        return True

    def trim(self, n: int) -> int:
        """Take up to ``n`` of the held tokens off the end; returns how many that were.

        Raises:
            OutOfRangeError: ``n`` is negative.

        """
        n = min(self.offset - self.start_position, count("ChunkedKVCache.trim: n", n))
        self.offset -= n
        return n

    @property
    def meta_state(self) -> list[str]:
        """``[chunk_size, start_position]``, as mlx-lm wrote them up to 0.31.3."""
        return [str(self.chunk_size), str(self.start_position)]

    @meta_state.setter
    def meta_state(self, meta: Sequence[str]) -> None:
        self.set_meta_state(meta)

    def set_meta_state(self, meta: Sequence[str]) -> None:
        """Take over ``[chunk_size, start_position]``; the held tokens move to that position.

        mlx-lm up to 0.31.3 left the offset at the number of rows, and could not go on from there.

        Raises:
            LengthMismatchError, MetaParseError: not two numbers (or ``"None"`` as chunk size).
            OutOfRangeError, ArithmeticOverflowError: numbers that make no cache.

        """
        context = "ChunkedKVCache.set_meta_state"
        unbounded = len(meta) == 2 and meta[0] == UNBOUNDED
        given = ["1", meta[1]] if unbounded else meta
        size, start = parse_numbers(context, ("chunk_size", "start_position"), given)
        _check_chunk_size(context, size)
        held = self.offset - self.start_position
        if start + held > MAX_POSITION:
            raise ArithmeticOverflowError(
                context, "usize", (("start_position", start), ("S", held))
            )
        chunk_size = None if unbounded else size
        self.chunk_size, self.offset, self.start_position = chunk_size, start + held, start

    def _replace(self, keys: mx.array | None, values: mx.array | None) -> None:
        offset = 0 if keys is None else keys.shape[2]
        self.keys, self.values, self.offset, self.start_position = keys, values, offset, 0

    @classmethod
    def from_state(cls, state: Sequence[mx.array], meta_state: Sequence[str] = ()) -> Self:
        """Return a cache out of another's ``state`` and ``meta_state``.

        Raises:
            InvariantViolationError: no buffers, but a start other than 0.
            CacheError: what setting the two raises.

        """
        cache = super().from_state(state, meta_state)
        if cache.keys is None and cache.start_position:
            requirement = "without buffers, start_position must be 0"
            raise InvariantViolationError("ChunkedKVCache.from_state", requirement)
        return cache

    @classmethod
    def _blank(cls) -> Self:
        return cls(chunk_size=None)


def _check_chunk_size(context: str, chunk_size: int | None) -> None:
    if chunk_size is not None and chunk_size < 1:
        raise OutOfRangeError(f"{context}: chunk_size", "must be at least 1", chunk_size)
