"""The quantized cache: keeps every token, packed to a few bits a number.

Each of keys and values is held as the triple that ``mx.quantize`` makes: packed numbers, scales and
biases. The buffers evolve as in mlx-lm's ``QuantizedKVCache``, except that packed rows have the
width that quantizing gives: mlx-lm allocates by whole numbers per word, which is too wide for 3, 5
and 6 bits at most head sizes, and so fails at the first update.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import mlx.core as mx

from .base import UnboundedCache
from .buffers import check_broadcast, check_rank, check_update, rows
from .errors import (
    DtypeMismatchError,
    InvariantViolationError,
    OutOfRangeError,
    Shape,
    ShapePairMismatchError,
)
from .metadata import parse_numbers

if TYPE_CHECKING:
    from typing_extensions import Self

GROUP_SIZES = (32, 64, 128)
BITS = (2, 3, 4, 5, 6, 8)

Triple = tuple[mx.array, mx.array, mx.array]
"""Packed numbers (uint32), scales and biases, each ``[B, n_kv_heads, S, width]``."""


class QuantizedKVCache(UnboundedCache):
    """Keeps every token, quantized in groups of ``group_size`` lanes to ``bits`` bits.

    Attributes:
        keys: the buffers, which may hold more rows than tokens; ``None`` while empty.
        values: likewise.
        step: the buffers grow by multiples of this many rows.

    """

    reference_class_name = "QuantizedKVCache"
    step = 256

    def __init__(self, group_size: int = 64, bits: int = 8) -> None:
        """Start empty.

        Raises:
            OutOfRangeError: a group size or bit width that mlx does not quantize to.

        """
        check_quantization("QuantizedKVCache", group_size, bits)
        self.keys: Triple | None = None
        self.values: Triple | None = None
        self.offset = 0
        self.group_size = group_size
        self.bits = bits

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[Triple, Triple]:
        """Quantize tokens, append them, and return all.

        Args:
            keys: ``[B, n_kv_heads, S, k_head_dim]``, floating; head_dim a multiple of group_size.
            values: ``[B, n_kv_heads, S, v_head_dim]``, likewise; B and heads of size 1 broadcast.

        Returns:
            All keys and all values, as triples.

        Raises:
            RankMismatchError, ArithmeticOverflowError, ShapePairMismatchError, DtypeMismatchError,
                OutOfRangeError: in this order, and before anything has changed.

        """
        context = "QuantizedKVCache.update_and_fetch"
        prev = self.offset
        end = prev + check_update(context, keys, values, prev)
        check_quantizable(context, keys, values, self.group_size)
        held_k, held_v = self.keys, self.values
        if held_k is None or held_v is None:
            held_k, held_v = self._allocated(keys, values)
        elif end > held_k[0].shape[2]:
            # Growing concatenates, so rows and heads cannot broadcast here.
            if keys.shape != (target := self._target(held_k, keys)):
                raise ShapePairMismatchError(f"{context}: keys", target, keys.shape)
            held_k, held_v = self._grown(held_k, end - prev), self._grown(held_v, end - prev)
        held_k = self._written(f"{context}: keys", held_k, keys, prev)
        held_v = self._written(f"{context}: values", held_v, values, prev)
        fetched = _rows(held_k, end), _rows(held_v, end)
        self.keys, self.values, self.offset = held_k, held_v, end
        return fetched

    def _block(self, S: int) -> int:
        return (S + self.step - 1) // self.step * self.step

    def _allocated(self, keys: mx.array, values: mx.array) -> tuple[Triple, Triple]:
        """Return zeroed triples; as in mlx-lm, rows, heads and dtype are those of the keys."""
        B, H, S, _ = keys.shape

        def zeros(lanes: int) -> Triple:
            shape = (B, H, self._block(S))
            groups = (*shape, lanes // self.group_size)
            return (
                mx.zeros((*shape, lanes * self.bits // 32), mx.uint32),
                mx.zeros(groups, keys.dtype),
                mx.zeros(groups, keys.dtype),
            )

        return zeros(keys.shape[3]), zeros(values.shape[3])

    def _grown(self, held: Triple, S: int) -> Triple:
        def grow(part: mx.array) -> mx.array:
            if self.offset % self.step != 0:
                part = part[:, :, : self.offset]
            B, H, _, width = part.shape
            return mx.concatenate([part, mx.zeros((B, H, self._block(S), width), part.dtype)], 2)

        return _each(grow, held)

    def _written(self, context: str, held: Triple, update: mx.array, start: int) -> Triple:
        """Return ``held`` with ``update`` quantized into the rows from ``start`` on."""
        shape, target = update.shape, self._target(held, update)
        check_broadcast(context, shape, target)
        stop = start + shape[2]
        new = _each(_handle, held)
        packed = mx.quantize(update, group_size=self.group_size, bits=self.bits)
        for part, rows_of_part in zip(new, packed, strict=True):
            part[:, :, start:stop] = rows_of_part
        return new

    def _target(self, held: Triple, update: mx.array) -> Shape:
        """Return the shape, before packing, of the slice of ``held`` to be written."""
        B, H, _, width = held[0].shape
        return (B, H, update.shape[2], width * 32 // self.bits)

    def keys_and_values(self) -> tuple[Triple, Triple]:
        """Return all tokens as triples, each array under a handle of its own.

        Raises:
            InvariantViolationError: the cache is empty.

        """
        if self.keys is None or self.values is None:
            context, requirement = "QuantizedKVCache.keys_and_values", "the cache must not be empty"
            raise InvariantViolationError(context, requirement)
        return _rows(self.keys, self.offset), _rows(self.values, self.offset)

    def empty(self) -> bool:
        """Tell whether there are no buffers. A cache trimmed to no tokens still has some."""
        return self.keys is None

    @property
    def allocated_nbytes(self) -> int:
        """The bytes of the buffers; mlx-lm calls this ``nbytes``, and fails on an empty cache."""
        return sum(part.nbytes for part in (*(self.keys or ()), *(self.values or ())))

    @property
    def nbytes(self) -> int:
        """The bytes of the tokens that are held."""
        return sum(part.nbytes for triple in self.state for part in triple)

    def materialize(self) -> None:
        """Evaluate all six buffers whole, so that they hold no graph any longer."""
        mx.eval(self.keys, self.values)

    def as_quantized(self) -> QuantizedKVCache:
        """Return this cache: its keys and values are quantized."""
        return self

    @property
    def state(self) -> list[Triple]:
        """Keys and values as ``keys_and_values`` gives them, or ``[]``.

        Set it to two triples of arrays, quantized with this cache's group size and bits; the
        offset becomes their length.

        Raises:
            OutOfRangeError: neither 0 nor 2 triples, or not three arrays in one.
            RankMismatchError, DtypeMismatchError, ShapePairMismatchError: arrays that are no keys
                and values quantized so.

        """
        return [] if self.keys is None else list(self.keys_and_values())

    @state.setter
    def state(self, triples: Sequence[Sequence[mx.array]]) -> None:
        context = "QuantizedKVCache.state"
        if len(triples) not in (0, 2):
            raise OutOfRangeError(f"{context}: triple count", "must be 0 or 2", len(triples))
        if not triples:
            self.keys, self.values, self.offset = None, None, 0
            return
        keys = self._checked(f"{context}: keys", triples[0])
        values = self._checked(f"{context}: values", triples[1])
        if keys[0].shape[:3] != values[0].shape[:3]:
            expected = (*keys[0].shape[:3], values[0].shape[3])
            raise ShapePairMismatchError(f"{context}: values", expected, values[0].shape)
        self.keys, self.values, self.offset = keys, values, keys[0].shape[2]

    def _checked(self, context: str, arrays: Sequence[mx.array]) -> Triple:
        if len(arrays) != 3:
            raise OutOfRangeError(f"{context}: array count", "must be 3", len(arrays))
        packed, scales, biases = (array[...] for array in arrays)
        for part in (packed, scales, biases):
            check_rank(context, "each array", part.shape)
        if packed.dtype != mx.uint32:
            raise DtypeMismatchError(f"{context}: packed numbers", "uint32", str(packed.dtype))
        lanes = scales.shape[3] * self.group_size
        if packed.shape != (target := (*scales.shape[:3], lanes * self.bits // 32)):
            raise ShapePairMismatchError(f"{context}: packed numbers", target, packed.shape)
        if biases.shape != scales.shape:
            raise ShapePairMismatchError(f"{context}: biases", scales.shape, biases.shape)
        return packed, scales, biases

    @property
    def meta_state(self) -> list[str]:
        """``[offset, group_size, bits]``, as mlx-lm wrote them from 0.28 to 0.31.3."""
        return [str(n) for n in (self.offset, self.group_size, self.bits)]

    @meta_state.setter
    def meta_state(self, meta: Sequence[str]) -> None:
        self.set_meta_state(meta)

    def set_meta_state(self, meta: Sequence[str]) -> None:
        """Take over ``[offset, group_size, bits]``, all of it or none.

        A fourth number in front is ``step``, which mlx-lm wrote up to 0.26; it is taken over too.

        Raises:
            LengthMismatchError, MetaParseError: not three numbers, or four.
            OutOfRangeError: an offset past the rows, a step of none, or what mlx does not quantize
                to.
            ShapePairMismatchError: the buffers were not quantized so.

        """
        context = "QuantizedKVCache.set_meta_state"
        step, offset, group_size, bits = self._parsed(context, meta)
        twin = type(self)(group_size, bits)
        twin.state = self.state
        if offset > (held := self.keys[0].shape[2] if self.keys else 0):
            requirement = f"must not pass the {held} rows of the buffers"
            raise OutOfRangeError(f"{context}: offset", requirement, offset)
        self.step, self.offset, self.group_size, self.bits = step, offset, group_size, bits

    @classmethod
    def _parsed(cls, context: str, meta: Sequence[str]) -> list[int]:
        names = ("step", "offset", "group_size", "bits")
        numbers = parse_numbers(context, names if len(meta) == 4 else names[1:], meta)
        numbers = numbers if len(meta) == 4 else [cls.step, *numbers]
        if numbers[0] < 1:
            raise OutOfRangeError(f"{context}: step", "must be at least 1", numbers[0])
        check_quantization(context, *numbers[2:])
        return numbers

    @classmethod
    def from_state(
        cls, state: Sequence[Sequence[mx.array]], meta_state: Sequence[str] = ()
    ) -> Self:
        """Return a cache out of another's ``state`` and ``meta_state``.

        Raises:
            InvariantViolationError: no buffers, but an offset other than 0.
            CacheError: what setting the two raises.

        """
        context = "QuantizedKVCache.from_state"
        _, offset, group_size, bits = cls._parsed(context, meta_state)
        if not state and offset:
            raise InvariantViolationError(context, "without buffers, offset must be 0")
        cache = cls(group_size, bits)
        cache.state = list(state)
        cache.set_meta_state(meta_state)
        return cache


def check_quantization(context: str, group_size: int, bits: int) -> None:
    """Refuse, with ``OutOfRangeError``, a group size or bit width that mlx does not have."""
    if group_size not in GROUP_SIZES:
        raise OutOfRangeError(f"{context}: group_size", f"must be one of {GROUP_SIZES}", group_size)
    if bits not in BITS:
        raise OutOfRangeError(f"{context}: bits", f"must be one of {BITS}", bits)


def check_quantizable(context: str, keys: mx.array, values: mx.array, group_size: int) -> None:
    """Refuse arrays that ``mx.quantize`` would.

    Raises:
        DtypeMismatchError: not floating.
        OutOfRangeError: head_dim is not a multiple of the group size.

    """
    for name, array in (("keys", keys), ("values", values)):
        if not mx.issubdtype(array.dtype, mx.floating):
            raise DtypeMismatchError(f"{context}: {name}", "floating", str(array.dtype))
        if (lanes := array.shape[3]) % group_size:
            requirement = f"must be a multiple of group_size {group_size}"
            raise OutOfRangeError(f"{context}: head_dim of {name}", requirement, lanes)


def _each(function: Callable[[mx.array], mx.array], triple: Triple) -> Triple:
    packed, scales, biases = triple
    return function(packed), function(scales), function(biases)


def _handle(array: mx.array) -> mx.array:
    return array[...]


def _rows(triple: Triple, stop: int) -> Triple:
    return _each(lambda part: rows(part, stop), triple)
