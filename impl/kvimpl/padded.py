"""What the two batch kinds share: rows of unequal length, padded on the left to one length.

Every row ends at the same place, ``_idx``, and starts behind its own padding. Nothing here knows
whether the place wraps: that is the kinds' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import mlx.core as mx

from .base import BaseCache
from .buffers import Pair, check_pairing, numbers_of, per_row, row_indices
from .errors import (
    InvariantViolationError,
    LengthMismatchError,
    OutOfRangeError,
    ShapePairMismatchError,
)
from .masks import check_not_negative
from .metadata import parse_int32_list

if TYPE_CHECKING:
    from typing_extensions import Self


class PaddedBatch(BaseCache):
    """A batch whose rows end together.

    Attributes:
        keys: ``[B, n_kv_heads, slots, head_dim]``, ``None`` while empty.
        values: likewise.
        left_padding: ``[B]`` int32, the slots before a row's first token.
        offset: ``[B]`` int32, the position of the next token; below zero while padding is to come.

    """

    def __init__(self, left_padding: Sequence[int] | mx.array) -> None:
        padding = row_counts(f"{type(self).__name__}: left_padding", left_padding)
        self.keys: mx.array | None = None
        self.values: mx.array | None = None
        self.left_padding = padding
        self.offset = -padding
        self._idx = 0
        self._pending: mx.array | None = None  # what `prepare` announced of right padding

    @property
    def rope_offset(self) -> mx.array:
        """The position for rotary embeddings, ``[B]`` int32: each row has its own."""
        return self.offset[...]

    def as_batch_positioned(self) -> BaseCache:
        """Return this cache: each row has its own position."""
        return self

    def empty(self) -> bool:
        """Tell whether there are no buffers. A cache trimmed to no tokens still has some."""
        return self.keys is None

    @property
    def allocated_nbytes(self) -> int:
        """The bytes of both buffers; mlx-lm calls this ``nbytes``."""
        held = self._held()
        return held[0].nbytes + held[1].nbytes if held else 0

    def materialize(self) -> None:
        """Evaluate all arrays whole, so that they hold no graph any longer."""
        mx.eval(self.keys, self.values, self.left_padding, self.offset)

    def keys_and_values(self) -> Pair:
        """Return the tokens as attention reads them, each array under a handle of its own.

        Raises:
            InvariantViolationError: the cache is empty.

        """
        raise NotImplementedError

    @property
    def state(self) -> list[mx.array]:
        """``[keys, values, offset, left_padding]``, as mlx-lm wrote it up to 0.31.3, or ``[]``.

        Set it to four such arrays, or to ``[]``, which only drops the buffers.

        Raises:
            OutOfRangeError: neither 0 nor 4 arrays.
            RankMismatchError, ShapePairMismatchError: arrays that are no keys and values.
            RankMismatchError, DtypeMismatchError, LengthMismatchError: offset and left_padding that
                are not flat, not int32, or not equally long.

        """
        if self.keys is None:
            return []
        return [*self.keys_and_values(), self.offset[...], self.left_padding[...]]

    @state.setter
    def state(self, arrays: Sequence[mx.array]) -> None:
        context = f"{type(self).__name__}.state"
        if len(arrays) not in (0, 4):
            raise OutOfRangeError(f"{context}: array count", "must be 0 or 4", len(arrays))
        if not arrays:
            self._replace(None, -self.left_padding, self.left_padding)
            return
        keys, values, offset, left_padding = arrays
        check_pairing(context, keys, values)
        offset = per_row(f"{context}: offset", offset)
        left_padding = per_row(f"{context}: left_padding", left_padding)
        if offset.size != left_padding.size:
            raise LengthMismatchError(f"{context}: offset", left_padding.size, offset.size)
        self._replace((keys[...], values[...]), offset, left_padding)

    def _replace(self, held: Pair | None, offset: mx.array, left_padding: mx.array) -> None:
        raise NotImplementedError

    @property
    def _rows(self) -> int:
        return self.left_padding.size

    def _held(self) -> Pair | None:
        if self.keys is None or self.values is None:
            return None
        return self.keys, self.values

    def _commit(self, **attributes: object) -> None:
        """Change all of these at once: whatever stops an operation, it has happened or has not."""
        vars(self).update(attributes)

    def _must_hold(self, context: str) -> Pair:
        held = self._held()
        if held is None:
            raise InvariantViolationError(context, "the cache must not be empty")
        return held

    def prepare(
        self,
        *,
        left_padding: Sequence[int] | mx.array | None = None,
        lengths: Sequence[int] | mx.array | None = None,
        right_padding: Sequence[int] | mx.array | None = None,
    ) -> None:
        """Announce the padding of the coming prompt, one number a row.

        Args:
            left_padding: added to what was announced before.
            lengths: the tokens of each row; a ring with right padding needs them.
            right_padding: kept until ``finalize``, unless no row has any.

        Raises:
            InvariantViolationError: left padding, but there are tokens already; right padding
                without the lengths that a ring needs.
            RankMismatchError, DtypeMismatchError: not a flat list of int32.
            LengthMismatchError: not one for each row.
            OutOfRangeError: a negative number.

        """
        context = f"{type(self).__name__}.prepare"
        B, padding, offset, pending = self._rows, self.left_padding, self.offset, self._pending
        if left_padding is not None:
            if self.keys is not None:
                requirement = "left padding can only be announced to an empty cache"
                raise InvariantViolationError(context, requirement)
            more = row_counts(f"{context}: left_padding", left_padding, B)
            padding, offset = padding + more, offset - more
        if right_padding is not None:
            right = row_counts(f"{context}: right_padding", right_padding, B)
            if any(numbers_of(right)):
                pending = self._announced(context, right, lengths, offset)
        self._commit(left_padding=padding, offset=offset, _pending=pending)

    def _announced(
        self,
        context: str,
        right_padding: mx.array,
        lengths: Sequence[int] | mx.array | None,
        offset: mx.array,
    ) -> mx.array:
        """Return what ``finalize`` will go by."""
        raise NotImplementedError

    def _kept(self, context: str, batch_indices: Sequence[int] | mx.array) -> dict[str, Any]:
        """Return the attributes of a batch of just these rows.

        Raises:
            OutOfRangeError, RankMismatchError, DtypeMismatchError: see ``row_indices``.

        """
        kept = row_indices(context, batch_indices, self._rows_held())
        attributes: dict[str, Any] = {
            "left_padding": self.left_padding[kept],
            "offset": self.offset[kept],
        }
        if not kept.size:
            return attributes | {"keys": None, "values": None, "_idx": 0, "_pending": None}
        if self.keys is not None and self.values is not None:
            attributes |= {"keys": self.keys[kept], "values": self.values[kept]}
        if self._pending is not None:
            attributes["_pending"] = self._pending[kept]
        return attributes

    def _joined(
        self, context: str, other: Self, ordered: Sequence[tuple[Pair | None, int]], silent: int
    ) -> dict[str, Any]:
        """Return the attributes of a batch of both caches' rows, ending together.

        Args:
            context: for errors.
            other: the cache whose rows come behind.
            ordered: the buffers of both, and where their rows end.
            silent: what stands for an announcement where only one side has one.

        Raises:
            ShapePairMismatchError: other heads or head dims.

        """
        sides, ends = (self, other), [end for _, end in ordered]
        moved = [max(ends) - end for end in ends]
        padding = [side.left_padding + by for side, by in zip(sides, moved, strict=True)]
        attributes: dict[str, Any] = {
            "left_padding": mx.concatenate(padding),
            "offset": mx.concatenate([side.offset for side in sides]),
            "_idx": max(ends),
        }
        if any(side._pending is not None for side in sides):
            announced = (
                mx.full((side._rows,), silent, mx.int32) if side._pending is None else side._pending
                for side in sides
            )
            attributes["_pending"] = mx.concatenate(list(announced))
        likes = [pair for pair, _ in ordered if pair is not None]
        if likes:
            pairs = [
                pair or tuple(_no_rows(like, side._rows, likes[0]) for like in likes[0])
                for side, (pair, _) in zip(sides, ordered, strict=True)
            ]
            for j, name in enumerate(("keys", "values")):
                blocks = [pair[j] for pair in pairs]
                attributes[name] = _stacked(f"{context}: {name}", blocks, ends)
        return attributes

    def _row_start(self, context: str, idx: int) -> int:
        """Return the slot of the first token of row ``idx``.

        Raises:
            OutOfRangeError: no such row.
            InvariantViolationError: right padding was announced and not finalized: where the row
                ends is not known.

        """
        B = self._rows_held()
        if not 0 <= idx < B:
            raise OutOfRangeError(f"{context}: idx", f"must name one of {B} rows", idx)
        if self._pending is not None:
            raise InvariantViolationError(context, "finalize must come first")
        return max(0, numbers_of(self.left_padding)[idx])

    def _rows_held(self) -> int:
        # The buffers of a batch may have other rows than it was announced: mlx-lm goes on.
        return self._rows if self.keys is None else min(self._rows, self.keys.shape[0])


def row_counts(context: str, numbers: Sequence[int] | mx.array, B: int | None = None) -> mx.array:
    """Return padding or lengths as a ``[B]`` int32 array of its own.

    Raises:
        RankMismatchError, DtypeMismatchError: not a flat list of int32.
        LengthMismatchError: not ``B`` numbers.
        OutOfRangeError: a negative number.

    """
    array = per_row(context, numbers)
    if B is not None and array.size != B:
        raise LengthMismatchError(context, B, array.size)
    check_not_negative(context, min(numbers_of(array), default=0))
    return array


def parse_padding(context: str, text: str) -> mx.array:
    """Return the left padding that the metadata of an empty batch carries.

    Raises:
        MetaParseError, OutOfRangeError: not numbers between commas, or a negative one.

    """
    numbers = parse_int32_list(context, "left_padding", text)
    return row_counts(f"{context}: left_padding", numbers)


def padding_text(left_padding: mx.array) -> str:
    """Return the left padding as metadata carries it."""
    return ",".join(str(n) for n in numbers_of(left_padding))


def check_kind(context: str, cache: object, kind: type) -> None:
    """Refuse a cache of another kind with ``InvariantViolationError``."""
    if not isinstance(cache, kind):
        requirement = f"needs a {kind.__name__}, not a {type(cache).__name__}"
        raise InvariantViolationError(context, requirement)


def _no_rows(like: mx.array, B: int, held: Pair) -> mx.array:
    # As in mlx-lm, values that are not there have the dtype of the keys, too.
    return mx.zeros((B, like.shape[1], 0, like.shape[3]), held[0].dtype)


def _stacked(context: str, blocks: Sequence[mx.array], ends: Sequence[int]) -> mx.array:
    """Return the rows of all blocks in one buffer, every block moved right to the latest end.

    The buffer is as long as the longest block: what another has behind its end may fall off.
    """
    slots, end = max(block.shape[2] for block in blocks), max(ends)
    moved = []
    for block, at in zip(blocks, ends, strict=True):
        check_alike(context, blocks[0], block, block.shape[0])
        left = end - at
        right = slots - block.shape[2] - left
        kept = block[:, :, :right] if right < 0 else block
        margins = left, max(0, right)
        moved.append(mx.pad(kept, [(0, 0), (0, 0), margins, (0, 0)]) if any(margins) else kept)
    return mx.concatenate(moved)


def merged_rows(context: str, members: Sequence[Pair | None]) -> tuple[Pair, list[int]] | None:
    """Return the members as rows that end together, and the padding before each.

    Args:
        context: for errors.
        members: keys and values of one row each, in the order of time; ``None`` has no tokens.

    Returns:
        ``None`` if no member has tokens. The dtype is that of the first member that has buffers.

    Raises:
        OutOfRangeError: no members.
        ShapePairMismatchError: members of more than one row, or of different heads or head dims.

    """
    if not members:
        raise OutOfRangeError(f"{context}: cache count", "must be at least 1", 0)
    held = [member for member in members if member is not None]
    lengths = [0 if member is None else member[0].shape[2] for member in members]
    length = max(lengths)
    for i, member in enumerate(members):
        if member is not None:
            for name, array, like in zip(("keys", "values"), member, held[0], strict=True):
                check_alike(f"{context}: {name} of cache {i}", like, array, 1)
    if not length:
        return None
    buffers = []
    for j in (0, 1):
        _, H, _, D = held[0][j].shape
        buffer = mx.zeros((len(members), H, length, D), held[0][0].dtype)
        for i, member in enumerate(members):
            if member is not None:
                buffer[i : i + 1, :, length - lengths[i] :] = member[j]
        buffers.append(buffer)
    return (buffers[0], buffers[1]), [length - n for n in lengths]


def check_alike(context: str, own: mx.array, other: mx.array, B: int) -> None:
    """Refuse an array of other than ``B`` rows, or of other heads or head_dim than ``own``."""
    expected = (B, own.shape[1], other.shape[2], own.shape[3])
    if other.shape != expected:
        raise ShapePairMismatchError(context, expected, other.shape)
