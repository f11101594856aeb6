"""Intents for one cache: to write to it, trim it, ask for its mask, and make another out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvparity.generate import avoided, building
from kvparity.generate.sequence import Intent, Sequence
from kvparity.generate.shadow import BATCHES, HOLDING, Shadow

_FOR_ROWS = 2
"""Of the caches that may be alive, so many are kept for what is merged or taken out of a batch."""


def update(sequence: Sequence, intent: Intent) -> None:
    """As many tokens as are wanted, to a cache that takes them now."""
    cache = sequence.pick(intent.which, HOLDING)
    if cache is None or avoided.update(cache, intent.n) or not sequence.tells_apart(intent.n):
        return
    if cache.announced is not None and (cache.written or intent.n <= max(cache.announced)):
        return
    if cache.kind == "quantized" and intent.n == 0:
        return
    cache.update(intent.n)
    sequence.step(cache, "update", sequence.tokens(intent.n))


def _decode(sequence: Sequence, intent: Intent) -> None:
    cache = sequence.pick(intent.which, HOLDING, lambda part: not part.pending)
    if cache is None or avoided.update(cache, 1) or not sequence.tells_apart(intent.n):
        return
    for _ in range(intent.n):
        cache.update(1)
    sequence.step(cache, "decode", sequence.tokens(intent.n))


def _trim(sequence: Sequence, intent: Intent) -> None:
    kinds = HOLDING | {"list"}
    cache = sequence.pick(intent.which, kinds, lambda part: not part.pending)
    if cache is None or avoided.trim(cache, intent.n):
        return
    padded = any(part.padding for part in [cache, *cache.children])
    if padded and intent.n > cache.trimmable:
        return
    cache.trim(intent.n)
    sequence.step(cache, "trim", intent.n)


def _make_mask(sequence: Sequence, intent: Intent) -> None:
    cache = sequence.pick(intent.which, (HOLDING - {"chunked"}) | {"arrays"})
    if cache is not None:
        sequence.step(cache, "make_mask", _mask_arguments(cache, intent))


def _mask_arguments(cache: Shadow, intent: Intent) -> dict[str, Any]:
    window, array = intent.how
    if window == "held":  # as wide as what is there: one more is where it begins to matter
        window = max(1, cache.held)
    arguments: dict[str, Any] = {"n": intent.n}
    if cache.kind != "arrays":
        arguments |= {"window_size": window} if window is not None else {}
        arguments |= {"return_array": True} if array else {}
    return arguments


def _forward(sequence: Sequence, intent: Intent) -> None:
    """As a model does: a mask for the queries to come, then their update."""
    cache = sequence.pick(intent.which, HOLDING | {"arrays"})
    if cache is not None:
        op = "ssm_mask" if cache.kind == "arrays" else "model_mask"
        sequence.step(cache, op, _mask_arguments(cache, intent))
    update(sequence, intent)


def _maybe_trim_front(sequence: Sequence, intent: Intent) -> None:
    cache = sequence.pick(intent.which, {"chunked"})
    if cache is None or avoided.maybe_trim_front(cache):
        return
    if cache.chunk is not None:
        cache.start = max(cache.start, cache.held - cache.chunk)
    sequence.step(cache, "maybe_trim_front", None)


def _copy(sequence: Sequence, intent: Intent) -> None:
    cache = sequence.pick(intent.which, HOLDING | {"arrays", "list", "tokens"})
    name = sequence.fresh(_FOR_ROWS)
    if cache is not None and name is not None:
        sequence.live.append(cache.named(name))
        sequence.steps.append(building.copied(cache.name, name))


def _round_trip(sequence: Sequence, intent: Intent) -> None:
    cache = sequence.pick(intent.which, HOLDING | {"arrays"}, lambda part: not part.pending)
    # A tuple of children takes no other in the place of one.
    if cache is None or avoided.restore(cache) or _is_child(sequence, cache):
        return
    cache.restored = cache.kind in BATCHES
    sequence.step(cache, "round_trip", None)


def _is_child(sequence: Sequence, cache: Shadow) -> bool:
    return not any(one is cache for one in sequence.live)


def _save_and_load(sequence: Sequence, intent: Intent) -> None:
    cache = sequence.pick(intent.which, HOLDING | {"arrays", "list"}, lambda p: not p.pending)
    name = sequence.fresh(_FOR_ROWS)
    if cache is None or name is None or avoided.restore(cache):
        return
    back = cache.named(f"{name}.0")
    for part in [back, *back.children]:
        part.restored = part.kind in BATCHES
    sequence.live.append(back)
    sequence.step(cache, "save", {"file": name})
    sequence.steps.append(building.step("load", name, made=name))


def _materialize(sequence: Sequence, intent: Intent) -> None:
    cache = sequence.pick(intent.which, HOLDING)
    if cache is not None:
        sequence.step(cache, "materialize", None)


def _to_quantized(sequence: Sequence, intent: Intent) -> None:
    group, bits = intent.how
    cache = sequence.pick(
        intent.which, {"standard"}, lambda part: not any(n % group for n in part.form.shape[1:])
    )
    name = sequence.fresh()
    if cache is not None and name is not None:
        new = cache.named(name)
        new.kind = "quantized"
        sequence.live.append(new)
        sequence.step(cache, "to_quantized", {"group_size": group, "bits": bits}, name)


DO: dict[str, Callable[[Sequence, Intent], None]] = {
    "update": update,
    "decode": _decode,
    "trim": _trim,
    "make_mask": _make_mask,
    "forward": _forward,
    "maybe_trim_front": _maybe_trim_front,
    "copy": _copy,
    "round_trip": _round_trip,
    "save": _save_and_load,
    "materialize": _materialize,
    "to_quantized": _to_quantized,
}
