"""Arrays that were handed in or out, and whether they still hold at the end what they held then.

An `mx.array` is a handle: what an implementation writes through one of its own shows in the same
handle in other hands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import NoneType
from typing import Any

import mlx.core as mx

from kvparity.observe import Observer, array_bytes
from kvparity.paint import Painted
from kvparity.trace import Entry, Frozen

_LEAVES = frozenset((int, bool, float, str, NoneType))
_SEQUENCES = (tuple, list)


class Watch:
    """The handles of one session."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._returned: list[tuple[int, Any]] = []
        self._latest: dict[tuple[str, str], tuple[int, mx.array, Frozen]] = {}
        self._read_again: list[tuple[int, tuple[str, str], Frozen, Frozen]] = []

    @property
    def pending(self) -> list[Any]:
        """What is to be evaluated before it is looked at again."""
        return [result for _, result in self._returned]

    def returned(self, index: int, result: Any, caches: Iterable[Any]) -> None:
        """Note what an op returned, if a cache holds it, too: nothing else can change later."""
        if type(result) in _LEAVES:
            return
        handles = set(map(id, arrays(result)))
        if handles and not handles.isdisjoint(map(id, arrays(list(caches)))):
            self._returned.append((index, result))

    def read_out(self, index: int, name: str) -> None:
        """Note the arrays that were read out of a cache after an op."""
        for field, array, seen in self._observer.read_out:
            before = self._latest.get((name, field))
            if before is not None and before[1] is array:
                # Whoever had read it then holds what is held now.
                self._read_again.append((before[0], (name, field), before[2], seen))
            self._latest[name, field] = index, array, seen

    def look_again(
        self,
        entries: Sequence[Entry],
        inputs: Sequence[tuple[mx.array, ...]],
        painted: Sequence[tuple[Painted, ...]],
    ) -> None:
        """Tell the entries what has changed since."""
        now = [(index, self._observer.snapshot(result)) for index, result in self._returned]
        self._observer.read()
        for index, later in now:
            if later != entries[index].returned:
                entries[index].later = later
        for index, field, then, after in self._read_again:
            if then != after and index < len(entries):
                entries[index].moved[field] = after
        for entry, given, before in zip(entries, inputs, painted, strict=False):
            for array, was in zip(given, before, strict=True):
                if array_bytes(array) != was.data:
                    entry.inputs_kept = False


def arrays(value: Any) -> list[mx.array]:
    """The arrays that a value, or an object's attributes, reach."""
    found, pending = [], [value]
    for part in pending:
        kind = type(part)
        if kind is mx.array:
            found.append(part)
        elif kind in _LEAVES:
            continue
        elif isinstance(part, _SEQUENCES):
            pending += part
        elif isinstance(part, dict):
            pending += part.values()
        elif hasattr(part, "__dict__"):
            pending += vars(part).values()
    return found
