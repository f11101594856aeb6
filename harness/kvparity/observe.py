"""What is looked at after every operation, at three levels.

`returned` is what the operation gave back; `state` what a cache says of itself in public;
`internals` what is private, yet read by downstream code. A field that an implementation lacks is
left out, and not compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import mlx.core as mx

from kvoracle.face import Face, Unsupported
from kvparity.trace import Frozen, Held, Raised

Level = Literal["returned", "state", "internals"]
LEVELS: tuple[Level, ...] = ("returned", "state", "internals")


@dataclass(frozen=True)
class Field:
    """Something to see of a cache: its name, its level, and how it is had."""

    name: str
    level: Level
    get: Callable[[Face, Any], Any]


def _keys(face: Face, cache: Any) -> Any:
    held = face.logical(cache)
    return None if held is None else held[0]


def _values(face: Face, cache: Any) -> Any:
    held = face.logical(cache)
    return None if held is None else held[1]


def _rows(_face: Face, cache: Any) -> Any:
    return None if cache.keys is None else tuple(cache.keys.shape)


def _method(name: str) -> Callable[[Face, Any], Any]:
    return lambda face, cache: face.method(cache, name)()


def _attribute(name: str) -> Callable[[Face, Any], Any]:
    def get(face: Face, cache: Any) -> Any:
        try:
            return getattr(cache, name)
        except AttributeError:
            raise Unsupported(f"{type(cache).__name__} of {face.name} has no {name}") from None

    return get


KEYS = Field("keys", "state", _keys)
VALUES = Field("values", "state", _values)
_COMMON = (
    KEYS,
    VALUES,
    Field("offset", "state", _attribute("offset")),
    Field("size", "state", _method("size")),
    Field("empty", "state", _method("empty")),
    Field("trimmable", "state", _method("is_trimmable")),
)
_BUFFERS = (
    Field("buffer_shape", "internals", _rows),
    Field("allocated_nbytes", "internals", lambda face, cache: face.allocated_nbytes(cache)),
)
_RING = (
    Field("max_size", "state", _attribute("max_size")),
    Field("keep", "state", _attribute("keep")),
    Field("idx", "internals", _attribute("_idx")),
)
FIELDS: dict[str, tuple[Field, ...]] = {
    "standard": (*_COMMON, *_BUFFERS),
    "concatenate": (*_COMMON, *_BUFFERS),
    "rotating": (*_COMMON, *_RING, *_BUFFERS),
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
        Field(
            "meta_state",
            "state",
            lambda _face, cache: tuple(_attribute("meta_state")(_face, cache)),
        ),
        Field("state_count", "state", lambda face, cache: face.state_count(cache)),
    )
}
"""Facts that are looked at only where a step pins them: not every implementation means the same."""

_SEQUENCES = (tuple, list)


class Observer:
    """Looks at caches, keeping array snapshots to be evaluated and frozen together later.

    A snapshot is `array[...]`: a handle that never sees later writes. `pending` holds them.
    """

    def __init__(self, face: Face) -> None:
        self._face = face
        self._array = mx.array
        self._fields: dict[type, tuple[str, tuple[str, ...], tuple[Field, ...]]] = {}
        self.pending: list[mx.array] = []

    def snapshot(self, value: Any) -> Any:
        """The value with every array in it replaced by a handle of its own."""
        if type(value) is self._array:
            fresh = value[...]
            self.pending.append(fresh)
            return fresh
        if isinstance(value, _SEQUENCES):
            return tuple([self.snapshot(item) for item in value])
        return value

    def held(self, cache: Any, *, restored: bool = False) -> Held:
        """Every field of the cache that this implementation has.

        How a `restored` cache lays out its buffers is each release's own affair (up to 0.31.3 the
        rows it holds, since 0.32.0 the buffers it had), so that is left out for one.
        """
        known = self._fields.get(type(cache))
        if known is None:
            known = self._survey(cache)
        kind, names, fields = known
        face, array, pending = self._face, self._array, self.pending
        try:
            held = face.logical(cache)
            if held is None:
                values: list[Any] = [None, None]
            else:
                values = [held[0][...], held[1][...]]
                pending += values
            for field in fields[2:]:
                value = field.get(face, cache)
                values.append(self.snapshot(value) if type(value) is array else value)
        except Exception:  # noqa: BLE001 - whatever the cache raises is an observation
            values = [self._one(field, cache) for field in fields]
        seen = len(names) - (self._layout(fields) if restored else 0)
        return Held(kind, names[:seen], tuple(values[:seen]))

    def fact(self, name: str, cache: Any) -> Any:
        """A fact that a step pins beyond the fields. Raises Unsupported."""
        return self._one(EXTRAS[name], cache)

    @staticmethod
    def _layout(fields: tuple[Field, ...]) -> int:
        """How many of the fields, which come last, are about the buffers' layout."""
        return sum(field in _BUFFERS for field in fields)

    def _survey(self, cache: Any) -> tuple[str, tuple[str, ...], tuple[Field, ...]]:
        """Which fields this class has, found once, on its first cache."""
        kind = self._face.kind_of(cache)
        fields = tuple(field for field in FIELDS[kind] if self._has(field, cache))
        known = kind, tuple(field.name for field in fields), fields
        self._fields[type(cache)] = known
        return known

    def _has(self, field: Field, cache: Any) -> bool:
        try:
            field.get(self._face, cache)
        except Unsupported:
            return False
        except Exception:  # noqa: BLE001 - it is there, and raises
            return True
        return True

    def _one(self, field: Field, cache: Any) -> Any:
        try:
            return self.snapshot(field.get(self._face, cache))
        except Unsupported:
            raise
        except Exception as error:  # noqa: BLE001 - what a field raises is its value
            return raised(error)


def raised(error: BaseException) -> Raised:
    """An exception as an observation."""
    bases = tuple(cls.__name__ for cls in type(error).__mro__[1:-2])
    return Raised(type(error).__name__, bases, str(error))


def _bytes(array: Any) -> bytes:
    """An array's bytes in row-major order (the stubs do not tell that arrays have a buffer)."""
    return bytes(memoryview(array))


class Freezer:
    """Turns evaluated snapshots into plain values."""

    def __init__(self) -> None:
        self._array = mx.array
        self._names: dict[Any, str] = {}

    def freeze(self, value: Any) -> Any:
        """The value with every array in it replaced by its dtype, shape and bytes."""
        if type(value) is self._array:
            dtype = value.dtype
            name = self._names.get(dtype)
            if name is None:
                name = self._names[dtype] = str(dtype).removeprefix("mlx.core.")
            return Frozen(name, value.shape, _bytes(value))
        if type(value) is tuple:
            return tuple([self.freeze(item) for item in value])
        return value

    def held(self, held: Held) -> Held:
        """A cache's fields, frozen."""
        kind, names, values = held
        array, freeze = self._array, self.freeze
        return Held(kind, names, tuple([freeze(v) if type(v) is array else v for v in values]))
