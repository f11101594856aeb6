"""What a scenario pins, held against what was observed."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from kvparity.operations import subject_of
from kvparity.paint import UNWRITTEN, Paint, Side
from kvparity.program import Op, Program
from kvparity.trace import ABSENT, Entry, Frozen, Held, Raised, Trace


@dataclass(frozen=True)
class Miss:
    """A fact that does not hold after an op: what was pinned, and what is there."""

    index: int
    fact: str
    expected: Any
    actual: Any
    cache: str | None = None


def misses(
    program: Program, trace: Trace, *, errors: bool, hardened_subject: bool
) -> Iterator[Miss]:
    """The facts that this trace does not meet.

    `errors` says whether `expect: {error: ...}` counts: it does for a hardened subject. Where the
    subject is not hardened, both sides play a step that should be refused for what it does to them,
    and no fact behind it is held. A fact that an implementation has not is passed over; but not
    where it is a hardened one, whose caches have every fact that there is for their kind.
    """
    for index, (op, entry) in enumerate(zip(program.ops, trace.entries, strict=False)):
        if op.expect is None:
            continue
        if op.refused is not None and not hardened_subject:
            return
        if errors and op.expect.error is not None:
            name = op.expect.error
            if entry.raised is None or not entry.raised.is_a(name):
                yield Miss(index, "error", name, entry.raised or "nothing raised")
        held = _subject(op, entry)
        for fact, expected in op.expect.facts.items():
            actual = _actual(fact, entry, held, program.paint)
            missed = errors if actual is ABSENT else not _meets(fact, expected, actual)
            if missed:
                yield Miss(index, fact, _shown(fact, expected), actual)


def broken_promises(trace: Trace, reference: Trace | None) -> Iterator[Miss]:
    """Where a side changed what it had handed out, or wrote to what it was given.

    What the `reference` does as well, if there is one, is no news.
    """
    others = () if reference is None else reference.entries
    for index, (entry, other) in enumerate(zip_longest(trace.entries, others)):
        if entry is None:
            return
        alike = other if other is not None else _KEEPING
        if entry.later is not None and alike.later is None:
            yield Miss(index, "handed_out", entry.returned, entry.later)
        if alike.inputs_kept and not entry.inputs_kept:
            yield Miss(index, "handed_in", "left as given", "written to")
        for (cache, field), later in entry.moved.items():
            if (cache, field) not in alike.moved:
                yield Miss(index, field, entry.held[cache].get(field), later, cache)


_KEEPING = Entry()
"""What changes nothing that it had handed out."""


def _subject(op: Op, entry: Entry) -> Held | None:
    name = subject_of(op)
    return entry.held.get(name) if name else None


def _actual(fact: str, entry: Entry, held: Held | None, paint: Paint) -> Any:
    if fact in _READERS:
        return _READERS[fact](entry, held, paint)
    if fact in entry.extra:
        return _plain(entry.extra[fact])
    return ABSENT if held is None else _plain(held.get(fact))


def _plain(value: Any) -> Any:
    """A flat array of whole numbers as a tuple of them: offsets and paddings, a row each."""
    if isinstance(value, Frozen) and len(value.shape) == 1 and value.dtype in {"int32", "int64"}:
        width = 4 if value.dtype == "int32" else 8
        code = "i" if width == 4 else "q"
        return struct.unpack(f"<{len(value.data) // width}{code}", value.data)
    return value


def _slots(_entry: Entry, held: Held | None, paint: Paint) -> Any:
    slots = ABSENT if held is None else held.get("slots")
    if not isinstance(slots, tuple):
        return slots
    return tuple(None if slot is None else _cells(slot, "keys", paint) for slot in slots)


def _cells(array: Any, side: Side, paint: Paint) -> Any:
    if is_quantized(array):
        return list(anchors(paint.cells(array[2], side)))
    if isinstance(array, Frozen) and len(array.shape) == 4:
        return paint.cells(array, side)
    return [[]] if array is None else array


def is_quantized(value: Any) -> bool:
    """Whether these are packed numbers, scales and biases: `mx.quantize` of keys or values."""
    if not isinstance(value, tuple) or len(value) != 3:
        return False
    if not all(isinstance(part, Frozen) for part in value):
        return False
    packed, scales, biases = value
    shapes = [part.shape for part in value]
    return (
        packed.dtype == "uint32"
        and scales.dtype == biases.dtype
        and scales.shape == biases.shape
        and all(len(shape) == 4 and shape[:3] == packed.shape[:3] for shape in shapes)
    )


def anchors(cells: list[list[int | str]]) -> Iterator[list[int | str]]:
    """The tokens of biases: `mx.quantize` keeps the number of a group that lies farthest from zero.

    That is one lane of the token's, so the lanes are not in their places; nothing else is wrong.
    """
    for row in cells:
        yield [_anchor(cell) for cell in row]


def _anchor(cell: int | str) -> int | str:
    token = str(cell).removesuffix("*")
    return int(token) if token.isdigit() else cell  # v3*: a value's, among keys


def _held_cells(side: Side) -> Callable[[Entry, Held | None, Paint], Any]:
    def read(_entry: Entry, held: Held | None, paint: Paint) -> Any:
        return ABSENT if held is None else _cells(held.get(side), side, paint)

    return read


def _fetched(entry: Entry, _held: Held | None, paint: Paint) -> Any:
    pair = entry.returned
    if not (isinstance(pair, tuple) and len(pair) == 2):
        return entry.raised or pair
    keys, values = _cells(pair[0], "keys", paint), _cells(pair[1], "values", paint)
    return keys if keys == values else {"keys": keys, "values": values}


def _mask(entry: Entry, _held: Held | None, _paint: Paint) -> Any:
    mask = entry.returned
    if mask is None and entry.raised is None:
        return "none"
    return tuple(mask_rows(mask)) if isinstance(mask, Frozen) else entry.raised or mask


def mask_rows(mask: Frozen) -> Iterator[str]:
    """The rows of a boolean mask, x where it attends; the leading axes follow one another."""
    width = mask.shape[-1] if mask.shape else 1
    for start in range(0, len(mask.data), max(1, width)):
        yield "".join("x" if byte else "." for byte in mask.data[start : start + width])


def _shape_of(value: Any) -> Any:
    value = value[0] if is_quantized(value) else value
    return value.shape if isinstance(value, Frozen) else ABSENT if value is ABSENT else None


def _dtype_of(value: Any) -> str | None:
    return getattr(value[2] if is_quantized(value) else value, "dtype", None)


_READERS: dict[str, Callable[[Entry, Held | None, Paint], Any]] = {
    "keys": _held_cells("keys"),
    "values": _held_cells("values"),
    "fetched": _fetched,
    "slots": _slots,
    "shape": lambda _entry, held, _paint: _shape_of(held.get("keys") if held else ABSENT),
    "dtype": lambda _entry, held, _paint: _dtype_of(held.get("keys") if held else None),
    "fetched_shape": lambda entry, _held, _paint: (
        _shape_of(entry.returned[0]) if isinstance(entry.returned, tuple) else entry.raised
    ),
    "returned": lambda entry, _held, _paint: entry.raised or entry.returned,
    "mask": _mask,
    "mask_shape": lambda entry, _held, _paint: _shape_of(entry.returned),
}
_TOKENS = {"keys", "values", "fetched"}
COMPARED_AS = {
    **dict.fromkeys(("fetched", "fetched_shape", "mask", "mask_shape"), "returned"),
    **dict.fromkeys(("shape", "dtype"), "keys"),
}
"""The field in which two sides differ where one of them misses such a fact."""


def _shown(fact: str, expected: Any) -> Any:
    """A fact as a report shows it: unwritten slots as their sign."""
    if fact not in _TOKENS:
        return expected
    return [[UNWRITTEN if cell is None else cell for cell in row] for row in expected]


def _meets(fact: str, expected: Any, actual: Any) -> bool:
    if isinstance(actual, Raised):
        return False
    if fact in _TOKENS:
        rows = _shown(fact, expected)
        if len(rows) == 1 and isinstance(actual, list):
            rows = rows * len(actual)
        return bool(rows == actual)
    if fact == "slots":
        return len(actual) == len(expected) and all(
            have is None if want is None else have is not None and _meets("keys", want, have)
            for want, have in zip(expected, actual, strict=True)
        )
    return type(actual) is type(expected) and bool(actual == expected)
