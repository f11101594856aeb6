"""Attention masks: who may look at which cached position.

Values, dtype and shape are those of mlx-lm's ``models.base.create_causal_mask`` and
``models.cache.create_attention_mask``. Not here: the masks that a ring needs (see ``rotating``).
"""

from __future__ import annotations

from typing import Literal

import mlx.core as mx

from .errors import ArithmeticOverflowError, OutOfRangeError, RankMismatchError

MAX_POSITION = 2**64 - 1
"""Positions are declared as unsigned 64-bit numbers, whatever Python could count to."""

MAX_MASK_INDEX = 2**24
"""The largest stop of an index range: float32 counts exactly up to here, and a port's does."""

Mask = mx.array | Literal["causal"] | None


def check_not_negative(context: str, value: int) -> None:
    """Refuse a negative count or position with ``OutOfRangeError``."""
    if value < 0:
        raise OutOfRangeError(context, "must not be negative", value)


def check_mask_index(context: str, stop: int) -> None:
    """Refuse an index range that ends past ``MAX_MASK_INDEX`` with ``OutOfRangeError``."""
    if stop > MAX_MASK_INDEX:
        raise OutOfRangeError(context, f"mask indices must not pass {MAX_MASK_INDEX}", stop)


def mask_end(context: str, offset: int, N: int) -> int:
    """Return ``offset + N``, or ``ArithmeticOverflowError`` where that passes ``MAX_POSITION``."""
    if offset + N > MAX_POSITION:
        raise ArithmeticOverflowError(context, "usize", (("offset", offset), ("N", N)))
    return offset + N


def create_causal_mask(
    N: int,
    offset: int = 0,
    window_size: int | None = None,
    right_padding: mx.array | None = None,
    left_padding: mx.array | None = None,
) -> mx.array:
    """Return a boolean mask over ``offset + N`` cached positions for the ``N`` newest queries.

    Args:
        N: the number of queries, at positions ``offset .. offset + N - 1``.
        offset: how many positions come before the first query.
        window_size: a query sees this many positions, itself included.
        right_padding: ``[B]``, unused positions at the end of each row.
        left_padding: ``[B]``, unused positions at the start of each row.

    Returns:
        ``[N, offset + N]``, or ``[B, 1, N, offset + N]`` with padding; true where a query may look.

    Raises:
        ArithmeticOverflowError: ``offset + N`` does not fit 64 bits.
        OutOfRangeError: a negative argument, or ``offset + N`` past 2**24.
        RankMismatchError: padding that is not one-dimensional.

    """
    context = "create_causal_mask"
    check_not_negative(f"{context}: N", N)
    check_not_negative(f"{context}: offset", offset)
    total = mask_end(context, offset, N)
    check_mask_index(context, total)
    keys = mx.arange(total)[None]
    queries = mx.arange(offset, total)[:, None]
    mask = queries >= keys
    if window_size is not None:
        check_not_negative(f"{context}: window_size", window_size)
        # A window that spans everything hides nothing, and may be too large for int32.
        if window_size < total:
            mask = mask & (queries < keys + window_size)
    if right_padding is not None:
        mask = mask & (keys < total - _per_row(f"{context}: right_padding", right_padding))
    if left_padding is not None:
        mask = mask & (keys >= _per_row(f"{context}: left_padding", left_padding))
    return mask


def create_attention_mask(
    N: int, offset: int, return_array: bool = False, window_size: int | None = None
) -> Mask:
    """Return the cheapest form of the mask for ``N`` queries behind ``offset`` cached tokens.

    Returns:
        An array if there is a window or one is asked for, else ``None`` for a single query (it
        may look everywhere), else ``"causal"``, which attention kernels know by name.

    Raises:
        What ``create_causal_mask`` raises.

    """
    check_not_negative("create_attention_mask: N", N)
    if window_size is not None:
        return create_causal_mask(N, offset, window_size=window_size)
    if N == 1:
        return None
    return create_causal_mask(N, offset) if return_array else "causal"


def _per_row(context: str, padding: mx.array) -> mx.array:
    if padding.ndim != 1:
        raise RankMismatchError(f"{context} must be 1-D", padding.ndim, padding.shape)
    return padding[:, None, None, None]
