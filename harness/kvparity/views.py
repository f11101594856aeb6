"""Observations as the run file holds them: tokens, mask rows and plain numbers."""

from __future__ import annotations

import hashlib
import math
import struct
import zlib
from typing import Any

from kvparity.facts import anchors, is_quantized, mask_rows
from kvparity.observe import ANY_ERROR
from kvparity.paint import UNREADABLE, Paint, Side
from kvparity.program import Program
from kvparity.trace import Entry, Frozen, Held, Raised, Trace
from kvreports.model import (
    CacheView,
    ListValue,
    MaskArray,
    NumberArray,
    OpView,
    QuantizedArray,
    RaisedValue,
    SideView,
    TokenArray,
    Value,
)

_SHOWN_NUMBERS = 64
_MOST_SLOTS = 4096
"""Slots beyond which an array is shown as numbers."""
_BEFORE = 24
_AFTER = 8
_FORMATS = {
    "float32": "f", "float16": "e", "int32": "i", "uint32": "I", "int64": "q", "bool": "?",
    "uint8": "B", "int8": "b", "uint16": "H", "int16": "h",
}  # fmt: skip


def viewed(value: Any, field: str, paint: Paint) -> Value:
    """An observed value as a report shows it; `field` says what it is a value of."""
    side: Side = "values" if field == "values" else "keys"
    if isinstance(value, Frozen):
        return _array(value, side, paint)
    if isinstance(value, Raised):
        return RaisedValue(raised=value.name, message=value.message)
    if is_quantized(value) and _is_short(value[0]):
        return _quantized(value, side, paint)
    if isinstance(value, tuple | list):
        pair = len(value) == 2 and field != "slots"
        sides = ("keys", "values") if pair else (field,) * len(value)
        items = (viewed(item, name, paint) for item, name in zip(value, sides, strict=True))
        return ListValue(items=tuple(items))
    if isinstance(value, dict):
        items = (viewed(item, name, paint) for name, item in value.items())
        return ListValue(items=tuple(items))
    return value if isinstance(value, bool | int | float | str | None) else _said(value)


def _said(value: object) -> str:
    """What a value says of itself, or what it is where it cannot."""
    try:
        return repr(value)
    except ANY_ERROR:  # the implementation's
        return f"<{type(value).__name__}>"


def _is_short(array: Frozen) -> bool:
    return array.shape[0] * array.shape[2] <= _MOST_SLOTS


def _quantized(parts: tuple[Frozen, ...], side: Side, paint: Paint) -> QuantizedArray:
    packed, _, biases = parts
    batch, heads, length, _ = packed.shape
    digests = [
        [_slot_digest(parts, row, slot, heads, length) for slot in range(length)]
        for row in range(batch)
    ]
    return QuantizedArray(
        dtype=biases.dtype,
        shape=packed.shape,
        rows=tuple(map(tuple, anchors(paint.cells(biases, side)))),
        digests=tuple(map(tuple, digests)),
    )


def _slot_digest(parts: tuple[Frozen, ...], row: int, slot: int, heads: int, length: int) -> str:
    """A digest of one slot of one row: every head's packed numbers, scales and biases."""
    digest = 0
    for part in parts:
        width = len(part.data) // math.prod(part.shape[:3])
        for head in range(heads):
            start = ((row * heads + head) * length + slot) * width
            digest = zlib.crc32(part.data[start : start + width], digest)
    return f"{digest:08x}"


def _array(array: Frozen, side: Side, paint: Paint) -> Value:
    dtype, shape = array.dtype, array.shape
    if dtype == "bool" and len(shape) in (1, 2, 4):
        return MaskArray(dtype=dtype, shape=shape, rows=tuple(mask_rows(array)))
    if len(shape) == 4 and _is_short(array):
        rows = paint.cells(array, side)
        if any(cell != UNREADABLE for row in rows for cell in row) or not array.data:
            return TokenArray(dtype=dtype, shape=shape, rows=tuple(map(tuple, rows)))
    return NumberArray(
        dtype=dtype,
        shape=shape,
        numbers=_numbers(array),
        sha256=hashlib.sha256(array.data).hexdigest(),
    )


def _numbers(array: Frozen) -> tuple[float | int | bool | str, ...]:
    """The first numbers, those that JSON has no word for spelled out."""
    if array.dtype == "bfloat16":
        widened = b"".join(b"\0\0" + array.data[i : i + 2] for i in range(0, len(array.data), 2))
        array = Frozen("float32", array.shape, widened)
    code = _FORMATS.get(array.dtype)
    if code is None:
        return ()
    width = struct.calcsize(code)
    count = min(_SHOWN_NUMBERS, len(array.data) // width)
    numbers = struct.unpack(f"<{count}{code}", array.data[: count * width])
    return tuple(x if math.isfinite(x) else str(x) for x in numbers)


def around(program: Program, subject: Trace, reference: Trace, index: int) -> tuple[OpView, ...]:
    """The ops near one of them, on both sides, from a good way before it to a little after."""
    first, last = max(0, index - _BEFORE), min(len(program.ops), index + _AFTER + 1)
    return op_views(program, subject, reference, range(first, last))


def op_views(
    program: Program, subject: Trace, reference: Trace, indices: range
) -> tuple[OpView, ...]:
    """Some ops on both sides."""
    return tuple(
        OpView(
            index=index,
            step=program.ops[index].index + 1,
            label=program.label(program.ops[index]),
            subject=_side(program, subject, index),
            reference=_side(program, reference, index),
        )
        for index in indices
    )


def _side(program: Program, trace: Trace, index: int) -> SideView | None:
    if index >= len(trace.entries):
        return None
    entry = trace.entries[index]
    return SideView(
        returned=_returned(entry, program.paint),
        raised=_raised(entry),
        aside=entry.aside,
        caches={name: _cache(held, program.paint) for name, held in entry.held.items()},
    )


def _returned(entry: Entry, paint: Paint) -> Value:
    return viewed(entry.returned, "returned", paint)


def _raised(entry: Entry) -> RaisedValue | None:
    if entry.raised is None:
        return None
    return RaisedValue(raised=entry.raised.name, message=entry.raised.message)


def _cache(held: Held, paint: Paint) -> CacheView:
    fields = {
        name: viewed(value, name, paint)
        for name, value in zip(held.names, held.values, strict=True)
    }
    return CacheView(kind=held.kind, fields=fields)
