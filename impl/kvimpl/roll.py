"""Rolling each row of an array by a distance of its own, which turns padding from right to left."""

from __future__ import annotations

import mlx.core as mx


def dynamic_roll(x: mx.array, shifts: mx.array, axis: int) -> mx.array:
    """Return ``x`` with its lanes along ``axis`` rolled towards the end, as in mlx-lm.

    Args:
        x: any array.
        shifts: integers, broadcast against the axes before ``axis``: ``[B, 1]`` for one shift a row
            of ``[B, n_kv_heads, S, head_dim]``.
        axis: the axis along which elements move; what leaves its end comes back at its start.

    """
    axis %= x.ndim
    behind = [1] * (x.ndim - axis - 1)
    length = x.shape[axis]
    target = mx.arange(length).reshape(length, *behind)
    source = (target - shifts.reshape(*shifts.shape, 1, *behind)) % length
    return mx.take_along_axis(x, source, axis=axis)
