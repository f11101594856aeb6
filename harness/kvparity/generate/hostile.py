"""Steps that a hardened cache must refuse, and stay as it was: nothing here changes a shadow.

Each pins `CacheError`, the class above all of kvimpl's; which of them it is, the corpus pins. Masks
of hostile sizes stay there, too: mlx dies of them when the reference is asked for one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

from kvparity.generate import building
from kvparity.generate.sequence import Intent, Sequence
from kvparity.generate.shadow import BATCHES, HOLDING, Shadow

_WIDE = 2**64 - 1

_SHAPES: tuple[list[int], ...] = ([3], [2, 3], [1, 2, 3], [1, 2, 3, 4, 1], [])


def _wrong_rank(_cache: Shadow, n: int) -> tuple[str, Any] | None:
    shape = _SHAPES[n % len(_SHAPES)]
    return "update", {"keys": {"shape": shape}, "values": {"shape": shape}}


def _unlike_values(_cache: Shadow, n: int) -> tuple[str, Any] | None:
    return "update", {"keys": [0] * (n + 2), "values": [0] * (n + 3)}


def _other_heads(cache: Shadow, n: int) -> tuple[str, Any] | None:
    heads = {"tokens": [0] * (n + 1), "heads": cache.form.heads + 1}
    return ("update", {"keys": heads, "values": heads}) if cache.touched else None


def _other_rows(cache: Shadow, n: int) -> tuple[str, Any] | None:
    rows = {"tokens": [0] * (n + 1), "batch": cache.rows + 1}
    return ("update", {"keys": rows, "values": rows}) if cache.touched else None


def _other_lanes(cache: Shadow, n: int) -> tuple[str, Any] | None:
    keys = {"tokens": [0] * (n + 1), "head_dim": cache.form.head_dim + 1}
    return ("update", {"keys": keys, "values": [0] * (n + 1)}) if cache.touched else None


def _negative_trim(_cache: Shadow, n: int) -> tuple[str, Any] | None:
    return "trim", -(n + 1)


def _missing_row(cache: Shadow, n: int) -> tuple[str, Any] | None:
    known = cache.kind in BATCHES
    return ("filter", [0, cache.rows + n]) if known else None


def _missing_extract(cache: Shadow, n: int) -> tuple[str, Any] | None:
    return ("extract", cache.rows + n) if cache.kind in BATCHES else None


def _late_padding(cache: Shadow, n: int) -> tuple[str, Any] | None:
    late = cache.kind in BATCHES and cache.touched
    return ("prepare", {"left_padding": [n] * cache.rows}) if late else None


def _metadata(_cache: Shadow, n: int) -> tuple[str, Any] | None:
    words = (["x"], ["1", "x", "2", "3", "4", "5", "6"], ["-1"], [str(_WIDE * 10)])
    return "set_meta_state", words[n % len(words)]


def _state(_cache: Shadow, n: int) -> tuple[str, Any] | None:
    return "set_state", [{"shape": [2, 3]}] * (1, 2, 9)[n % 3]


_WAYS: dict[str, Callable[[Shadow, int], tuple[str, Any] | None]] = {
    "wrong-rank": _wrong_rank,
    "unlike-values": _unlike_values,
    "other-heads": _other_heads,
    "other-rows": _other_rows,
    "other-lanes": _other_lanes,
    "negative-trim": _negative_trim,
    "missing-row": _missing_row,
    "missing-extract": _missing_extract,
    "late-padding": _late_padding,
    "metadata": _metadata,
    "state": _state,
}


_ABSENT: dict[str, Any] = {"tokens": [99, 98]}


def _unknown_prompt(sequence: Sequence, intent: Intent) -> None:
    """Ask a trie for what nobody stored, or an LRU to keep under a type that nobody knows."""
    cache = sequence.pick(intent.which, {"trie"})
    if cache is not None:
        op = ("trie_get", "trie_pop", "trie_pop_prefixes")[intent.n % 3]
        sequence.steps.append(building.refused(op, _ABSENT, on=cache.name))


def _unknown_type(sequence: Sequence, intent: Intent) -> None:
    lru, kept = sequence.pick(intent.which, {"lru"}), sequence.pick(intent.n, HOLDING)
    if lru is not None and kept is not None:
        entry = {**_ABSENT, "caches": [kept.name], "cache_type": "tool"}
        sequence.steps.append(building.refused("lru_insert", entry, on=lru.name))


def _impossible_cache(sequence: Sequence, intent: Intent) -> None:
    specs: tuple[dict[str, Any], ...] = (
        {"kind": "lru", "max_size": -1},
        {"kind": "lru", "max_bytes": -1},
        {"kind": "rotating", "max_size": -1},
        {"kind": "arrays", "size": -1},
    )
    spec = specs[intent.n % len(specs)]
    sequence.steps.append(building.refused("new", spec, on=None, made="impossible"))


@cache
def intents() -> tuple[Intent, ...]:
    """Every way to be wrong, on any of the caches."""
    return tuple(Intent(way, n, which) for way, n, which in product(DO, range(4), range(3)))


def _to_a_cache(sequence: Sequence, intent: Intent) -> None:
    """Do what is wrong, where it is sure to be wrong."""
    cache = sequence.pick(intent.which, HOLDING)
    wrong = None if cache is None else _WAYS[intent.op](cache, intent.n)
    if cache is not None and wrong is not None:
        sequence.steps.append(building.refused(*wrong, on=cache.name))


DO: dict[str, Callable[[Sequence, Intent], None]] = {
    **dict.fromkeys(_WAYS, _to_a_cache),
    "unknown-prompt": _unknown_prompt,
    "unknown-type": _unknown_type,
    "impossible-cache": _impossible_cache,
}
