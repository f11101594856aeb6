"""The arithmetic of ``[B, n_kv_heads, S, head_dim]`` buffers, without any cache around it.

Every function takes arrays and returns new ones. None writes through a handle that it was given:
an ``mx.array`` is a mutable handle, so an item assignment would show in every other name of it.
That is what lets a cache build its next state aside and then commit it in plain assignments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import mlx.core as mx

from .errors import (
    ArithmeticOverflowError,
    DtypeMismatchError,
    OutOfRangeError,
    RankMismatchError,
    Shape,
    ShapePairMismatchError,
)
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
    check_broadcast(f"{context}: keys", update[0].shape, _target(new_k, update[0]))
    check_broadcast(f"{context}: values", update[1].shape, _target(new_v, update[1]))
    new_k[:, :, start:stop] = update[0]
    new_v[:, :, start:stop] = update[1]
    return new_k, new_v


def check_broadcast(context: str, shape: Shape, target: Shape) -> None:
    """Refuse a shape that cannot be written to a slice of shape ``target``.

    Raises:
        ShapePairMismatchError: an axis is neither that of the target nor 1.

    """
    if shape != target and any(a not in (1, b) for a, b in zip(shape, target, strict=True)):
        raise ShapePairMismatchError(context, target, shape)


def _target(held: mx.array, update: mx.array) -> Shape:
    """Return the shape of the slice of ``held`` that ``update`` is to fill."""
    B, H, _, D = held.shape
    return (B, H, update.shape[2], D)


def per_row(context: str, numbers: Sequence[int] | mx.array) -> mx.array:
    """Return padding or lengths, one number a row, as a ``[B]`` int32 array of its own.

    Raises:
        RankMismatchError, DtypeMismatchError: not one-dimensional, not int32.

    """
    array = flat_integers(context, numbers)
    if array.dtype != mx.int32:
        raise DtypeMismatchError(context, "int32", str(array.dtype))
    return array


def row_indices(context: str, batch_indices: Sequence[int] | mx.array, B: int) -> mx.array:
    """Return ``batch_indices`` as an array, once all of them are known to name one of ``B`` rows.

    mlx does not check an index: past the end, it reads whatever lies there.

    Raises:
        OutOfRangeError: an index outside of ``-B .. B - 1``.
        RankMismatchError, DtypeMismatchError: not a flat list of integers.

    """
    indices = flat_integers(f"{context}: batch_indices", batch_indices)
    for index in numbers_of(indices):
        if not -B <= index < B:
            requirement = f"must name one of {B} rows"
            raise OutOfRangeError(f"{context}: batch_indices", requirement, index)
    return indices


def flat_integers(context: str, numbers: Sequence[int] | mx.array) -> mx.array:
    """Return ``numbers`` as a one-dimensional array of its own; without any, an int32 one.

    Raises:
        RankMismatchError, DtypeMismatchError: not one-dimensional, not integers.

    """
    try:
        array = numbers[...] if isinstance(numbers, mx.array) else mx.array(list(numbers))
    except RuntimeError:  # mlx before 0.30 has no array for numbers beyond 32 bits
        raise DtypeMismatchError(context, "int32", "wider numbers") from None
    array = array if array.size else array.astype(mx.int32)
    if array.ndim != 1:
        raise RankMismatchError(f"{context} must be 1-D", array.ndim, array.shape)
    if not mx.issubdtype(array.dtype, mx.integer):
        raise DtypeMismatchError(context, "int32", str(array.dtype))
    return array


def numbers_of(array: mx.array) -> list[int]:
    """Return the numbers in a ``[B]`` array of integers, evaluating it."""
    return cast("list[int]", array.tolist())
