"""A buffer of token ids that is cheap to append to, as the caches are; mlx-lm's ``TokenBuffer``."""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx

from .buffers import flat_integers


class TokenBuffer:
    """Token ids in an int32 buffer that grows to whole multiples of ``step``."""

    step = 256

    def __init__(self, tokens: Sequence[int] | mx.array | None = None) -> None:
        """Start with ``tokens``.

        Raises:
            RankMismatchError, DtypeMismatchError: not a flat list of integers.

        """
        self._buffer = _token_ids("TokenBuffer", [] if tokens is None else tokens)
        self._size = self._buffer.size

    def update_and_fetch(self, tokens: Sequence[int] | mx.array) -> mx.array:
        """Append tokens and return all, ``[size]`` int32.

        Raises:
            RankMismatchError, DtypeMismatchError: not a flat list of integers.

        """
        new = _token_ids("TokenBuffer.update_and_fetch", tokens)
        end = self._size + new.size
        buffer = self._buffer[...]
        missing = (end + self.step - 1) // self.step * self.step - buffer.size
        if missing > 0:
            buffer = mx.concatenate([buffer, mx.zeros(missing, mx.int32)])
        buffer[self._size : end] = new
        fetched = buffer[:end]
        self._buffer, self._size = buffer, end
        return fetched

    @property
    def state(self) -> mx.array:
        """The whole buffer, unused places included."""
        return self._buffer[...]

    @property
    def tokens(self) -> mx.array:
        """The token ids, ``[size]`` int32."""
        return self._buffer[: self._size]


def _token_ids(context: str, tokens: Sequence[int] | mx.array) -> mx.array:
    return flat_integers(f"{context}: tokens", tokens).astype(mx.int32)
