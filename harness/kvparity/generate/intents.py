"""What may be drawn for each kind: the intents, boundaries first.

Sizes stand around what the behaviour of the caches turns on, as they do in `starts`. The plainest
intent stands first, for that is what a failure shrinks to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import cycle, product

from kvparity.generate import reuse
from kvparity.generate.sequence import Intent
from kvscenarios.caches import CacheSpec

Specs = Mapping[str, CacheSpec]
_ROWS = {"batch", "batch_rotating"}


def table(kind: str, specs: Specs) -> tuple[Intent, ...]:
    """TABLE intents to draw from: each operation often enough, in the first quarter already.

    What a letter of a text stands for, when texts are drawn: the plainest come first.
    """
    first = next(iter(specs.values()))
    bounds = {getattr(spec, name, None) for name in _BOUNDS for spec in specs.values()}
    mixed = len(specs) > 1 or first.kind in _ROWS
    return _table(kind, tuple(sorted(b for b in bounds if b)), mixed)


_BOUNDS = ("max_size", "chunk_size", "step")
TABLE = 1024


@lru_cache(maxsize=256)
def _table(kind: str, bounds: tuple[int, ...], mixed: bool) -> tuple[Intent, ...]:
    around = {n for bound in bounds for n in (bound - 1, bound, bound + 1)}
    sizes = sorted({1, 2, 3, 7} | {n for n in around if 0 < n <= 20})
    which = range(4 if mixed else 2)
    parts = {
        "writes": lambda: _writes(sizes, which),
        "trims": lambda: _trims(sizes, which),
        "masks": lambda: _masks_of(sizes, bounds, which),
        "lives": lambda: _lives(which),
        "rows": lambda: _rows(sizes, which) if mixed else (),
        "slots": lambda: _slots(which),
        "functions": lambda: _functions(sizes),
        "prompts": lambda: _prompts(sizes, which),
        "appends": lambda: _appends(sizes, which),
        "tries": _tries,
        "lrus": _lrus,
    }
    found = [intent for part in _PARTS.get(kind, _CACHE) for intent in parts[part]()]
    return tuple(_weighed(intent for intent in found if _makes_sense(kind, intent)))


_CACHE = ("writes", "trims", "masks", "lives", "rows")
_PARTS = {
    "arrays": ("slots", "masks", "lives", "rows"),
    "list": (*_CACHE, "slots"),
    "tokens": ("appends",),
    "trie": ("tries",),
    "lru": ("lrus", "writes", "trims", "rows"),
    "masks": ("functions", "writes", "masks"),
    "prompt": ("prompts", "writes", "trims", "masks", "lives", "slots"),
}
_WEIGHTS = {
    "decode": 12,
    "update": 12,
    "append": 12,
    "merge": 8,
    "extract": 8,
    "set_slot": 12,
    "lru_request": 12,
    "lru_insert": 8,
    "lru_fetch": 8,
    "trie_add": 12,
    "trie_search": 8,
    "trim": 8,
    "make_mask": 6,
    "forward": 8,
    "copy": 2,
    "save": 1,
    "materialize": 2,
}
"""How often an operation is drawn among others: 4 is the usual weight.

A file is drawn seldom, for it costs as much time as a dozen other steps.
"""


def _weighed(found: Iterable[Intent]) -> Iterator[Intent]:
    """Each operation as often as its weight says, however many variants it has, and well mixed."""
    by_op: dict[str, list[Intent]] = {}
    for intent in found:
        by_op.setdefault(intent.op, []).append(intent)
    variants = {op: cycle(group) for op, group in by_op.items()}
    weights = {op: _WEIGHTS.get(op, 4) for op in by_op}
    total, credit = sum(weights.values()), dict.fromkeys(by_op, 0)
    for _ in range(TABLE):
        for op, weight in weights.items():
            credit[op] += weight
        op = max(credit, key=lambda one: credit[one])
        credit[op] -= total
        yield next(variants[op])


def _makes_sense(kind: str, intent: Intent) -> bool:
    if intent.op in _ONLY:
        return kind == _ONLY[intent.op]
    return not (kind == "arrays" and intent.op == "materialize")


_ONLY = {"maybe_trim_front": "chunked", "to_quantized": "standard"}


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


def _masks_of(sizes: list[int], bounds: tuple[int, ...], which: range) -> Iterator[Intent]:
    windows = sorted({1, 2, *bounds, *(bound - 1 for bound in bounds if bound > 1)})
    for n, window, at in product(sizes, ["held", None, "held", *bounds], which):
        yield Intent("forward", n, at, (window, False))
    for window, array, at in product([None, "held", *windows], [False, True], which):
        several = sizes[1 + (window if isinstance(window, int) else 0) % (len(sizes) - 1)]
        yield Intent("make_mask", 1, at, (window, array))
        yield Intent("make_mask", several, at, (window, array))


def _lives(which: range) -> Iterator[Intent]:
    for op, at in product(("round_trip", "copy", "save", "materialize"), which):
        yield Intent(op, 0, at)
    for bits in (8, 4, 2):
        yield Intent("to_quantized", 0, 0, (64, bits))


def _rows(sizes: list[int], which: range) -> Iterator[Intent]:
    for at in which:
        for rows in (1, 2, 3):
            yield Intent("merge", rows, at)
        for row in range(5):
            yield Intent("extract", row, at)
        for mask in (1, 2, 3, 5, 6, 7, 13, 30):
            yield Intent("filter", mask, at, mask == 3)
        for other in range(3):
            yield Intent("extend", other, at)
        for code in (0b000001, 0b000110, 0b110010, 0b0111, 0b1000111001):
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


def _appends(sizes: list[int], which: range) -> Iterator[Intent]:
    for n, at in product([*sizes, 0], which):
        yield Intent("append", n, at)
    for at in which:
        yield Intent("copy", 0, at)


def _tries() -> Iterator[Intent]:
    prompts = range(len(reuse.PROMPTS))
    for op in ("trie_add", "trie_search", "trie_get", "trie_pop", "trie_pop_prefixes"):
        for how, n in product((None, "other"), prompts):
            yield Intent(op, n, 0, how)


def _lrus() -> Iterator[Intent]:
    prompts = range(len(reuse.PROMPTS))
    for kind, n in product(range(len(reuse.TYPES)), prompts):
        yield Intent("lru_request", n, 0, (0, 1, kind, _model(n + kind)))
        for first in range(3):
            given = (first, 1 + (n + kind) % 2, kind, _model(n + kind + first))
            yield Intent("lru_insert", n, 0, given)
    for how, n in product((None, "other"), prompts):
        yield Intent("lru_fetch", n, 0, how)
    for n in (1, 0, 2, 3):
        yield Intent("lru_trim_to", n, 0, "n_sequences")
    for n in (500, 100, 0):
        yield Intent("lru_trim_to", n, 0, "n_bytes")
    yield Intent("lru_stats")


def _model(n: int) -> str | None:
    """Another model every third time."""
    return "other" if n % 3 == 2 else None


def _functions(sizes: list[int]) -> Iterator[Intent]:
    windows = (None, *sizes)
    for n, offset, at in product(sizes, (0, 1, 3, 7), range(len(windows))):
        yield Intent("create_causal_mask", n, 0, (offset, windows[at], (n + at) % 4))
        yield Intent("create_attention_mask", n, 0, (offset, windows[at], (n + at) % 2))
    for n, shifts in product(sizes, ((1,), (0, 2), (3, 1, 0))):
        yield Intent("dynamic_roll", n, 0, shifts)


def _prompts(sizes: list[int], which: range) -> Iterator[Intent]:
    for n in sizes:
        yield Intent("prefill_all", n)
    for n, at in product([*sizes, 0], which):
        yield Intent("trim_prompt_cache", n, at)
        yield Intent("can_trim_prompt_cache", 0, at)
    for n, window in product((1, 2, 0), (None, 5, 8)):
        yield Intent("make_prompt_cache", n, 0, window)
