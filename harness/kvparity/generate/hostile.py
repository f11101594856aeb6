"""Steps that a hardened cache must refuse, and stay as it was: nothing here changes a shadow.

Each pins `CacheError`, the class above all of kvimpl's; which of them it is, the corpus pins. Masks
of hostile sizes stay there, too: mlx dies of them when the reference is asked for one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

from kvparity.generate.sequence import Intent, Sequence
from kvparity.generate.shadow import BATCHES, HOLDING, Shadow

_REFUSED = {"error": "CacheError"}
_WIDE = 2**64 - 1

_SHAPES: tuple[list[int], ...] = ([3], [2, 3], [1, 2, 3], [1, 2, 3, 4, 1], [])


def _wrong_rank(_cache: Shadow, n: int) -> tuple[str, Any] | None:
    shape = _SHAPES[n % len(_SHAPES)]
    return "update", {"keys": {"shape": shape}, "values": {"shape": shape}}


def _unlike_values(_cache: Shadow, n: int) -> tuple[str, Any] | None:
    return "update", {"keys": [0] * (n + 2), "values": [0] * (n + 3)}


def _other_heads(cache: Shadow, n: int) -> tuple[str, Any] | None:
    heads = {"tokens": [0] * (n + 1), "heads": 3}
    return ("update", {"keys": heads, "values": heads}) if cache.touched else None


def _other_rows(cache: Shadow, n: int) -> tuple[str, Any] | None:
    rows = {"tokens": [0] * (n + 1), "batch": cache.rows + 1}
    return ("update", {"keys": rows, "values": rows}) if cache.touched else None


def _other_lanes(cache: Shadow, n: int) -> tuple[str, Any] | None:
    keys = {"tokens": [0] * (n + 1), "head_dim": 5}
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


def intents() -> tuple[Intent, ...]:
    """Every way to be wrong, on any of the caches."""
    return tuple(Intent(way, n, which) for way, n, which in product(_WAYS, range(4), range(3)))


def add(sequence: Sequence, intent: Intent) -> None:
    """Do what is wrong, where it is sure to be wrong."""
    cache = sequence.pick(intent.which, HOLDING)
    wrong = None if cache is None else _WAYS[intent.op](cache, intent.n)
    if cache is not None and wrong is not None:
        op, arguments = wrong
        sequence.step(cache, op, arguments, expect=_REFUSED)


def is_hostile(intent: Intent) -> bool:
    """Whether the intent is one of these."""
    return intent.op in _WAYS
