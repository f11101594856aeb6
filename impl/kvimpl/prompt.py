"""The cache of a whole model: a list with one cache a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .base import count
from .rotating import RotatingKVCache
from .standard import KVCache


class Trimmable(Protocol):
    """Any cache that can say whether tokens come off its end, and take them off."""

    def is_trimmable(self) -> bool:
        """Tell whether ``trim`` can take tokens off the end."""

    def trim(self, n: int) -> int:
        """Take up to ``n`` tokens off; returns how many."""


def make_prompt_cache(model: Any, max_kv_size: int | None = None) -> list[Any]:
    """Return one empty cache for each layer of ``model``.

    A model with a ``make_cache`` method chooses its own. Any other is asked for ``len(layers)``,
    and gets rotating caches that pin 4 tokens if ``max_kv_size`` is given, else standard ones.

    Raises:
        OutOfRangeError: ``max_kv_size`` leaves no room behind the 4 pinned tokens.

    """
    if hasattr(model, "make_cache"):
        return list(model.make_cache())
    layers = len(model.layers)
    if max_kv_size is None:
        return [KVCache() for _ in range(layers)]
    return [RotatingKVCache(max_size=max_kv_size, keep=4) for _ in range(layers)]


def can_trim_prompt_cache(cache: Sequence[Trimmable]) -> bool:
    """Tell whether every layer can be trimmed; true of no layers."""
    return all(layer.is_trimmable() for layer in cache)


def trim_prompt_cache(cache: Sequence[Trimmable], num_tokens: int) -> int:
    """Take ``num_tokens`` off the end of every layer, or off none if one cannot be trimmed.

    Returns:
        How many tokens the first layer lost, 0 without layers.

    Raises:
        OutOfRangeError: ``num_tokens`` is negative.

    """
    num_tokens = count("trim_prompt_cache: num_tokens", num_tokens)
    if not cache or not can_trim_prompt_cache(cache):
        return 0
    trimmed = [layer.trim(num_tokens) for layer in cache]
    return trimmed[0]
