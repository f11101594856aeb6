"""Drawing calls of the free functions: masks, rolls, and what is done to a whole model's caches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kvparity.generate import avoided, building
from kvparity.generate.sequence import Intent, Sequence
from kvparity.generate.shadow import HOLDING, Shadow


def _causal(sequence: Sequence, intent: Intent) -> None:
    """`how` is (offset, window, which sides are padded)."""
    offset, window, padded = intent.how
    arguments: dict[str, Any] = {"n": intent.n, "offset": offset}
    if window is not None:
        arguments["window_size"] = window
    for bit, name in enumerate(("left_padding", "right_padding")):
        if padded >> bit & 1:
            arguments[name] = (bit, (intent.n + offset) % 3, 2)
    sequence.steps.append(building.step("create_causal_mask", arguments))


def _attention(sequence: Sequence, intent: Intent) -> None:
    offset, window, array = intent.how
    arguments: dict[str, Any] = {"n": intent.n, "offset": offset, "return_array": bool(array)}
    if window is not None:
        arguments["window_size"] = window
    sequence.steps.append(building.step("create_attention_mask", arguments))


def _roll(sequence: Sequence, intent: Intent) -> None:
    rows = [list(sequence.tokens(intent.n)) for _ in intent.how]
    arguments = {"tokens": rows, "shifts": intent.how}
    sequence.steps.append(building.step("dynamic_roll", arguments))


def _make_prompt_cache(sequence: Sequence, intent: Intent) -> None:
    """`n` layers; rings of `how` rows where it is not None."""
    name = sequence.fresh()
    if name is None:
        return
    window = {} if intent.how is None else {"max_kv_size": intent.how}
    arguments = {"layers": intent.n, **window, "geometry": {"step": 4}}
    sequence.steps.append(building.step("make_prompt_cache", arguments, made=name))
    kind = "standard" if intent.how is None else "rotating"
    for at in range(intent.n):
        layer = Shadow(f"{name}.{at}", kind, max_size=intent.how)
        # mlx-lm pins four tokens of the rings that it makes by itself.
        layer.keep = 4 if intent.how is not None else 0
        sequence.live.append(layer)


def _layers(sequence: Sequence, intent: Intent) -> list[Shadow]:
    """As many of the caches as `which` says, from the first one on."""
    fit = [one for one in sequence.live if one.kind in HOLDING | {"arrays"} and not one.pending]
    return fit[: 1 + intent.which]


def _trim_prompt_cache(sequence: Sequence, intent: Intent) -> None:
    layers = _layers(sequence, intent)
    if not layers or any(layer.kind == "concatenate" for layer in layers):
        return
    if not any(layer.full or layer.kind == "arrays" for layer in layers):
        if any(layer.padding and intent.n > layer.trimmable for layer in layers):
            return
        for layer in layers:
            layer.trim(intent.n)
    names = tuple(layer.name for layer in layers)
    sequence.steps.append(building.step("trim_prompt_cache", intent.n, on=names))


def _can_trim_prompt_cache(sequence: Sequence, intent: Intent) -> None:
    layers = _layers(sequence, intent)
    if layers:
        names = tuple(layer.name for layer in layers)
        sequence.steps.append(building.step("can_trim_prompt_cache", None, on=names))


def _prefill_all(sequence: Sequence, intent: Intent) -> None:
    """Every layer is given as many tokens, as a model does."""
    for cache in list(sequence.live):
        fits = cache.kind in HOLDING and not cache.pending and not avoided.update(cache, intent.n)
        if fits and sequence.tells_apart(intent.n):
            cache.update(intent.n)
            sequence.step(cache, "update", sequence.tokens(intent.n))


DO: dict[str, Callable[[Sequence, Intent], None]] = {
    "create_causal_mask": _causal,
    "create_attention_mask": _attention,
    "dynamic_roll": _roll,
    "make_prompt_cache": _make_prompt_cache,
    "trim_prompt_cache": _trim_prompt_cache,
    "can_trim_prompt_cache": _can_trim_prompt_cache,
    "prefill_all": _prefill_all,
}
