"""What a valid sequence does not do, since mlx-lm is known to do it wrong: each with its ledger id.

These differences are declared for scenarios of the corpus by name. A generated scenario has no name
that an entry could speak of, so it keeps out of their way, and as narrowly as it can. An entry that
leaves the ledger takes its function here with it: a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable

from kvparity.generate.shadow import BATCHES, RINGS, Shadow

LEDGER_IDS: set[str] = set()
"""The entries on whose account something is avoided here."""


def _for(*ids: str) -> Callable[[Callable[..., bool]], Callable[..., bool]]:
    LEDGER_IDS.update(ids)
    return lambda function: function


@_for("ring-short-of-its-window", "batched-ring-short-of-its-window")
def update(cache: Shadow, n: int) -> bool:
    """An update of no tokens into a full ring, or any into a ring of rows that was restored."""
    return (n == 0 and cache.full) or _restored_ring(cache)


@_for("restored-batch-is-used-on")
def _restored_ring(cache: Shadow) -> bool:
    return cache.restored and cache.kind == "batch_rotating"


@_for(
    "full-ring-is-trimmed",
    "full-batched-ring-is-trimmed",
    "list-trimmed-though-not-trimmable",
    "concatenate-resurrects-trimmed-tokens",
)
def trim(cache: Shadow, n: int) -> bool:
    """A trim of what cannot be trimmed: a full ring, a list with one in it, one that keeps all."""
    if any(part.kind == "arrays" for part in cache.children):
        return True
    return n > 0 and any(p.full or p.kind == "concatenate" for p in [cache, *cache.children])


@_for("concatenate-has-no-empty-state")
def restore(cache: Shadow) -> bool:
    """Restoring a concatenating cache without tokens."""
    return any(p.kind == "concatenate" and not p.touched for p in [cache, *cache.children])


@_for("chunk-without-a-size-told-to-slide")
def maybe_trim_front(cache: Shadow) -> bool:
    """Sliding a chunk of no size."""
    return cache.chunk is None


@_for("row-of-an-empty-batch", "slot-left-empty-is-extracted", "row-of-padding-alone-is-extracted")
def extract(cache: Shadow, row: int) -> bool:
    """Taking a row without tokens out of a batch, or one of slots that are not all written."""
    if cache.children:
        return any(extract(child, row) for child in cache.children)
    if cache.kind == "arrays":
        return not all(cache.slots)
    padding_alone = cache.kind == "batch_rotating" and cache.padding[row] > cache.held
    return not cache.touched or padding_alone


@_for("slot-nobody-wrote-is-merged", "first-slot-unwritten-loses-the-others")
def merge(caches: list[Shadow]) -> bool:
    """Merging slots that are not all written in all members."""
    parts = [part for cache in caches for part in [cache, *cache.children]]
    return any(not all(part.slots) for part in parts if part.kind == "arrays")


@_for(
    "padding-to-come-is-dropped",
    "filter-forgets-right-padding",
    "last-row-leaves",
    "no-rows-said-in-a-list",
)
def filter_(cache: Shadow, rows: list[int]) -> bool:
    """Filtering a batch that is announced padding, or has rows of only padding, or to no rows.

    Of slots that nobody wrote to, and that were joined, nobody can tell the rows.
    """
    if cache.children:
        return any(filter_(child, rows) for child in cache.children)
    if not rows or cache.pending or not _has_rows(cache):
        return True
    return cache.kind in BATCHES and max(cache.padding) > cache.held


def _has_rows(cache: Shadow) -> bool:
    if cache.kind == "arrays":
        return any(cache.slots) or not cache.vague
    return cache.touched


@_for("extend-reorders-the-other-batch")
def extend(other: Shadow) -> bool:
    """Extending a batch with a ring that has turned."""
    return any(part.ring and part.kind in RINGS for part in [other, *other.children])


@_for("slots-prepared-without-lengths")
def lengths_needed(cache: Shadow) -> bool:
    """Whether `prepare` is to say lengths in any case."""
    return cache.kind == "arrays"


@_for("prefix-of-one-token-is-missed")
def prompt(length: int) -> bool:
    """Storing something for a prompt of one token."""
    return length == 1
