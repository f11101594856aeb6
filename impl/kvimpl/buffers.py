"""The arithmetic of ``[B, n_kv_heads, S, head_dim]`` buffers, without any cache around it.

Every function takes arrays and returns new ones. None writes through a handle that it was given:
an ``mx.array`` is a mutable handle, so an item assignment would show in every other name of it.
That is what lets a cache build its next state aside and then commit it in plain assignments.
"""

from __future__ import annotations

import mlx.core as mx

from .errors import ArithmeticOverflowError, RankMismatchError, Shape, ShapePairMismatchError
from .masks import MAX_POSITION

Pair = tuple[mx.array, mx.array]
"""Keys and values."""


def check_update(context: str, keys: mx.array, values: mx.array, offset: int) -> int:
    """Return the length S of an update, once it is known to be one.

    Raises:
        RankMismatchError: keys, then values, are not 4-D.
        ArithmeticOverflowError: ``offset + S`` does not fit 64 bits.
        ShapePairMismatchError: keys and values differ in length.

    """
    k_shape, v_shape = keys.shape, values.shape
    if len(k_shape) != 4 or len(v_shape) != 4:
        check_rank(context, "keys", k_shape)
        check_rank(context, "values", v_shape)
    S = k_shape[2]
    if offset + S > MAX_POSITION:
        raise ArithmeticOverflowError(context, "usize", (("offset", offset), ("S", S)))
    if v_shape[2] != S:
        expected = (*k_shape[:3], v_shape[3])
        raise ShapePairMismatchError(f"{context}: values", expected, v_shape)
    return S


def check_rank(context: str, name: str, shape: Shape) -> None:
    """Refuse a shape that is not 4-D with ``RankMismatchError``."""
    if len(shape) != 4:
        context = f"{context}: {name} must be [B, n_kv_heads, S, head_dim]"
        raise RankMismatchError(context, len(shape), shape)


def check_pairing(context: str, keys: mx.array, values: mx.array) -> None:
    """Refuse keys and values of different B, n_kv_heads or S: they are about to be stored as is.

    Raises:
        RankMismatchError, ShapePairMismatchError

    """
    k_shape, v_shape = keys.shape, values.shape
    check_rank(context, "keys", k_shape)
    check_rank(context, "values", v_shape)
    if k_shape[:3] != v_shape[:3]:
        expected = (*k_shape[:3], v_shape[3])
        raise ShapePairMismatchError(f"{context}: values", expected, v_shape)


def rows(buffer: mx.array, stop: int) -> mx.array:
    """Return the first ``stop`` rows under a handle of their own, which no later write changes."""
    return buffer[...] if buffer.shape[2] == stop else buffer[:, :, :stop]


def joined(context: str, name: str, held: mx.array, update: mx.array) -> mx.array:
    """Return ``update`` behind ``held``.

    Raises:
        ShapePairMismatchError: they differ in an axis other than the sequence.

    """
    if update.shape != (target := _target(held, update)):
        raise ShapePairMismatchError(f"{context}: {name}", target, update.shape)
    return mx.concatenate([held, update], axis=2)


def with_room(context: str, held: Pair | None, update: Pair, prev: int, step: int) -> Pair:
    """Return buffers with room for ``update`` behind row ``prev``, grown by whole steps.

    Allocation follows mlx-lm's ``KVCache``: the new block takes its B and n_kv_heads from the
    keys, and the rows past ``prev`` are dropped first unless ``prev`` ends a step.

    Raises:
        ShapePairMismatchError: the block does not fit behind what is held.

    """
    S = update[0].shape[2]
    block = (S + step - 1) // step * step
    if held is not None and prev % step != 0:
        held = held[0][:, :, :prev], held[1][:, :, :prev]
    return with_block(context, held, update, block)


def with_block(context: str, held: Pair | None, update: Pair, block: int) -> Pair:
    """Return ``held`` with ``block`` rows of zeros behind it, shaped and typed for ``update``.

    Raises:
        ShapePairMismatchError: update differs from what is held in B, n_kv_heads (of the keys) or
            head_dim. Writing would broadcast these axes, but concatenating does not.

    """
    keys, values = update
    B, H, _, k_dim = keys.shape
    v_dim = values.shape[3]
    new_k = mx.zeros((B, H, block, k_dim), keys.dtype)
    new_v = mx.zeros((B, H, block, v_dim), values.dtype)
    if held is None:
        return new_k, new_v
    held_k, held_v = held
    if keys.shape != (target := _target(held_k, keys)):
        raise ShapePairMismatchError(f"{context}: keys", target, keys.shape)
    if v_dim != held_v.shape[3]:
        raise ShapePairMismatchError(f"{context}: values", _target(held_v, values), values.shape)
    return mx.concatenate([held_k, new_k], axis=2), mx.concatenate([held_v, new_v], axis=2)


def written(context: str, held: Pair, update: Pair, start: int, stop: int) -> Pair:
    """Return ``held`` with ``update`` in the rows ``start`` to ``stop``, in the dtype that is held.

    As mlx's item assignment does, an update broadcasts axes of size 1 (the sequence excepted).
    Once evaluated this costs no copy, provided that no other handle of ``held`` is alive then.

    Raises:
        ShapePairMismatchError: it cannot broadcast.

    """
    # Item assignment to a handle of our own: measured faster than mx.slice_update, whose start
    # is an array and so is known to the kernel only when it runs.
    new_k, new_v = held[0][...], held[1][...]
    _check_broadcast(context, "keys", update[0], new_k)
    _check_broadcast(context, "values", update[1], new_v)
    new_k[:, :, start:stop] = update[0]
    new_v[:, :, start:stop] = update[1]
    return new_k, new_v


def _check_broadcast(context: str, name: str, update: mx.array, held: mx.array) -> None:
    B, H, _, D = held.shape
    shape = update.shape
    if shape != (target := (B, H, shape[2], D)) and any(
        have not in (1, want) for have, want in zip(shape, target, strict=True)
    ):
        raise ShapePairMismatchError(f"{context}: {name}", target, shape)


def _target(held: mx.array, update: mx.array) -> Shape:
    """Return the shape of the slice of ``held`` that ``update`` is to fill."""
    B, H, _, D = held.shape
    return (B, H, update.shape[2], D)
