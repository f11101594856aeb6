"""Reading metadata strings, which come from files and are not to be trusted.

Only decimal digits are a number here, and only as many as a 64-bit number has: ``int()`` would
also take ``" 1_000 "``, and a long enough string would keep it busy.
"""

from __future__ import annotations

from collections.abc import Sequence

from .errors import LengthMismatchError, MetaParseError, OutOfRangeError
from .masks import MAX_POSITION


def parse_numbers(context: str, names: Sequence[str], meta: Sequence[str]) -> list[int]:
    """Return the numbers in ``meta``, one for each name.

    Raises:
        LengthMismatchError: more or fewer strings than names.
        MetaParseError: a string is not a decimal number.
        OutOfRangeError: a number is negative or does not fit 64 bits.

    """
    if len(meta) != len(names):
        raise LengthMismatchError(context, len(names), len(meta))
    return [parse_number(context, name, text) for name, text in zip(names, meta, strict=True)]


def parse_number(context: str, name: str, text: str) -> int:
    """Return the unsigned 64-bit number that ``text`` is.

    Raises:
        MetaParseError, OutOfRangeError: see ``parse_numbers``.

    """
    value = _integer(context, name, text)
    if not 0 <= value <= MAX_POSITION:
        raise OutOfRangeError(f"{context}: {name}", "must fit an unsigned 64-bit number", value)
    return value


def parse_int32_list(context: str, name: str, text: str) -> list[int]:
    """Return the numbers in ``text``, separated by commas; none if it is empty.

    Raises:
        MetaParseError: an entry is not a decimal number.
        OutOfRangeError: an entry does not fit a signed 32-bit number.

    """
    numbers = [_integer(context, name, entry) for entry in str(text).split(",")] if text else []
    for value in numbers:
        if not -(2**31) <= value < 2**31:
            raise OutOfRangeError(f"{context}: {name}", "must fit a signed 32-bit number", value)
    return numbers


def _integer(context: str, name: str, text: str) -> int:
    digits = str(text).removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise MetaParseError(context, name)
    # 64 digits are far past any width, and cheap to read.
    return int(str(text)[:64])
