"""Several caches in one layer, as models with two kinds of memory need.

mlx-lm's ``CacheList``. An operation on the list is played on copies of its caches first and taken
over when all of them went through, so that it happens in all or in none.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .arrays import MAX_SLOTS
from .base import BaseCache, count
from .errors import (
    CacheError,
    CapExceededError,
    InvariantViolationError,
    LayerError,
    LengthMismatchError,
    OutOfRangeError,
)

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_DEPTH = 32
"""How deep lists may nest. No model needs two levels; a file may claim thousands."""


class CacheList(BaseCache):
    """A tuple of caches that take part in every operation together.

    Attributes:
        caches: the caches, which are updated one by one: ``cache[0].update_and_fetch(...)``.

    """

    reference_class_name = "CacheList"

    def __init__(self, *caches: Any) -> None:
        """Take over ``caches``, not copies of them.

        Raises:
            CapExceededError: lists nested deeper than ``MAX_DEPTH``.

        """
        self.caches: tuple[Any, ...] = caches
        nested = [cache._depth for cache in caches if isinstance(cache, CacheList)]
        self._depth: int = 1 + max(nested, default=0)
        if self._depth > MAX_DEPTH:
            raise CapExceededError("CacheList", "nesting depth", MAX_DEPTH, self._depth)

    def __getitem__(self, idx: int) -> Any:
        return self.caches[idx]

    def empty(self) -> bool:
        """Tell whether the first cache is empty; as in mlx-lm, the others do not count."""
        return not self.caches or bool(self.caches[0].empty())

    def size(self) -> int:
        """Return the number of tokens in the longest cache."""
        return max((cache.size() for cache in self.caches), default=0)

    @property
    def nbytes(self) -> int:
        """The bytes of the tokens that are held."""
        return sum(cache.nbytes for cache in self.caches)

    @property
    def allocated_nbytes(self) -> int:
        """The bytes of the buffers; mlx-lm calls this ``nbytes``."""
        return sum(cache.allocated_nbytes for cache in self.caches)

    def materialize(self) -> None:
        """Evaluate the buffers of every cache."""
        for cache in self.caches:
            cache.materialize()

    def is_trimmable(self) -> bool:
        """Tell whether every cache is trimmable."""
        return all(cache.is_trimmable() for cache in self.caches)

    def trim(self, n: int) -> int:
        """Take up to ``n`` tokens off the end of every cache; returns the last one's count.

        A list with a cache that is not trimmable stays as it is, and 0 is returned.

        Raises:
            OutOfRangeError: ``n`` is negative.

        """
        n = count("CacheList.trim: n", n)
        if not self.caches or not self.is_trimmable():
            return 0
        trimmed = self._all_or_none("trim", lambda cache, _: cache.trim(n))
        return int(trimmed[-1])

    def filter(self, batch_indices: Any) -> None:
        """Keep just these rows in every cache.

        Raises:
            LayerError: a cache refuses, or cannot.

        """
        self._all_or_none("filter", lambda cache, _: _method(cache, "filter")(batch_indices))

    def extend(self, other: CacheList) -> None:
        """Append the rows of ``other``, cache by cache.

        Raises:
            LengthMismatchError: another number of caches.
            LayerError: a cache refuses, or cannot.

        """
        context = "CacheList.extend"
        _check_length(context, len(self.caches), len(other.caches))
        self._all_or_none("extend", lambda cache, i: _method(cache, "extend")(other.caches[i]))

    def prepare(self, **kwargs: Any) -> None:
        """Announce padding or lengths of the coming prompt to every cache.

        Raises:
            LayerError: a cache refuses, or cannot.

        """
        self._all_or_none("prepare", lambda cache, _: _method(cache, "prepare")(**kwargs))

    def finalize(self) -> None:
        """Tell every cache that the prompt is over.

        Raises:
            LayerError: a cache refuses, or cannot.

        """
        self._all_or_none("finalize", lambda cache, _: _method(cache, "finalize")())

    def extract(self, idx: int) -> CacheList:
        """Return one row of every cache as a list of its own.

        Raises:
            LayerError: a cache refuses, or cannot.

        """
        context = "CacheList.extract"
        return CacheList(
            *_each(context, self.caches, lambda cache, _: _method(cache, "extract")(idx))
        )

    @classmethod
    def merge(cls, caches: Sequence[CacheList]) -> Self:
        """Return a list that holds, for each place, the merged caches of that place.

        Raises:
            OutOfRangeError: no lists.
            LengthMismatchError: lists of different length.
            LayerError: a cache refuses, or cannot.

        """
        context = "CacheList.merge"
        if not caches:
            raise OutOfRangeError(f"{context}: cache count", "must be at least 1", 0)
        for other in caches:
            _check_length(context, len(caches[0].caches), len(other.caches))
        places = list(zip(*(c.caches for c in caches), strict=True))
        return cls(
            *_each(context, places, lambda place, _: _method(place[0], "merge")(list(place)))
        )

    @property
    def state(self) -> list[Any]:
        """The state of every cache. Set it to one entry a cache.

        Raises:
            LengthMismatchError: another number of entries.
            LayerError: a cache refuses its entry.

        """
        return [cache.state for cache in self.caches]

    @state.setter
    def state(self, states: Sequence[Any]) -> None:
        _check_length("CacheList.state", len(self.caches), len(states))
        self._all_or_none("state", lambda cache, i: setattr(cache, "state", states[i]))

    @property
    def meta_state(self) -> list[Any]:
        """``[class names, metadata]``, one of each a cache, as mlx-lm wrote them in 0.31."""
        names = [
            getattr(cache, "reference_class_name", type(cache).__name__) for cache in self.caches
        ]
        return [names, [cache.meta_state for cache in self.caches]]

    @meta_state.setter
    def meta_state(self, meta: Sequence[Any]) -> None:
        self.set_meta_state(meta)

    def set_meta_state(self, meta: Sequence[Any]) -> None:
        """Give every cache its metadata out of ``[class names, metadata]``.

        Raises:
            LengthMismatchError: not two lists, or not one entry a cache.
            LayerError: a cache refuses its entry.

        """
        context = "CacheList.set_meta_state"
        _, entries = _checked_meta(context, meta, len(self.caches))
        self._all_or_none("set_meta_state", lambda cache, i: cache.set_meta_state(entries[i]))

    @classmethod
    def from_state(cls, state: Sequence[Any], meta_state: Sequence[Any] = ()) -> Self:
        """Return a list out of another's ``state`` and ``meta_state``.

        Raises:
            LengthMismatchError: not one name and one metadata entry a cache.
            CapExceededError: too many caches, or lists nested deeper than ``MAX_DEPTH``.
            LayerError: a cache that cannot be restored.

        """
        from .restore import from_state  # noqa: PLC0415 - it knows all kinds, this one included

        context = "CacheList.from_state"
        if len(state) > MAX_SLOTS:
            raise CapExceededError(context, "caches", MAX_SLOTS, len(state))
        names, entries = _checked_meta(context, meta_state, len(state))
        _check_depth(context, names, entries)
        return cls(*_each(context, state, lambda child, i: from_state(names[i], child, entries[i])))

    def _all_or_none(self, name: str, operation: Callable[[Any, int], Any]) -> list[Any]:
        """Play an operation on a copy of every cache, then let all take over the outcome."""
        twins = copy.deepcopy(self.caches)  # at once: a cache that stands twice is one in the copy
        results = _each(f"CacheList.{name}", twins, operation)
        for cache, twin in zip(self.caches, twins, strict=True):
            _take_over(cache, twin)
        return results


def _each(context: str, items: Sequence[Any], operation: Callable[[Any, int], Any]) -> list[Any]:
    """Return what ``operation`` gives for each item, its errors wrapped in ``LayerError``."""
    results = []
    for i, item in enumerate(items):
        try:
            results.append(operation(item, i))
        except CacheError as error:
            raise LayerError(context, i, error) from error
    return results


def _method(cache: Any, name: str) -> Any:
    method = getattr(cache, name, None)
    if method is None:
        raise InvariantViolationError(f"{type(cache).__name__}.{name}", "this kind has none")
    return method


def _take_over(cache: Any, twin: Any) -> None:
    """Make ``cache`` what its ``twin`` became, without replacing any object that others hold."""
    if isinstance(cache, CacheList):
        for child, twin_child in zip(cache.caches, twin.caches, strict=True):
            _take_over(child, twin_child)
    else:
        vars(cache).update(vars(twin))


def _check_length(context: str, expected: int, actual: int) -> None:
    if expected != actual:
        raise LengthMismatchError(context, expected, actual)


def _checked_meta(
    context: str, meta: Sequence[Any], caches: int
) -> tuple[Sequence[Any], Sequence[Any]]:
    _check_length(f"{context}: meta_state", 2, len(meta))
    names, entries = meta
    _check_length(f"{context}: class names", caches, len(names))
    _check_length(f"{context}: metadata", caches, len(entries))
    return names, entries


def _check_depth(context: str, names: Sequence[Any], entries: Sequence[Any]) -> None:
    """Walk the nested metadata without recursion, which hostile nesting would exhaust."""
    level, depth = [(names, entries)], 1
    while level:
        if depth > MAX_DEPTH:
            raise CapExceededError(context, "nesting depth", MAX_DEPTH, depth)
        level = [
            (entry[0], entry[1])
            for names, entries in level
            for name, entry in zip(names, entries, strict=False)
            if name == "CacheList" and len(entry) == 2
        ]
        depth += 1
