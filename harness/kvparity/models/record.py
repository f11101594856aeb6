"""What is seen while a model runs: what it gave out, and what its caches held and answered.

A record is a trace with a moment for every entry: which token, which layer, what. Arrays are kept
under handles of their own and evaluated together at the end, so that looking changes neither what
mlx computes nor when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

from kvoracle.face import CLASS_NAMES, Face
from kvparity.observe import ANY_ERROR, Observer, raised
from kvparity.trace import Entry, Trace

_CALLS = ("update_and_fetch", "make_mask", "__getitem__")
"""What a model asks of a cache, and computes with."""


class Moment(NamedTuple):
    """Where an entry stands. `layer` is None where the whole model speaks."""

    token: str
    layer: str | None
    field: str


class Played(NamedTuple):
    """A finished record: a moment for every entry of the trace."""

    moments: list[Moment]
    trace: Trace


class Record:
    """A record being made of the caches of one module."""

    def __init__(self, caches: ModuleType) -> None:
        self._face = Face(caches.__name__, caches)
        self._observer = Observer(self._face)
        self._moments: list[Moment] = []
        self._entries: list[Entry] = []
        self._layers: dict[int, str] = {}
        self._token = ""

    def gave(self, token: str, field: str, value: Any) -> None:
        """The model, or what drives it, gave something out."""
        self._add(Moment(token, None, field), Entry(returned=self._observer.snapshot(value)))

    def raised(self, error: BaseException) -> None:
        """The run ended with an error."""
        last = f"after {self._moments[-1].token}" if self._moments else "the start"
        self._add(Moment(last, None, "the run"), Entry(raised=raised(error)))

    def holds(self, token: str, caches: Sequence[Any]) -> None:
        """What every layer's cache holds, those within a list after the list."""
        held = {name: self._observer.held(cache) for name, cache in _walk(self._face, caches)}
        self._add(Moment(token, None, "caches"), Entry(held=held))

    @contextmanager
    def call(self, token: str, caches: Sequence[Any]) -> Iterator[None]:
        """A model is called with these caches: what they hold before, and what they answer."""
        self.holds(token, caches)
        self._token = token
        self._layers = {id(cache): name for name, cache in _walk(self._face, caches)}
        yield
        self._layers = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Record what every cache answers to a model, under the layer that it belongs to."""
        undo: list[Callable[[], None]] = []
        for kind in CLASS_NAMES.values():
            cls = getattr(self._face.cache, kind, None)
            for call in _CALLS:
                if hasattr(cls, call) and not (kind == "CacheList" and call == "__getitem__"):
                    undo.append(self._watch(cls, call))
        try:
            yield
        finally:
            for restore in reversed(undo):
                restore()

    def _watch(self, cls: Any, call: str) -> Callable[[], None]:
        own, method = vars(cls).get(call), getattr(cls, call)

        def watched(cache: Any, *args: Any, **kwargs: Any) -> Any:
            # Taken off for as long as it answers: what it asks of itself on the way is its own.
            layer = self._layers.pop(id(cache), None)
            if layer is None:
                return method(cache, *args, **kwargs)
            moment = Moment(self._token, layer, call)
            try:
                answer = method(cache, *args, **kwargs)
            except ANY_ERROR as error:
                self._add(moment, Entry(raised=raised(error)))
                raise
            self._layers[id(cache)] = layer
            self._add(moment, Entry(returned=self._observer.snapshot(answer)))
            return answer

        setattr(cls, call, watched)
        return lambda: setattr(cls, call, own) if own is not None else delattr(cls, call)

    def _add(self, moment: Moment, entry: Entry) -> None:
        self._moments.append(moment)
        self._entries.append(entry)

    def played(self) -> Played:
        """The record as plain values."""
        self._observer.read()
        return Played(self._moments, Trace(self._entries))


def _walk(face: Face, caches: Sequence[Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for index, cache in enumerate(caches):
        name = f"{above}.{index}" if above else f"layer {index}"
        yield name, cache
        yield from _walk(face, face.children(cache), name)
