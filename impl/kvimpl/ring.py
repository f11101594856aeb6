"""What the rings share, of one sequence or of a batch: what is filled, and what a window may be."""

from __future__ import annotations

from typing import ClassVar, NoReturn

from .buffers import Pair
from .errors import InvariantViolationError, OutOfRangeError


class Ring:
    """The part of a ring that its number of rows makes no difference to."""

    reference_class_name: ClassVar[str]

    def to_quantized(self, group_size: int = 64, bits: int = 4) -> NoReturn:
        """Refuse: as in mlx-lm, not for this kind.

        Raises:
            InvariantViolationError: always.

        """
        requirement = f"quantizing a ring (group_size {group_size}, bits {bits}) is not defined"
        raise InvariantViolationError(f"{self.reference_class_name}.to_quantized", requirement)


def filled(held: Pair, offset: int) -> Pair:
    """Return the slots that have been written, under handles of their own."""
    keys, values = held
    if offset < keys.shape[2]:
        return keys[:, :, :offset], values[:, :, :offset]
    return keys[...], values[...]


def check_max_size(context: str, max_size: int) -> None:
    """Hold a window against the least that it can be.

    Raises:
        OutOfRangeError: it is below 1.

    """
    if max_size < 1:
        raise OutOfRangeError(f"{context}: max_size", "must be at least 1", max_size)


def check_cursor(context: str, slots: int, idx: int) -> None:
    """Hold a cursor against the buffer that it points into.

    Raises:
        OutOfRangeError: it is past the end.

    """
    if idx > slots:
        requirement = f"must not pass the {slots} slots of the buffer"
        raise OutOfRangeError(f"{context}: _idx", requirement, idx)
