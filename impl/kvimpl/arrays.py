"""The cache of models that keep a fixed number of arrays instead of tokens, such as Mamba's.

What the arrays mean is the model's business; each has the batch as its first axis. mlx-lm's
``ArraysCache``, with its slots under ``cache``. A slot that was never written stays so here, where
mlx-lm fails to extract or merge it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

import mlx.core as mx

from .base import BaseCache, count
from .buffers import flat_integers, numbers_of, per_row, row_indices
from .errors import (
    ArithmeticOverflowError,
    CapExceededError,
    LengthMismatchError,
    OutOfRangeError,
    RankMismatchError,
    ShapePairMismatchError,
)
from .masks import check_mask_index
from .metadata import parse_int32_list, parse_number

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_SLOTS = 4096
"""More than any model has; a restored count is held against it before a list is made."""

MIN_INT32, MAX_INT32 = -(2**31), 2**31 - 1

Slot = mx.array | None


class ArraysCache(BaseCache):
    """A fixed number of slots, each one array or nothing.

    Attributes:
        cache: the slots.
        left_padding: ``[B]`` int32, how many of the coming positions are padding, or ``None``.
        lengths: ``[B]`` int32, how many of the coming positions are the prompt's, or ``None``.

    """

    reference_class_name = "ArraysCache"

    def __init__(self, size: int, left_padding: Sequence[int] | None = None) -> None:
        """Start with ``size`` unwritten slots.

        Raises:
            OutOfRangeError, CapExceededError: a negative size, or one past ``MAX_SLOTS``.
            RankMismatchError, DtypeMismatchError: padding that is not a flat list of integers.

        """
        self.cache: list[Slot] = [None] * _checked_size("ArraysCache", size)
        self.left_padding: Slot = None
        if left_padding is not None and len(left_padding):
            self.left_padding = per_row("ArraysCache: left_padding", left_padding)
        self.lengths: Slot = None
        self._room: tuple[Slot, Slot, int] = (None, None, 0)

    @overload
    def __getitem__(self, idx: int) -> Slot: ...
    @overload
    def __getitem__(self, idx: slice) -> list[Slot]: ...
    def __getitem__(self, idx: int | slice) -> Slot | list[Slot]:
        """Return a slot, or a list of those that a slice names."""
        if isinstance(idx, slice):
            return [_handle(array) for array in self.cache[idx]]
        return _handle(self.cache[idx])

    @overload
    def __setitem__(self, idx: int, value: Slot) -> None: ...
    @overload
    def __setitem__(self, idx: slice, value: Iterable[Slot]) -> None: ...
    def __setitem__(self, idx: int | slice, value: Any) -> None:
        """Put an array into a slot, or arrays into those of a slice, as into a list.

        Raises:
            RankMismatchError: an array without a batch axis.
            CapExceededError: a slice that makes more slots than ``MAX_SLOTS``.

        """
        context = "ArraysCache.__setitem__"
        if not isinstance(idx, slice):
            self.cache[idx] = _checked_slot(context, value)
            return
        slots = self.cache[:]
        slots[idx] = [_checked_slot(context, array) for array in value]
        _checked_size(context, len(slots))
        self.cache[:] = slots

    @property
    def batch_size(self) -> int:
        """The rows of the first array there is; 1 if there is none."""
        for array in (*self.cache, self.left_padding, self.lengths):
            if array is not None:
                return array.shape[0]
        return 1

    def _per_row(self) -> list[Slot]:
        return [*self.cache, self.left_padding, self.lengths]

    def _take(self, arrays: Sequence[Slot]) -> None:
        *slots, left_padding, lengths = arrays
        self.cache, self.left_padding, self.lengths = slots, left_padding, lengths

    def empty(self) -> bool:
        """Tell whether the first slot is unwritten; as in mlx-lm, the others do not count."""
        return not self.cache or self.cache[0] is None

    @property
    def allocated_nbytes(self) -> int:
        """The bytes of the slots that are written."""
        return sum(array.nbytes for array in self._written())

    def _written(self) -> list[mx.array]:
        return [array for array in self.cache if array is not None]

    def materialize(self) -> None:
        """Evaluate every array, so that none holds a graph any longer."""
        mx.eval(self._per_row())

    def filter(self, batch_indices: Sequence[int] | mx.array) -> None:
        """Keep just these rows, in this order; without any array there are none to tell apart.

        Raises:
            OutOfRangeError: an index that names no row of every array.
            RankMismatchError, DtypeMismatchError: not a flat list of int32.

        """
        context = "ArraysCache.filter"
        arrays = self._per_row()
        B = min((array.shape[0] for array in arrays if array is not None), default=None)
        if B is None:
            flat_integers(f"{context}: batch_indices", batch_indices)
            return
        indices = row_indices(context, batch_indices, B)
        self._take([None if array is None else array[indices] for array in arrays])

    def extend(self, other: ArraysCache) -> None:
        """Append another cache's rows. Where only one side has an array, the other adds zeros.

        Raises:
            LengthMismatchError: another number of slots.
            ShapePairMismatchError: slots that differ in more than their rows.

        """
        context = "ArraysCache.extend"
        mine, theirs = self._per_row(), other._per_row()
        if len(mine) != len(theirs):
            raise LengthMismatchError(f"{context}: slots", len(self.cache), len(other.cache))
        self._take(
            [
                _stacked(context, (a, self.batch_size), (b, other.batch_size))
                for a, b in zip(mine, theirs, strict=True)
            ]
        )

    def extract(self, idx: int) -> ArraysCache:
        """Return one row's slots as a cache of their own, without padding and lengths.

        Raises:
            OutOfRangeError: no such row.

        """
        B = min((array.shape[0] for array in self._written()), default=self.batch_size)
        if not 0 <= idx < B:
            raise OutOfRangeError("ArraysCache.extract: idx", f"must name one of {B} rows", idx)
        row = ArraysCache(len(self.cache))
        row.cache = [None if array is None else array[idx : idx + 1] for array in self.cache]
        return row

    def prepare(self, lengths: Sequence[int] | None = None, **_: object) -> None:
        """Tell how long each row's prompt is; other arguments are for other kinds.

        Raises:
            RankMismatchError, DtypeMismatchError: not a flat list of integers.
            LengthMismatchError: not one for each row.

        """
        if lengths is None:
            return
        array = per_row("ArraysCache.prepare: lengths", lengths)
        known = self.left_padding is not None or self._written()
        if known and array.size != self.batch_size:
            raise LengthMismatchError("ArraysCache.prepare: lengths", self.batch_size, array.size)
        self.lengths = array

    def finalize(self) -> None:
        """Forget padding and lengths: what follows is no padded prompt any longer."""
        self.left_padding = self.lengths = None

    def advance(self, N: int) -> None:
        """Move on by ``N`` positions: padding and lengths count from there.

        Raises:
            OutOfRangeError: ``N`` is negative.
            ArithmeticOverflowError: ``N``, or what is left of padding and lengths, passes int32.

        """
        context = "ArraysCache.advance"
        N = count(f"{context}: N", N)
        room = self._room_for(context, N)
        lengths = None if self.lengths is None else self.lengths - N
        left_padding = None if self.left_padding is None else self.left_padding - N
        # Perhaps nobody ever looks at them, and their graph would grow by a node a call.
        mx.async_eval(lengths, left_padding)  # type: ignore[no-untyped-call]  # no stub for it
        seen = lengths, left_padding, room - N
        self.lengths, self.left_padding, self._room = lengths, left_padding, seen

    def _room_for(self, context: str, N: int) -> int:
        """Return by how much padding and lengths may go down and still be int32, ``N`` at least.

        To read them waits for what was queued before; so that is done when they are new, and from
        then on only counted.
        """
        lengths, left_padding, room = self._room
        if lengths is not self.lengths or left_padding is not self.left_padding or room < N:
            arrays = [a for a in (self.lengths, self.left_padding) if a is not None]
            least = min((n for array in arrays for n in numbers_of(array)), default=0)
            room = min(least - MIN_INT32, MAX_INT32)
            if arrays and room < N:
                raise ArithmeticOverflowError(context, "i32", (("least", least), ("-N", -N)))
        return room

    def make_mask(self, N: int) -> Slot:
        """Return which of the next ``N`` positions are a row's own.

        Returns:
            ``[B, N]``, or ``None`` without padding and lengths.

        Raises:
            OutOfRangeError: ``N`` is negative or past 2**24.

        """
        check_mask_index("ArraysCache.make_mask: N", count("ArraysCache.make_mask: N", N))
        position = mx.arange(N)
        mask = None
        if self.left_padding is not None:
            mask = position >= self.left_padding[:, None]
        if self.lengths is not None:
            within = position < self.lengths[:, None]
            mask = within if mask is None else mask & within
        return mask

    @classmethod
    def merge(cls, caches: Sequence[ArraysCache]) -> Self:
        """Return one cache whose rows are these caches, of one row each.

        A slot takes the dtype of the first that is written; rows without it are zero.

        Raises:
            OutOfRangeError: no caches.
            LengthMismatchError: different numbers of slots.
            ShapePairMismatchError: a slot that differs in shape, or has more than one row.

        """
        context = "ArraysCache.merge"
        if not caches:
            raise OutOfRangeError(f"{context}: cache count", "must be at least 1", 0)
        for cache in caches:
            if len(cache.cache) != len(caches[0].cache):
                raise LengthMismatchError(context, len(caches[0].cache), len(cache.cache))
        merged = cls(len(caches[0].cache))
        merged.cache = [
            _merged(context, slot) for slot in zip(*(c.cache for c in caches), strict=True)
        ]
        if not merged._written():
            merged.left_padding = mx.zeros((len(caches),), mx.int32)
        return merged

    @property
    def state(self) -> list[Slot]:
        """One entry a slot, ``None`` for unwritten; ``[]`` if all are. Set it to the same.

        Raises:
            CapExceededError: more than ``MAX_SLOTS`` entries.
            RankMismatchError: an array without a batch axis.

        """
        return [_handle(array) for array in self.cache] if self._written() else []

    @state.setter
    def state(self, slots: Sequence[Slot]) -> None:
        _checked_size("ArraysCache.state", len(slots))
        for array in slots:
            if array is not None:
                _check_batched("ArraysCache.state", array)
        self.cache = [_handle(array) for array in slots] or [None] * len(self.cache)

    @property
    def meta_state(self) -> list[str]:
        """``[]``, as in mlx-lm up to 0.31.3, if ``state`` tells all.

        Else ``[slots, left_padding, lengths]``: the number of slots, and two lists of numbers
        joined by commas, empty where there is none.
        """
        padded = self.left_padding is not None or self.lengths is not None
        if not padded and (self._written() or not self.cache):
            return []
        return [str(len(self.cache)), _joined(self.left_padding), _joined(self.lengths)]

    @meta_state.setter
    def meta_state(self, meta: Sequence[str]) -> None:
        self.set_meta_state(meta)

    def set_meta_state(self, meta: Sequence[str]) -> None:
        """Take over ``[slots, left_padding, lengths]``, all of it or none.

        Raises:
            LengthMismatchError: not three entries, another number of slots than are held, or
                padding and lengths of other rows than these have.
            MetaParseError, OutOfRangeError: not a number.
            CapExceededError: more than ``MAX_SLOTS`` slots.

        """
        context = "ArraysCache.set_meta_state"
        if not meta:
            return
        if len(meta) != 3:
            raise LengthMismatchError(context, 3, len(meta))
        size = _checked_size(context, parse_number(context, "slots", meta[0]))
        left_padding = parse_int32_list(context, "left_padding", meta[1])
        lengths = parse_int32_list(context, "lengths", meta[2])
        if self._written() and size != len(self.cache):
            raise LengthMismatchError(f"{context}: slots", len(self.cache), size)
        B = self._written()[0].shape[0] if self._written() else len(left_padding or lengths)
        for name, numbers in (("left_padding", left_padding), ("lengths", lengths)):
            if numbers and len(numbers) != B:
                raise LengthMismatchError(f"{context}: {name}", B, len(numbers))
        slots = self.cache if self._written() else [None] * size
        paddings = (mx.array(numbers) if numbers else None for numbers in (left_padding, lengths))
        self._take([*slots, *paddings])

    @classmethod
    def from_state(cls, state: Sequence[Slot], meta_state: Sequence[str] = ()) -> Self:
        """Return a cache out of another's ``state`` and ``meta_state``.

        Raises:
            CacheError: what setting the two raises.

        """
        cache = cls(0)
        cache.state = list(state)
        cache.set_meta_state(meta_state)
        return cache


def _handle(array: Slot) -> Slot:
    return None if array is None else array[...]


def _joined(array: Slot) -> str:
    return "" if array is None else ",".join(map(str, numbers_of(array)))


def _checked_size(context: str, size: int) -> int:
    size = count(f"{context}: slots", size)
    if size > MAX_SLOTS:
        raise CapExceededError(context, "slots", MAX_SLOTS, size)
    return size


def _checked_slot(context: str, value: Slot) -> Slot:
    """Return a handle of its own for what is put into a slot."""
    if value is not None:
        _check_batched(f"{context}: value", value)
    return _handle(value)


def _check_batched(context: str, array: mx.array) -> None:
    if array.ndim == 0:
        raise RankMismatchError(f"{context} must have a batch axis", 0, ())


def _stacked(context: str, upper: tuple[Slot, int], lower: tuple[Slot, int]) -> Slot:
    """Return both arrays' rows; each comes with the rows that stand in where it is missing."""
    known = upper[0] if upper[0] is not None else lower[0]
    if known is None:
        return None
    parts = []
    for array, B in (upper, lower):
        part = mx.zeros((B, *known.shape[1:]), known.dtype) if array is None else array
        if part.shape[1:] != known.shape[1:]:
            expected = (part.shape[0], *known.shape[1:])
            raise ShapePairMismatchError(f"{context}: slot", expected, part.shape)
        parts.append(part)
    return mx.concatenate(parts)


def _merged(context: str, slot: Sequence[Slot]) -> Slot:
    """Return one slot of several caches as the rows of one array."""
    first = next((array for array in slot if array is not None), None)
    if first is None:
        return None
    shape = (1, *first.shape[1:])
    for array in slot:
        if array is not None and array.shape != shape:
            raise ShapePairMismatchError(f"{context}: slot", shape, array.shape)
    absent = mx.zeros(shape, first.dtype)
    return mx.concatenate([absent if a is None else a.astype(first.dtype) for a in slot])
