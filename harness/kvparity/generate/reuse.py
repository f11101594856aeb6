"""Drawing what is kept for the next request: the token buffer, the trie, the LRU of prompt caches.

What an LRU still holds, and in what state it gives it back, follows from every request before. The
sequence keeps kvimpl's own LRU and trie beside the steps, filled with shadows, and asks those. Were
they wrong, the steps would be odd, yet the same on both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kvimpl import CacheError
from kvparity.generate import avoided, building
from kvparity.generate.sequence import Intent, Sequence
from kvparity.generate.shadow import HOLDING, Form, Shadow

MODELS = ("m", "other")
TYPES = (None, "user", "system", "assistant")
PROMPTS: tuple[tuple[int, ...], ...] = (
    (1, 2, 3),
    (1, 2),
    (1, 2, 3, 4),
    (1, 2, 3, 4, 5, 6),
    (1, 2, 9),
    (1, 2, 9, 3, 4),
    (7, 8),
    (1, 5, 6, 7),
    (1,),
    (),
)
"""Prompts that share beginnings, that are beginnings of others, and some that share nothing."""
_WORDS = ("a", "b", "", "c", "d")
"""Words to store; one of them counts as false."""


@dataclass
class Kept:
    """A shadow as the LRU takes a cache to be."""

    shadow: Shadow
    nbytes: int = 0

    @property
    def offset(self) -> int:
        """Tokens that could still be trimmed away."""
        return max(part.held for part in self.shadow.parts)

    def size(self) -> int:
        """The same, as a cache without an offset tells it."""
        return self.offset

    def is_trimmable(self) -> bool:
        """Whether tokens can be taken back."""
        return not any(part.full or part.kind == "arrays" for part in self.shadow.parts)

    def trim(self, n: int) -> int:
        """Take tokens back."""
        before = self.offset
        self.shadow.trim(n)
        return before - self.offset


def _append(sequence: Sequence, intent: Intent) -> None:
    cache = sequence.pick(intent.which, {"tokens"})
    if cache is not None:
        sequence.step(cache, "append", sequence.tokens(intent.n))


def _key(intent: Intent) -> dict[str, Any]:
    """The prompt that an intent is about, and of another model where `how` says so.

    What gives caches to an LRU says it last, behind which caches and of what type.
    """
    prompt = PROMPTS[intent.n % len(PROMPTS)]
    model = intent.how[-1] if isinstance(intent.how, tuple) else intent.how
    return {"tokens": prompt, **({"model": MODELS[1]} if model == "other" else {})}


def _asked(key: dict[str, Any]) -> tuple[str, list[int]]:
    return key.get("model", MODELS[0]), list(key["tokens"])


def _trie_add(sequence: Sequence, intent: Intent) -> None:
    cache, key = sequence.pick(intent.which, {"trie"}), _key(intent)
    if cache is None or avoided.prompt(len(key["tokens"])):
        return
    sequence.names += 1
    cache.kept.add(*_asked(key), True)
    word = _WORDS[sequence.names % len(_WORDS)]
    sequence.step(cache, "trie_add", {**key, "value": word})


def _trie_ask(op: str) -> Callable[[Sequence, Intent], None]:
    """Ask for a prompt; one that is not there can only be searched for."""

    def ask(sequence: Sequence, intent: Intent) -> None:
        cache, key = sequence.pick(intent.which, {"trie"}), _key(intent)
        if cache is None:
            return
        try:
            getattr(cache.kept, op.removeprefix("trie_"))(*_asked(key))
        except CacheError:
            return
        sequence.step(cache, op, key)

    return ask


def _insert(sequence: Sequence, intent: Intent) -> None:
    """Give one of the caches, or two, to the LRU."""
    lru, key = sequence.pick(intent.which, {"lru"}), _key(intent)
    if lru is None or avoided.prompt(len(key["tokens"])):
        return
    found = [cache for cache in sequence.live if _keepable(cache)]
    if not found:
        return
    first, count, kind, _model = intent.how
    caches = [found[(first + at) % len(found)] for at in range(min(count, len(found)))]
    _given(sequence, lru, key, caches, TYPES[kind])


def _keepable(cache: Shadow) -> bool:
    fit = HOLDING - {"concatenate"} | {"arrays"}
    return not cache.pending and all(part.kind in fit for part in cache.leaves)


def _given(
    sequence: Sequence,
    lru: Shadow,
    key: dict[str, Any],
    caches: list[Shadow],
    cache_type: str | None,
) -> None:
    told = {} if cache_type is None else {"cache_type": cache_type}
    lru.kept.insert_cache(*_asked(key), [Kept(cache) for cache in caches], **told)
    lru.given = [_fed(cache) for cache in caches]
    names = [cache.name for cache in caches]
    sequence.step(lru, "lru_insert", {**key, "caches": names, **told})


def _fetch(sequence: Sequence, intent: Intent) -> None:
    lru = sequence.pick(intent.which, {"lru"})
    if lru is not None:
        _fetched(sequence, lru, _key(intent))


def _fed(cache: Shadow) -> list[tuple[int, Form]]:
    """What is fed to a cache: how many rows of what form to each of its parts."""
    return [(part.rows, part.form) for part in cache.leaves]


def _fetched(
    sequence: Sequence, lru: Shadow, key: dict[str, Any]
) -> tuple[list[Shadow], int] | None:
    """Ask the LRU; the caches found, and how many tokens of the prompt are left to do.

    Who plays the scenario takes them to be as those that were given last. Where they are not, as
    where rows have come to one since, they are left alone.
    """
    name = sequence.fresh()
    if name is None:
        return None
    found, rest = lru.kept.fetch_nearest_cache(*_asked(key))
    sequence.step(lru, "lru_fetch", key, name)
    back = [kept.shadow.named(f"{name}.{at}") for at, kept in enumerate(found or [])]
    if lru.bounded:
        return None  # what its bytes have driven out, no shadow knows
    if back and [_fed(cache) for cache in back] != lru.given:
        return None
    sequence.live += back
    return back, len(rest)


def _request(sequence: Sequence, intent: Intent) -> None:
    """What a server does with a prompt: fetch, prefill what is left, decode, keep."""
    lru, key = sequence.pick(intent.which, {"lru"}), _key(intent)
    if lru is None or avoided.prompt(len(key["tokens"])):
        return
    fetched = _fetched(sequence, lru, key)
    if fetched is None:
        return
    caches, left = fetched
    if not caches:
        name = sequence.fresh()
        if name is None:
            return
        form = next(p.form for one in sequence.live for p in one.leaves if p.kind in HOLDING)
        caches = [Shadow(name, "standard", form=form)]
        sequence.live += caches
        spec = {"kind": "standard", "step": 4, **form.told}
        sequence.steps.append(building.step("new", spec, made=name))
    for cache in caches:
        for part in cache.leaves:
            fits = left and part.kind in HOLDING and not avoided.update(part, left)
            if fits and sequence.tells_apart(left):
                part.update(left)
                sequence.step(part, "update", sequence.tokens(left))
    _given(sequence, lru, key, caches, TYPES[intent.how[2]])


def _trim_to(sequence: Sequence, intent: Intent) -> None:
    lru = sequence.pick(intent.which, {"lru"})
    if lru is None:
        return
    limits = {intent.how: intent.n}
    if intent.how == "n_bytes":
        lru.bounded = True
    else:
        lru.kept.trim_to(**limits)
    sequence.step(lru, "lru_trim_to", limits)


def _stats(sequence: Sequence, intent: Intent) -> None:
    lru = sequence.pick(intent.which, {"lru"})
    if lru is not None:
        sequence.step(lru, "lru_stats", None)


DO: dict[str, Callable[[Sequence, Intent], None]] = {
    "append": _append,
    "trie_add": _trie_add,
    "trie_get": _trie_ask("trie_get"),
    "trie_pop": _trie_ask("trie_pop"),
    "trie_pop_prefixes": _trie_ask("trie_pop_prefixes"),
    "trie_search": _trie_ask("trie_search"),
    "lru_insert": _insert,
    "lru_fetch": _fetch,
    "lru_request": _request,
    "lru_trim_to": _trim_to,
    "lru_stats": _stats,
}
