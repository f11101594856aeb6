"""Prompt caches that are kept for reuse, up to a number and a size; mlx-lm's ``LRUPromptCache``.

A prompt that begins like an earlier one gets a copy of its caches, trimmed to what they share. What
is inserted belongs to the LRU from then on: it is held as it is, not as a copy.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from .errors import InvariantViolationError, MissingKeyError
from .masks import check_not_negative
from .prompt import can_trim_prompt_cache
from .trie import PromptTrie


@dataclass
class CacheEntry:
    """The caches of one prompt, a layer each, with their size when they were inserted."""

    prompt_cache: list[Any]
    nbytes: int
    cache_type: str


class CacheOrder:
    """The order of eviction: oldest first within a type, and types from the cheapest to lose."""

    def __init__(self, ordering: Sequence[str] | None = None) -> None:
        self._ordering = list(ordering or ("assistant", "user", "system"))
        self._lrus: dict[str, dict[Any, list[Hashable]]] = {kind: {} for kind in self._ordering}

    def __len__(self) -> int:
        return sum(map(len, self._lrus.values()))

    def push(
        self, model: Hashable, tokens: Sequence[Hashable], cache_type: str = "assistant"
    ) -> None:
        """Make a prompt the newest of its type.

        Raises:
            MissingKeyError: no such type.

        """
        if cache_type not in self._lrus:
            raise MissingKeyError("CacheOrder.push: cache_type", str(cache_type))
        self.remove(model, tokens)
        self._lrus[cache_type][model, tuple(tokens)] = list(tokens)

    def remove(self, model: Hashable, tokens: Sequence[Hashable]) -> None:
        """Forget a prompt, if it is there."""
        for lru in self._lrus.values():
            lru.pop((model, tuple(tokens)), None)

    def pop(self) -> tuple[Hashable, list[Hashable]]:
        """Take out the next one to evict: of the first type that is no smaller than the one behind.

        Raises:
            InvariantViolationError: there is none.

        """
        lrus = [self._lrus[kind] for kind in self._ordering]
        for lru, behind in zip(lrus, [*lrus[1:], {}], strict=True):
            if lru and len(lru) >= len(behind):
                key = next(iter(lru))
                return key[0], lru.pop(key)
        raise InvariantViolationError("CacheOrder.pop", "there must be an entry")


class LRUPromptCache:
    """Prompt caches of any number of models.

    Attributes:
        max_size: the most prompts that are kept.
        max_bytes: the most bytes that they may take.

    """

    CacheEntry = CacheEntry
    CacheOrder = CacheOrder

    def __init__(self, max_size: int = 10, max_bytes: int = 1 << 63) -> None:
        """Start empty.

        Raises:
            OutOfRangeError: a negative limit.

        """
        check_not_negative("LRUPromptCache: max_size", max_size)
        check_not_negative("LRUPromptCache: max_bytes", max_bytes)
        self.max_size = max_size
        self.max_bytes = max_bytes
        self._trie = PromptTrie()
        self._lru = CacheOrder()
        self._n_bytes_by_type = dict.fromkeys(self._lru._ordering, 0)

    def __len__(self) -> int:
        return len(self._lru)

    @property
    def nbytes(self) -> int:
        """The bytes of the buffers of all caches, as they were when inserted."""
        return sum(self._n_bytes_by_type.values())

    def fetch_nearest_cache(
        self, model: Hashable, tokens: Sequence[Hashable]
    ) -> tuple[list[Any] | None, Sequence[Hashable]]:
        """Return caches that hold the beginning of a prompt, and the tokens that they lack.

        In this order: those of the prompt itself; of a longer one, trimmed, if that saves more than
        the best beginning does; of that beginning; ``None``. They are copies. Trimming leaves at
        least one token to process.
        """
        found = self._trie.search(model, tokens)
        if found.exact is not None:
            return self._copied(model, found.exact), []
        start = len(found.shorter or ())
        if found.longer is not None and found.common_prefix > start:
            kept = min(len(tokens) - 1, found.common_prefix)
            if can_trim_prompt_cache(self._trie.get(model, found.longer).prompt_cache):
                caches = self._copied(model, found.longer)
                if _trimmed(caches, len(found.longer) - kept):
                    return caches, tokens[kept:]
        if found.shorter is not None:
            return self._copied(model, found.shorter), tokens[start:]
        return None, tokens

    def _copied(self, model: Hashable, tokens: Sequence[Hashable]) -> list[Any]:
        caches: list[Any] = copy.deepcopy(self._trie.get(model, tokens).prompt_cache)
        return caches

    def insert_cache(
        self,
        model: Hashable,
        tokens: Sequence[Hashable],
        prompt_cache: list[Any],
        *,
        cache_type: str = "assistant",
    ) -> None:
        """Keep the caches of a prompt, and evict what is then too much.

        Caches that can be trimmed make those of the prompt's beginnings superfluous.

        Raises:
            MissingKeyError: no such type.
            TypeError: a token that cannot be hashed.

        """
        context = "LRUPromptCache.insert_cache: cache_type"
        if cache_type not in self._n_bytes_by_type:
            raise MissingKeyError(context, str(cache_type))
        # What can fail comes first: the bookkeeping behind it cannot.
        entry = CacheEntry(prompt_cache, sum(map(_allocated, prompt_cache)), cache_type)
        trimmable = can_trim_prompt_cache(prompt_cache)
        tokens = list(tokens)

        replaced = self._trie.add(model, tokens, entry)
        if replaced is not None:
            self._n_bytes_by_type[replaced.cache_type] -= replaced.nbytes
        self._n_bytes_by_type[cache_type] += entry.nbytes
        self._lru.push(model, tokens, cache_type)
        if trimmable:
            for length, prefix in self._trie.pop_prefixes(model, tokens):
                self._n_bytes_by_type[prefix.cache_type] -= prefix.nbytes
                self._lru.remove(model, tokens[:length])
        self.trim_to(n_sequences=self.max_size, n_bytes=self.max_bytes)

    def trim_to(self, *, n_sequences: int | None = None, n_bytes: int | None = None) -> None:
        """Evict until no more than so many prompts and bytes are left; below 0 counts as 0."""
        while n_sequences is not None and len(self) > max(0, n_sequences):
            self._evict()
        while n_bytes is not None and self.nbytes > max(0, n_bytes):
            self._evict()

    def _evict(self) -> None:
        entry = self._trie.pop(*self._lru.pop())
        self._n_bytes_by_type[entry.cache_type] -= entry.nbytes

    def stats_by_type(self) -> dict[str, dict[str, int]]:
        """Return how many prompts and bytes there are of each type."""
        return {
            kind: {"n_sequences": len(self._lru._lrus[kind]), "n_bytes": n_bytes}
            for kind, n_bytes in self._n_bytes_by_type.items()
        }


def _allocated(cache: Any) -> int:
    # mlx-lm's own caches call it nbytes.
    return int(getattr(cache, "allocated_nbytes", None) or cache.nbytes)


def _trimmed(caches: Sequence[Any], n: int) -> bool:
    """Take ``n`` tokens off every cache; false if one has tokens left that should have gone.

    A cache may hold fewer tokens than its prompt has. One that has dropped its oldest, as a chunked
    cache does, cannot go back to them.
    """
    for cache in caches:
        children = getattr(cache, "caches", None)
        if children is not None:
            if not _trimmed(children, n):
                return False
        elif cache.trim(n) < n and (_offset(cache) or cache.size()):
            return False
    return True


def _offset(cache: Any) -> int:
    """Return the cache's offset, the furthest of a batch's rows, padding to come counting 0."""
    offset = getattr(cache, "offset", 0)
    return max(0, int(offset.max())) if isinstance(offset, mx.array) else offset
