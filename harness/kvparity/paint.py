"""Token ids painted into keys and values, and read back.

Every lane of every row gets a number of its own: token, batch row, head, lane of the head, and
whether it is a key (positive) or a value (negative). A swapped head, lane or row, or keys taken for
values, is therefore seen. The number is exact in its dtype: an integer in float32, a bit pattern of
a normal number in the 16-bit types. Zero is painted nowhere, so that an unwritten slot shows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import mlx.core as mx

from kvparity.observe import array_bytes
from kvparity.trace import Frozen

Side = Literal["keys", "values"]

_FIRST = {"float32": 1, "float16": 0x0400, "bfloat16": 0x0080}
_END = {"float32": 1 << 24, "float16": 0x7C00, "bfloat16": 0x7F80}
_FORMAT = {"float32": "f", "float16": "H", "bfloat16": "H"}
_WIDTH = {"float32": 4, "float16": 2, "bfloat16": 2}
_SIGN = 0x8000
_REMEMBERED = 4096
"""Arrays painted before that are kept: scenarios begin alike."""

UNWRITTEN = "·"
"""How a slot is shown in which every lane is zero."""
UNREADABLE = "?"
"""How a slot is shown that holds what no token was painted as."""


class PaintError(ValueError):
    """Token ids that the dtype cannot tell apart."""


@dataclass(frozen=True)
class Painted:
    """An array as it was painted, which nobody is given, and its bytes."""

    array: mx.array

    @cached_property
    def data(self) -> bytes:
        """In row-major order; evaluates the array."""
        return array_bytes(self.array)


@dataclass(frozen=True)
class Paint:
    """The numbering of one scenario: as many batch rows, heads and lanes as it has at most."""

    batch: int
    heads: int
    lanes: int

    @cached_property
    def radix(self) -> int:
        """Numbers that one token takes up."""
        return max(1, self.batch * self.heads * self.lanes)

    def check(self, token: int, dtype: str) -> None:
        """Hold a token against what the dtype can tell apart. Raises PaintError."""
        capacity = (_END[dtype] - _FIRST[dtype]) // self.radix
        if token >= capacity:
            raise PaintError(
                f"token {token} cannot be told apart in {dtype}: with {self.radix} lanes a token, "
                f"ids go up to {capacity - 1}; use smaller ids, fewer lanes or float32"
            )

    @lru_cache(maxsize=_REMEMBERED)  # noqa: B019 - keyed by value: equal paints share it
    def tensor(
        self,
        rows: tuple[tuple[int, ...], ...],
        shape: tuple[int, int, int],
        dtype: str,
        side: Side,
    ) -> Painted:
        """The tokens as an array [batch, heads, S, lanes]; `shape` is (batch, heads, lanes).

        One row of tokens stands for every batch row. The array is to be given out under handles
        of their own: it is painted once for all who ask for the same.
        """
        batch, heads, lanes = shape
        first = _FIRST[dtype]
        rows = (rows[0],) * batch if len(rows) == 1 else rows
        # Written out here: so small an array costs mlx more to compute than to be told.
        codes = [
            token * self.radix + (row * self.heads + head) * self.lanes + lane + first
            for row, tokens in enumerate(rows)
            for head in range(heads)
            for token in tokens
            for lane in range(lanes)
        ]
        form = (batch, heads, len(rows[0]) if rows else 0, lanes)
        if dtype == "float32":
            sign = 1 if side == "keys" else -1
            return Painted(mx.array([sign * code for code in codes], mx.float32).reshape(form))
        bits = codes if side == "keys" else [code + _SIGN for code in codes]
        return Painted(mx.array(bits, mx.uint16).view(getattr(mx, dtype)).reshape(form))

    def cells(self, array: Frozen, side: Side) -> list[list[int | str]]:
        """The tokens of an array [batch, heads, S, lanes], a list of slots for each batch row.

        A slot is its token, `·` where unwritten, `v3` or `k3` where a value stands for a key or the
        other way round, `3*` where token 3 is there in the wrong lanes, `?` otherwise.
        """
        batch, heads, length, lanes = array.shape
        if array.dtype not in _FORMAT:
            return [[UNREADABLE] * length for _ in range(batch)]
        data, width = array.data, lanes * _WIDTH[array.dtype]
        known = self._known.setdefault((array.dtype, heads, lanes, side), {})
        found: list[list[int | str]] = []
        for row in range(batch):
            slots: list[int | str] = []
            for slot in range(length):
                starts = [((row * heads + head) * length + slot) * width for head in range(heads)]
                painted = b"".join([data[start : start + width] for start in starts])
                cell = known.get(painted)
                if cell is None:
                    cell = known[painted] = self._cell(_codes(painted, array.dtype), lanes, side)
                slots.append(cell)
            found.append(slots)
        return found

    @cached_property
    def _known(self) -> dict[tuple[str, int, int, Side], dict[bytes, int | str]]:
        """Slots read before: a token stands in the same lanes step after step."""
        return {}

    def _cell(self, codes: list[int] | None, lanes: int, side: Side) -> int | str:
        if codes is None:
            return UNREADABLE
        if not any(codes):
            return UNWRITTEN
        sign = 1 if side == "keys" else -1
        if all(code * sign < 0 for code in codes):
            other: Side = "values" if side == "keys" else "keys"
            return f"{'v' if side == 'keys' else 'k'}{self._cell(codes, lanes, other)}"
        if not all(code * sign > 0 for code in codes):
            return UNREADABLE
        tokens = {(abs(code) - 1) // self.radix for code in codes}
        if len(tokens) > 1:
            return UNREADABLE
        token = tokens.pop()
        row = self.heads * self.lanes
        start = (abs(codes[0]) - 1) // row * row + 1
        expected = [
            sign * (start + at // lanes * self.lanes + at % lanes) for at in range(len(codes))
        ]
        return token if codes == expected else f"{token}*"


@lru_cache(maxsize=256)
def shared(batch: int, heads: int, lanes: int) -> Paint:
    """The paint of these sizes, with what it has read and painted before."""
    return Paint(batch, heads, lanes)


def _codes(data: bytes, dtype: str) -> list[int] | None:
    """Signed numbers, token 0's first lane being 1; None where these are no paint."""
    raw = struct.unpack(f"<{len(data) // _WIDTH[dtype]}{_FORMAT[dtype]}", data)
    if dtype == "float32":
        return list(map(int, raw)) if all(x.is_integer() for x in raw) else None
    shift = _FIRST[dtype] - 1
    return [
        0 if code == 0 else shift - (code & ~_SIGN) if code & _SIGN else code - shift
        for code in raw
    ]
