"""The caches that a scenario of each kind may start with, boundaries first.

Sizes stand around what a cache's behaviour turns on: its window, its chunk, the step by which its
buffer grows. The plainest start stands first, for that is what a failure shrinks to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import cycle, product

from pydantic import TypeAdapter

from kvscenarios.caches import CacheSpec

_Told = dict[str, object]
"""A cache, or a part of what there is to say of one, as a scenario says it."""
_SPEC: TypeAdapter[CacheSpec] = TypeAdapter(CacheSpec)

_STEPS = (4, 1, 3, 8)
_FORMS: tuple[_Told, ...] = (
    {},
    {"dtype": "float16"},
    {"heads": 3, "head_dim": 2, "value_head_dim": 5},
    {"dtype": "bfloat16", "heads": 1, "value_head_dim": 5},
    {"dtype": "float16", "heads": 5, "head_dim": 1, "value_head_dim": 1},
)
"""What a row's tokens look like, the plainest first.

Instead of every form with every size, which would make of the starts too many to be met, each size
gets the next form.
"""
_OF_ROWS: tuple[_Told, ...] = (
    *_FORMS,
    {"batch": 2, "heads": 1, "head_dim": 2},
    {"batch": 4, "heads": 1},
)
"""The same, and forms of several rows, for a cache that is not made of rows."""
_PADDINGS = ([0, 0], [1, 0], [0, 3], [2, 0, 1], [2], [0, 1, 0, 2], [1, 0, 0, 3, 0])


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
    for step, form in product(_STEPS, _OF_ROWS):
        flat: _Told = {"kind": kind, "step": step}
        yield _specs(flat | form)
    yield _specs({"kind": kind})


def _standard() -> Iterator[dict[str, CacheSpec]]:
    yield from _flat("standard")
    for step in _STEPS:
        yield _specs({"kind": "standard", "step": step, "head_dim": 64, "value_head_dim": 128})


def _rotating() -> Iterator[dict[str, CacheSpec]]:
    forms = cycle(_OF_ROWS)
    for max_size, keep, step in product((4, 1, 2, 3, 5, 8), (0, 1, 3), (4, 1, 3)):
        if keep < max_size:
            ring: _Told = {"kind": "rotating", "max_size": max_size, "step": step}
            yield _specs(ring | ({"keep": keep} if keep else {}) | next(forms))


def _chunked() -> Iterator[dict[str, CacheSpec]]:
    sizes = product((4, 1, 3, 8, None), (4, 1, 3))
    for (chunk, step), form in zip(sizes, cycle(_OF_ROWS), strict=False):
        chunked: _Told = {"kind": "chunked", "step": step}
        yield _specs(chunked | ({} if chunk is None else {"chunk_size": chunk}) | form)


def _quantized() -> Iterator[dict[str, CacheSpec]]:
    forms = cycle(range(5))
    for step, bits, group in product((4, 1, 3), (8, 4, 2), (64, 32)):
        small: _Told = {"heads": 1, "head_dim": group, "value_head_dim": group}
        more: _Told = {"heads": 5, "head_dim": group, "value_head_dim": 64}
        form: tuple[_Told, ...] = (
            {},
            small | {"dtype": "float16"},
            {"heads": 3},
            small | {"batch": 2},
            more,
        )
        quantized: _Told = {"kind": "quantized", "step": step, "bits": bits, "group_size": group}
        yield _specs(quantized | form[next(forms)])


def _batch() -> Iterator[dict[str, CacheSpec]]:
    forms, paddings = cycle(_FORMS), cycle(_PADDINGS)
    for step in _STEPS * 2:
        form, padding = next(forms), next(paddings)
        batch: _Told = {"kind": "batch", "left_padding": padding, "step": step} | form
        rows: list[_Told] = [{"kind": "standard", "step": step} | form] * 3
        yield _specs(batch)
        yield _specs(batch | {"left_padding": next(paddings)}, *rows)
        yield _specs(*rows)
    yield _specs(*_of_two_types({"kind": "standard", "step": 4}))


def _of_two_types(row: _Told) -> list[_Told]:
    return [row, row | {"dtype": "float16"}, row]


def _batch_rotating() -> Iterator[dict[str, CacheSpec]]:
    forms, paddings = cycle(_FORMS), cycle(_PADDINGS)
    for max_size, step in product((4, 1, 3, 8), (4, 1, 3)):
        form = next(forms)
        ring: _Told = {"max_size": max_size, "step": step} | form
        batch: _Told = {"kind": "batch_rotating"} | ring
        rows: list[_Told] = [{"kind": "rotating"} | ring] * 3
        yield _specs(batch | {"left_padding": next(paddings)})
        yield _specs(batch | {"left_padding": next(paddings)}, *rows)
        yield _specs(batch | {"left_padding": next(paddings)} | next(forms))
        yield _specs(*rows)
    yield _specs(*_of_two_types({"kind": "rotating", "max_size": 4, "step": 3}))


def _arrays() -> Iterator[dict[str, CacheSpec]]:
    forms = cycle(_FORMS)
    for size in (1, 2):
        row: _Told = {"kind": "arrays", "size": size} | next(forms)
        yield _specs(row, row, row, row)
    for size, batch in product((2, 1, 3), (1, 2, 4)):
        slots: _Told = {"kind": "arrays", "size": size, "batch": batch} | next(forms)
        yield _specs(slots)
        yield _specs(slots, slots, slots)
        yield _specs(slots | {"left_padding": [0, 2, 1, 0][:batch]})
    yield _specs(*_of_two_types({"kind": "arrays", "size": 1}))


def _list() -> Iterator[dict[str, CacheSpec]]:
    parts: tuple[_Told, ...] = (
        {"kind": "standard", "step": 4},
        {"kind": "rotating", "max_size": 4, "step": 3},
        {"kind": "arrays", "size": 1},
    )
    row, ring, slots = parts
    several = ([row, ring, slots], [row, row, row], [ring, row, ring])
    for children, form in zip([*product(parts[:2], parts), *several], cycle(_FORMS), strict=False):
        one = {"kind": "list", "caches": [child | form for child in children]}
        yield _specs(one)
        yield _specs(one, one, one)


def _tokens() -> Iterator[dict[str, CacheSpec]]:
    for step in (*_STEPS, None):
        yield _specs({"kind": "tokens"} | ({} if step is None else {"step": step}))


def _trie() -> Iterator[dict[str, CacheSpec]]:
    yield _specs({"kind": "trie"})


def _lru() -> Iterator[dict[str, CacheSpec]]:
    limits: tuple[_Told, ...] = (
        {"max_size": 2},
        {"max_size": 4},
        {},
        {"max_size": 4, "max_bytes": 1000},
    )
    for at, limit in enumerate(limits):
        for kept in range(5):
            form = _FORMS[(at + kept) % len(_FORMS)]
            row: _Told = {"kind": "standard", "step": 4} | form
            ring: _Told = {"kind": "rotating", "max_size": 4, "step": 3} | form
            pair: _Told = {"kind": "list", "caches": [row, ring]}
            rows = ([row], [row, row], [ring, ring], [row, ring], [pair])[kept]
            yield _specs({"kind": "lru"} | limit, *rows)


def _masks() -> Iterator[dict[str, CacheSpec]]:
    yield from (_specs(cache) for cache in ({"kind": "standard"}, {"kind": "concatenate"}))
    yield from (_specs({"kind": "rotating", "max_size": size}) for size in (4, 8))


def _prompt() -> Iterator[dict[str, CacheSpec]]:
    row = {"kind": "standard", "step": 4}
    ring = {"kind": "rotating", "max_size": 4, "step": 3}
    for layers in ([row, row], [row, ring], [ring, row], [row, {"kind": "arrays", "size": 1}]):
        yield _specs(*layers)


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
    "tokens": _tokens,
    "trie": _trie,
    "lru": _lru,
    "masks": _masks,
    "prompt": _prompt,
}
KINDS = tuple(_STARTS)
"""What a campaign may be about: the kinds of caches, mask functions, and whole prompt caches."""
