"""From intents to steps: an intent that makes no sense where it stands is passed over.

Intents are drawn without looking at one another, which is what makes them fast to draw and lets
any of them be taken away while a failure is shrunk. What follows from the earlier ones is here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from kvparity.generate import avoided, building
from kvparity.generate.shadow import (
    BATCHES,
    HOLDING,
    Shadow,
    extended,
    extracted,
    merged,
)
from kvscenarios.caches import CacheSpec
from kvscenarios.steps import Step

MAX_CACHES = 6
"""Caches alive in one scenario, and rows in a batch: each is looked at after every step."""
_FOR_ROWS = 2
"""Of these, as many are kept for what is merged or taken out of a batch."""
MAX_HELD = 600
"""Tokens in one scenario; fewer where there are 16-bit types, which tell fewer apart."""
_NUMBERS = 30_000
"""As many numbers as a 16-bit type has for the lanes of all tokens together."""


class Intent(NamedTuple):
    """Something to do, to which of the caches that it can be done to, how much, and how."""

    op: str
    n: int = 0
    which: int = 0
    how: Any = None


class Sequence:
    """A scenario in the making: its steps so far, and a shadow of each of its caches."""

    def __init__(self, specs: Mapping[str, CacheSpec]) -> None:
        self.steps: list[Step] = []
        self.live = [Shadow.of(name, spec) for name, spec in specs.items()]
        self.token = 0
        self.names = 0
        self.room = min(MAX_CACHES, len(self.live) + 3)
        self._most = _most(self.live)

    def step(self, cache: Shadow, op: str, arguments: Any, made: str | None = None) -> None:
        """A step on a cache; `made` is the name of what it makes."""
        self.steps.append(building.step(op, arguments, on=cache.name, made=made))

    def pick(
        self, which: int, kinds: Collection[str], suits: Callable[[Shadow], bool] = lambda _: True
    ) -> Shadow | None:
        """One of the caches, or of their children, that are of these kinds and suit."""
        parts = [part for cache in self.live for part in (cache, *cache.children)]
        found = [part for part in parts if part.kind in kinds and suits(part)]
        return found[which % len(found)] if found else None

    def fresh(self, spare: int = 0) -> str | None:
        """A name for one more cache; None when there are enough, but for so many to spare."""
        if len(self.live) + spare >= self.room:
            return None
        self.names += 1
        return f"made{self.names}"

    def tells_apart(self, n: int) -> bool:
        """Whether n more tokens can be told apart from all before."""
        return self.token + n <= self._most

    def tokens(self, n: int) -> range:
        """The next n tokens; no two of a scenario are the same."""
        self.token += n
        return range(self.token - n, self.token)


def _most(caches: list[Shadow]) -> int:
    """As many tokens as the caches' types tell apart, with as many rows as there may come to be.

    A hostile step has a row, a head or a lane more.
    """
    leaves = [part for cache in caches for part in cache.leaves]
    if all(part.form.dtype == "float32" for part in leaves):
        return MAX_HELD
    rows = max(MAX_CACHES if _grows(part) else part.rows for part in leaves)
    heads = max(part.form.heads for part in leaves)
    lanes = max(max(part.form.shape[1:]) for part in leaves)
    return min(MAX_HELD, _NUMBERS // ((rows + 1) * (heads + 1) * (lanes + 1)))


def _grows(cache: Shadow) -> bool:
    """Whether more rows may come to it, or it to other rows."""
    return cache.kind in {*BATCHES, "standard", "rotating", "arrays"}


def _update(sequence: Sequence, intent: Intent) -> None:
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
    _update(sequence, intent)


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
    _update(sequence, Intent("update", longest, _place(sequence, cache)))


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
    "update": _update,
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
