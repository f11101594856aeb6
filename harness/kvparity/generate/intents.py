"""What may be drawn for each kind: the caches to start with, and the intents, boundaries first.

Sizes stand around what a cache's behaviour turns on: its window, its chunk, the step by which its
buffer grows. The plainest intent stands first, for that is what a failure shrinks to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import cycle, islice, product

from pydantic import TypeAdapter

from kvparity.generate.sequence import Intent
from kvscenarios.caches import CacheSpec

Specs = Mapping[str, CacheSpec]
_SPEC: TypeAdapter[CacheSpec] = TypeAdapter(CacheSpec)

_STEPS = (4, 1, 3, 8)
_DTYPES = ("float32", "float16", "bfloat16")


def _specs(*caches: Mapping[str, object]) -> dict[str, CacheSpec]:
    """One cache by the name of an only one, several by letters."""
    names = ["cache"] if len(caches) == 1 else list("abcdefgh")
    parsed = [_SPEC.validate_python(cache) for cache in caches]
    return dict(zip(names, parsed, strict=False))


@lru_cache
def starts(kind: str) -> tuple[dict[str, CacheSpec], ...]:
    """The caches that a scenario of this kind may start with."""
    return tuple(_STARTS[kind]())


def _flat(kind: str) -> Iterator[dict[str, CacheSpec]]:
    for step, dtype in product(_STEPS, _DTYPES):
        yield _specs({"kind": kind, "step": step, "dtype": dtype})
        yield _specs({"kind": kind, "step": step, "batch": 2, "heads": 1, "head_dim": 2})
    yield _specs({"kind": kind})


def _standard() -> Iterator[dict[str, CacheSpec]]:
    yield from _flat("standard")
    for step in _STEPS:
        yield _specs({"kind": "standard", "step": step, "head_dim": 64, "value_head_dim": 128})


def _rotating() -> Iterator[dict[str, CacheSpec]]:
    for max_size, keep, step in product((4, 1, 2, 3, 5, 8), (0, 1, 3), (4, 1, 3)):
        if keep < max_size:
            ring = {"kind": "rotating", "max_size": max_size, "step": step}
            yield _specs(ring | ({"keep": keep} if keep else {}))


def _chunked() -> Iterator[dict[str, CacheSpec]]:
    for chunk, step in product((4, 1, 3, 8, None), (4, 1, 3)):
        size = {} if chunk is None else {"chunk_size": chunk}
        yield _specs({"kind": "chunked", "step": step} | size)


def _quantized() -> Iterator[dict[str, CacheSpec]]:
    for step, bits, group in product((4, 1, 3), (8, 4, 2), (64, 32)):
        yield _specs({"kind": "quantized", "step": step, "bits": bits, "group_size": group})


def _batch() -> Iterator[dict[str, CacheSpec]]:
    for step, padding in product(_STEPS, ([0, 0], [1, 0], [0, 3], [2, 0, 1])):
        yield _specs({"kind": "batch", "left_padding": padding, "step": step})
        rows = [{"kind": "standard", "step": step}] * 3
        yield _specs({"kind": "batch", "left_padding": padding, "step": step}, *rows)
        yield _specs(*rows)


def _batch_rotating() -> Iterator[dict[str, CacheSpec]]:
    paddings = ([0, 0], [1, 0], [0, 3], [2, 0, 1])
    for max_size, step, padding in product((4, 1, 3, 8), (4, 1, 3), paddings):
        batch = {"kind": "batch_rotating", "max_size": max_size, "left_padding": padding}
        rows = [{"kind": "rotating", "max_size": max_size, "step": step}] * 3
        yield _specs(batch | {"step": step})
        yield _specs(batch | {"step": step}, *rows)
        yield _specs(*rows)


def _arrays() -> Iterator[dict[str, CacheSpec]]:
    for size, batch in product((2, 1, 3), (1, 2)):
        slots = {"kind": "arrays", "size": size, "batch": batch}
        yield _specs(slots)
        yield _specs(slots, slots, slots)
        yield _specs(slots | {"left_padding": [0, 2][:batch]})


def _list() -> Iterator[dict[str, CacheSpec]]:
    parts: tuple[dict[str, object], ...] = (
        {"kind": "standard", "step": 4},
        {"kind": "rotating", "max_size": 4, "step": 3},
        {"kind": "arrays", "size": 1},
    )
    for first, second in product(parts[:2], parts):
        pair = {"kind": "list", "caches": [first, second]}
        yield _specs(pair)
        yield _specs(pair, pair, pair)


_STARTS = {
    "standard": _standard,
    "concatenate": lambda: _flat("concatenate"),
    "rotating": _rotating,
    "chunked": _chunked,
    "quantized": _quantized,
    "batch": _batch,
    "batch_rotating": _batch_rotating,
    "arrays": _arrays,
    "list": _list,
}
KINDS = tuple(_STARTS)


def intents(specs: Specs) -> tuple[Intent, ...]:
    """What may be done to these caches, often enough each."""
    first = next(iter(specs.values()))
    bounds = [getattr(first, name, None) for name in ("max_size", "chunk_size", "step")]
    return _intents(first.kind, tuple(sorted({b for b in bounds if b})), len(specs))


@lru_cache
def _intents(kind: str, bounds: tuple[int, ...], caches: int) -> tuple[Intent, ...]:
    rows = caches > 1 or kind in {"batch", "batch_rotating"}
    which = range(4 if rows else 2)
    around = {n for bound in bounds for n in (bound - 1, bound, bound + 1)}
    sizes = sorted({1, 2, 3, 7} | {n for n in around if 0 < n <= 20})
    written = [*_writes(sizes, which)]
    looked_at = [*_masks(sizes, bounds, which)]
    others = [*_lives(which), *(_rows(sizes, which) if rows else ())]
    found = [*written, *_trims(sizes, which), *looked_at, *others]
    if kind in {"arrays", "list"}:
        found += _slots(which)
    return tuple(_weighed(intent for intent in found if _makes_sense(kind, intent)))


_WEIGHTS = {
    "decode": 6,
    "update": 6,
    "merge": 4,
    "trim": 3,
    "make_mask": 3,
    "copy": 1,
    "save": 1,
    "materialize": 1,
}
_SHARE = 24
"""Entries that an operation of weight 1 has among those drawn from: 2 is the usual weight."""


def _weighed(found: Iterable[Intent]) -> Iterator[Intent]:
    """Each operation as often as its weight says, however many variants it has."""
    by_op: dict[str, list[Intent]] = {}
    for intent in found:
        by_op.setdefault(intent.op, []).append(intent)
    for op, variants in by_op.items():
        yield from islice(cycle(variants), max(len(variants), _SHARE * _WEIGHTS.get(op, 2)))


def _makes_sense(kind: str, intent: Intent) -> bool:
    if intent.op == "maybe_trim_front":
        return kind == "chunked"
    if intent.op == "to_quantized":
        return kind == "standard"
    return kind != "arrays" or intent.op not in _HOLDING_ONLY


_HOLDING_ONLY = {"update", "decode", "trim", "materialize"}


def _writes(sizes: list[int], which: range) -> Iterator[Intent]:
    for n, at in product(sizes, which):
        yield Intent("decode", n, at)
        yield Intent("update", n, at)
    yield Intent("update", 0)


def _trims(sizes: list[int], which: range) -> Iterator[Intent]:
    for n, at in product([0, *sizes], which):
        yield Intent("trim", n, at)
    for at in which:
        yield Intent("maybe_trim_front", 0, at)


def _masks(sizes: list[int], bounds: tuple[int, ...], which: range) -> Iterator[Intent]:
    windows = sorted({1, 2, *bounds, *(bound - 1 for bound in bounds if bound > 1)})
    for window, array, at in product([None, *windows], [False, True], which):
        yield Intent("make_mask", 1, at, (window, array))
        yield Intent("make_mask", sizes[(window or 0) % len(sizes)], at, (window, array))


def _lives(which: range) -> Iterator[Intent]:
    for op, at in product(("round_trip", "copy", "save", "materialize"), which):
        yield Intent(op, 0, at)
    for bits in (8, 4, 2):
        yield Intent("to_quantized", 0, 0, (64, bits))


def _rows(sizes: list[int], which: range) -> Iterator[Intent]:
    for at in which:
        for rows in (1, 2, 3):
            yield Intent("merge", rows, at)
        for row in range(4):
            yield Intent("extract", row, at)
        for mask in (1, 2, 3, 5, 6, 7, 13):
            yield Intent("filter", mask, at, mask == 3)
        for other in range(3):
            yield Intent("extend", other, at)
        for code in (0b000001, 0b000110, 0b110010, 0b0111):
            yield Intent("prepare_left", code, at)
            for n in sizes:
                yield Intent("prepare_right", code, at, n)
        yield Intent("finalize", 0, at)
        yield Intent("finalize", 1, at)


def _slots(which: range) -> Iterator[Intent]:
    for at in which:
        for index in range(3):
            yield Intent("set_slot", index, at)
            yield Intent("advance", index, at)
        yield Intent("set_slot", 0, at, "empty")
        for code in (0b1110, 0b0011, 0b1101):
            yield Intent("prepare_lengths", code, at)
        for op in ("filter", "finalize", "extract"):
            yield Intent(op, 1, at)
        yield Intent("filter", 3, at, True)
