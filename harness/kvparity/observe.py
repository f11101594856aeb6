"""What is looked at after every operation, at three levels.

`returned` is what the operation gave back; `state` what a cache says of itself in public;
`internals` what is private, yet read by downstream code. A field that an implementation lacks is
left out, and not compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter, methodcaller
from types import NoneType
from typing import Any, Literal, NamedTuple

import mlx.core as mx

from kvoracle.face import Face, Unsupported, through_brackets
from kvparity.trace import Frozen, Held, Raised

Level = Literal["returned", "state", "internals"]
LEVELS: tuple[Level, ...] = ("returned", "state", "internals")
ANY_ERROR = (Exception, SystemExit)
"""What an implementation may raise and is observed: one that calls `exit` does not end us."""


Get = Callable[[Any], Any]


@dataclass(frozen=True)
class Field:
    """Something to see of a cache: its name, its level, and how an implementation's is had.

    `getter` makes the function that reads the field of a cache of one class; it is asked once a
    class, and raises Unsupported where there is no such field.
    """

    name: str
    level: Level
    getter: Callable[[Face, Any], Get]


def _attribute(name: str) -> Callable[[Face, Any], Get]:
    def getter(face: Face, cache: Any) -> Get:
        _require(face, cache, name)
        return attrgetter(name)

    return getter


def _method(name: str) -> Callable[[Face, Any], Get]:
    def getter(face: Face, cache: Any) -> Get:
        _require(face, cache, name)
        return methodcaller(name)

    return getter


def _require(face: Face, cache: Any, name: str) -> None:
    # Asked of the class first: a property is there even where reading it raises.
    if not hasattr(type(cache), name) and not hasattr(cache, name):
        raise Unsupported(f"{type(cache).__name__} of {face.name} has no {name}")


def _buffer_shape(cache: Any) -> Any:
    return None if cache.keys is None else tuple(cache.keys.shape)


def _state_shape(cache: Any) -> Any:
    return tuple(cache.state.shape)


def _slots(cache: Any) -> Any:
    return through_brackets(cache, cache.cache)


_HELD = (
    # Both are read together, by `Face.logical`.
    Field("keys", "state", lambda _face, _cache: attrgetter("keys")),
    Field("values", "state", lambda _face, _cache: attrgetter("values")),
)
_COMMON = (
    *_HELD,
    Field("offset", "state", _attribute("offset")),
    Field("size", "state", _method("size")),
    Field("empty", "state", _method("empty")),
    Field("trimmable", "state", _method("is_trimmable")),
)
_BUFFERS = (
    Field("buffer_shape", "internals", lambda _face, _cache: _buffer_shape),
    Field("allocated_nbytes", "internals", lambda face, cache: face.allocated_getter(cache)),
)
_RING = (
    Field("max_size", "state", _attribute("max_size")),
    Field("keep", "state", _attribute("keep")),
    Field("idx", "internals", _attribute("_idx")),
)
_ROWS = (
    Field("left_padding", "internals", _attribute("left_padding")),
    Field("idx", "internals", _attribute("_idx")),
)
_OUTSIDE = (
    Field("empty", "state", _method("empty")),
    Field("size", "state", _method("size")),
    Field("trimmable", "state", _method("is_trimmable")),
)
_ALLOCATED = _BUFFERS[1:]
FIELDS: dict[str, tuple[Field, ...]] = {
    "standard": (*_COMMON, *_BUFFERS),
    "concatenate": (*_COMMON, *_BUFFERS),
    "rotating": (*_COMMON, *_RING, *_BUFFERS),
    "chunked": (
        *_COMMON,
        Field("chunk_size", "state", _attribute("chunk_size")),
        Field("start_position", "internals", _attribute("start_position")),
        *_BUFFERS,
    ),
    "quantized": (
        *_COMMON,
        Field("group_size", "state", _attribute("group_size")),
        Field("bits", "state", _attribute("bits")),
        *_ALLOCATED,
    ),
    "batch": (*_COMMON, *_ROWS, *_BUFFERS),
    "batch_rotating": (
        *_COMMON,
        *_ROWS,
        Field("max_size", "state", _attribute("max_size")),
        Field("offset_of_all", "internals", _attribute("_offset")),
        Field("rotated", "internals", _attribute("rotated")),
        *_BUFFERS,
    ),
    "arrays": (
        Field("slots", "state", lambda _face, _cache: _slots),
        *_OUTSIDE,
        Field("left_padding", "internals", _attribute("left_padding")),
        Field("lengths", "internals", _attribute("lengths")),
        Field("batch_size", "state", _attribute("batch_size")),
        *_ALLOCATED,
    ),
    "list": (*_OUTSIDE, *_ALLOCATED),
    "tokens": (
        Field("tokens", "state", _attribute("tokens")),
        Field("buffer_shape", "internals", lambda _face, _cache: _state_shape),
    ),
    "trie": (),
    "lru": (
        Field("length", "state", lambda _face, _cache: len),
        Field("nbytes_of_all", "state", _attribute("nbytes")),
    ),
}
LEVEL_OF: dict[str, Level] = {
    field.name: field.level for fields in FIELDS.values() for field in fields
} | {"returned": "returned", "raised": "returned"}

EXTRAS: dict[str, Field] = {
    field.name: field
    for field in (
        Field("nbytes", "state", _attribute("nbytes")),
        Field("max_size", "state", _attribute("max_size")),
        Field("rope_offset", "state", _attribute("rope_offset")),
        Field("meta_state", "state", _attribute("meta_state")),
        Field("state_count", "state", lambda face, _cache: face.state_count),
    )
}
"""Facts that are looked at only where a step pins them: not every implementation means the same."""

_LARGE = 1536
"""Numbers from which on an array is read faster once mlx has made it contiguous."""
_SEQUENCES = (tuple, list)
_SCALARS = (int, bool, str, NoneType)


class _Survey(NamedTuple):
    """What is seen of one class of caches, found on its first cache."""

    kind: str
    names: tuple[str, ...]
    getters: tuple[tuple[str, Get], ...]
    layout: int
    holds: bool


class Observer:
    """Looks at caches, keeping snapshots of arrays to be evaluated together and read later.

    A snapshot is `array[...]`: a handle that never sees later writes. `pending` holds them, and
    `read` fills in the values that stand for them. `read_out` has the fields that are arrays, of
    the cache that was `held` last, under the handles that anybody else would have got.
    """

    def __init__(self, face: Face, surveys: dict[type, _Survey] | None = None) -> None:
        self._face = face
        self._surveys: dict[type, _Survey] = {} if surveys is None else surveys
        self.pending: list[mx.array] = []
        self._values: list[Frozen] = []
        self.read_out: list[tuple[str, mx.array, Frozen]] = []

    def another(self) -> Observer:
        """One for another session: what was found out about the classes stays known."""
        return Observer(self._face, self._surveys)

    def snapshot(self, value: Any) -> Any:
        """The value with every array in it replaced by what it holds now, once that is `read`."""
        if type(value) is mx.array:
            self.pending.append(mx.contiguous(value) if value.size > _LARGE else value[...])
            frozen = Frozen()
            self._values.append(frozen)
            return frozen
        if isinstance(value, _SEQUENCES):
            return tuple([self.snapshot(item) for item in value])
        return value

    def read(self) -> None:
        """Evaluate the snapshots and fill in their values. Raises what mlx raises."""
        pending, self.pending = self.pending, []
        values, self._values = self._values, []
        mx.eval(pending)
        for value, array in zip(values, pending, strict=True):
            fill(value, array)

    def held(self, cache: Any, *, restored: bool = False, passing: bool = False) -> Held:
        """Every field of the cache that this implementation has; `passing`, all but the tokens.

        How a `restored` cache lays out its buffers is each release's own affair (up to 0.31.3 the
        rows it holds, since 0.32.0 the buffers it had), so that is left out for one.
        """
        survey = self._surveys.get(type(cache)) or self._survey(cache)
        snapshot = self.snapshot
        self.read_out = []
        try:
            values = self._pair(cache) if survey.holds and not passing else []
            for name, get in survey.getters:
                value = get(cache)
                if type(value) in _SCALARS or get is _buffer_shape:
                    values.append(value)
                    continue
                seen = snapshot(value)
                if type(value) is mx.array:
                    self.read_out.append((name, value, seen))
                values.append(seen)
        except ANY_ERROR:  # whatever the cache raises is an observation
            values = self._one_by_one(survey, cache)
            passing = False
        if not restored and not passing:
            return Held(survey.kind, survey.names, tuple(values))
        first = len(_HELD) if survey.holds and passing else 0
        seen = len(values) - (survey.layout if restored else 0)
        return Held(survey.kind, survey.names[first : first + seen], tuple(values[:seen]))

    def _pair(self, cache: Any) -> list[Any]:
        """Keys and values, read together."""
        held = self._face.logical(cache)
        return [None, None] if held is None else [self.snapshot(held[0]), self.snapshot(held[1])]

    def fact(self, name: str, cache: Any) -> Any:
        """A fact that a step pins beyond the fields. Raises Unsupported."""
        value = self._one(EXTRAS[name].getter(self._face, cache), cache)
        return tuple(value) if isinstance(value, list) else value

    def _survey(self, cache: Any) -> _Survey:
        kind = self._face.kind_of(cache)
        fields = FIELDS[kind]
        holds = fields[: len(_HELD)] == _HELD
        names, getters, layout = [field.name for field in _HELD] if holds else [], [], 0
        for field in fields[len(_HELD) :] if holds else fields:
            try:
                getters.append((field.name, field.getter(self._face, cache)))
            except Unsupported:
                continue
            names.append(field.name)
            layout += field in _BUFFERS
        survey = _Survey(kind, tuple(names), tuple(getters), layout, holds)
        self._surveys[type(cache)] = survey
        return survey

    def _one_by_one(self, survey: _Survey, cache: Any) -> list[Any]:
        """The fields, each that raises with what it raised for a value."""
        pair: list[Any] = []
        if survey.holds:
            try:
                pair = self._pair(cache)
            except ANY_ERROR as error:  # what reading them raises is their value
                pair = [raised(error)] * 2
        return pair + [self._one(get, cache) for _, get in survey.getters]

    def _one(self, get: Get, cache: Any) -> Any:
        try:
            return self.snapshot(get(cache))
        except Unsupported:
            raise
        except ANY_ERROR as error:  # what a field raises is its value
            return raised(error)


def raised(error: BaseException) -> Raised:
    """An exception as an observation."""
    bases = tuple(cls.__name__ for cls in type(error).__mro__[1:-2])
    return Raised(type(error).__name__, bases, str(error))


def array_bytes(array: Any) -> bytes:
    """An array's bytes in row-major order (the stubs do not tell that arrays have a buffer)."""
    return bytes(memoryview(array))


_NAMES: dict[mx.Dtype, str] = {}


def _name(dtype: mx.Dtype) -> str:
    name = _NAMES[dtype] = str(dtype).removeprefix("mlx.core.")
    return name


def fill(value: Frozen, array: mx.array) -> None:
    """Put an evaluated array's dtype, shape and bytes into the value that stands for it."""
    dtype = array.dtype
    value.dtype = _NAMES.get(dtype) or _name(dtype)
    value.shape = array.shape
    value.data = array_bytes(array)
