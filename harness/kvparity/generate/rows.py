"""Intents for rows and batches: to merge, extend, filter and extract, and what ArraysCache adds."""

from __future__ import annotations

from collections.abc import Callable

from kvparity.generate import avoided, building, single
from kvparity.generate.sequence import MAX_CACHES, Intent, Sequence
from kvparity.generate.shadow import BATCHES, HOLDING, Shadow, extended, extracted, merged


def _merge(sequence: Sequence, intent: Intent) -> None:
    fit = [part for part in sequence.live if _is_row(part) and not avoided.merge([part])]
    if not fit:
        return
    first = fit[intent.which % len(fit)]
    others = [part for part in fit if part is not first and _joins(first, part)]
    name = sequence.fresh(1)
    if name is None:
        return
    parts = [first, *others[: intent.n]]
    batch = merged(name, parts)
    sequence.live.append(batch)
    sequence.steps.append(building.step("merge", [part.name for part in parts], made=name))


def _is_row(cache: Shadow) -> bool:
    kinds = {"standard", "rotating", "arrays"}
    return all(part.kind in kinds and part.rows == 1 for part in cache.leaves)


def _joins(first: Shadow, other: Shadow) -> bool:
    alike = first.kind == other.kind and first.max_size == other.max_size
    return alike and first.form.shape == other.form.shape and _same(first, other)


def _same(first: Shadow, other: Shadow) -> bool:
    """Whether the parts of two caches are of the same kinds."""
    mine, theirs = ([part.kind for part in each.children] for each in (first, other))
    return mine == theirs and len(first.slots) == len(other.slots)


def _is_batch(cache: Shadow) -> bool:
    """Whether this holds rows, as something that is merged does."""
    return all(part.kind in {*BATCHES, "arrays"} for part in cache.leaves)


def _extract(sequence: Sequence, intent: Intent) -> None:
    cache = _batch(sequence, intent)
    name = sequence.fresh()
    if cache is None or name is None:
        return
    row = intent.n % cache.rows
    if avoided.extract(cache, row):
        return
    sequence.live.append(extracted(name, cache, row))
    sequence.step(cache, "extract", row, name)


def _batch(sequence: Sequence, intent: Intent) -> Shadow | None:
    fit = [part for part in sequence.live if _is_batch(part) and not part.pending]
    return fit[intent.which % len(fit)] if fit else None


def _filter(sequence: Sequence, intent: Intent) -> None:
    """Keep the rows whose bit is set, the other way round where `how` says so.

    They are said in a list, and in an array for every other of the caches that may be chosen.
    """
    cache = _batch(sequence, intent)
    if cache is None:
        return
    rows = [row for row in range(cache.rows) if intent.n >> row & 1]
    rows = rows[::-1] if intent.how else rows
    if avoided.filter_(cache, rows):
        return
    cache.filter(rows)
    sequence.step(cache, "filter", {"array": rows} if intent.which % 2 else rows)


def _extend(sequence: Sequence, intent: Intent) -> None:
    cache = _batch(sequence, intent)
    if cache is None:
        return
    others = [
        part
        for part in sequence.live
        if part is not cache
        and (part.kind, part.max_size) == (cache.kind, cache.max_size)
        and part.form.shape == cache.form.shape
        and _is_batch(part)
        and _same(cache, part)
        and not part.pending
        and not (_uncounted(cache, part) and _timed(cache, part))
        and cache.rows + part.rows <= MAX_CACHES
    ]
    if not others or avoided.extend(others[intent.n % len(others)]):
        return
    other = others[intent.n % len(others)]
    extended(cache, other)
    sequence.step(cache, "extend", other.name)


def _uncounted(*caches: Shadow) -> bool:
    """Whether one has slots that nobody wrote to, so that it does not know its rows."""
    return any(not all(part.slots) or part.vague for cache in caches for part in cache.parts)


def _timed(*caches: Shadow) -> bool:
    return any(part.timed for cache in caches for part in cache.parts)


def _prepare_left(sequence: Sequence, intent: Intent) -> None:
    cache = sequence.pick(intent.which, BATCHES, lambda part: not part.touched)
    if cache is None:
        return
    padding = [(intent.n >> 2 * row) % 4 for row in range(cache.rows)]
    cache.padding = [old + new for old, new in zip(cache.padding, padding, strict=True)]
    sequence.step(cache, "prepare", {"left_padding": padding})


def _prepare_right(sequence: Sequence, intent: Intent) -> None:
    """Announce a prefill of unequal rows, write it, and end it."""
    cache = sequence.pick(intent.which, BATCHES, lambda part: not part.pending)
    if cache is None or avoided.update(cache, intent.how):
        return
    longest = intent.how
    padding = [(intent.n >> 2 * row) % 4 for row in range(cache.rows)]
    if max(padding) >= longest:
        return
    lengths = [longest - right for right in padding]
    sequence.step(cache, "prepare", {"right_padding": padding, "lengths": lengths})
    if max(padding) > 0:
        cache.announced, cache.written = padding, False
    single.update(sequence, Intent("update", longest, _place(sequence, cache)))


def _place(sequence: Sequence, cache: Shadow) -> int:
    """Where the cache stands among those that hold something."""
    parts = [part for one in sequence.live for part in (one, *one.children)]
    return next(i for i, p in enumerate(p for p in parts if p.kind in HOLDING) if p is cache)


def _finalize(sequence: Sequence, intent: Intent) -> None:
    cache = sequence.pick(
        intent.which,
        BATCHES | {"arrays"},
        lambda part: not part.restored and (part.announced is None or part.written),
    )
    if cache is not None:
        cache.finalize()
        sequence.step(cache, "finalize", None)


def _set_slot(sequence: Sequence, intent: Intent) -> None:
    cache = sequence.pick(intent.which, {"arrays"}, lambda part: bool(part.slots))
    if cache is None or not sequence.tells_apart(2):
        return
    index = intent.n % len(cache.slots)
    if intent.how == "empty":
        cache.slots[index] = False
        sequence.step(cache, "set_slot", {"index": index})
    else:
        cache.slots[index] = cache.touched = True
        sequence.step(cache, "set_slot", {"index": index, "to": list(sequence.tokens(2))})


def _prepare_lengths(sequence: Sequence, intent: Intent) -> None:
    cache = sequence.pick(intent.which, {"arrays"}, lambda part: not part.vague)
    if cache is not None and avoided.lengths_needed(cache):
        lengths = [(intent.n >> 2 * row) % 4 for row in range(cache.rows)]
        cache.timed = True
        sequence.step(cache, "prepare", {"lengths": lengths})


def _advance(sequence: Sequence, intent: Intent) -> None:
    cache = sequence.pick(intent.which, {"arrays"})
    if cache is not None:
        sequence.step(cache, "advance", intent.n)


DO: dict[str, Callable[[Sequence, Intent], None]] = {
    "merge": _merge,
    "extract": _extract,
    "filter": _filter,
    "extend": _extend,
    "prepare_left": _prepare_left,
    "prepare_right": _prepare_right,
    "finalize": _finalize,
    "set_slot": _set_slot,
    "prepare_lengths": _prepare_lengths,
    "advance": _advance,
}
