"""The errors that a cache raises, each with its facts as attributes.

All of them are raised before anything has changed, all derive from ``CacheError``, and all carry
``context``: the operation, and where it helps the argument, that was refused. They are plain
values: they pickle, copy and print as one sentence. What mlx itself raises is not wrapped here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

Shape = tuple[int, ...]


@dataclass(eq=False)
class CacheError(ValueError):
    """The base of every error that kvimpl raises on purpose.

    Attributes:
        context: the operation that refused, as ``"RotatingKVCache.trim"``, with the argument
            behind a colon where several could be meant.

    """

    context: str

    def __post_init__(self) -> None:
        # Pickle and copy rebuild an exception from ``args``.
        self.args = tuple(getattr(self, field.name) for field in fields(self))

    def __str__(self) -> str:
        return f"{self.context}: {self._sentence()}"

    def _sentence(self) -> str:
        return "refused"


@dataclass(eq=False)
class RankMismatchError(CacheError):
    """An array has the wrong number of dimensions.

    Keys and values are ``[B, n_kv_heads, S, head_dim]``, padding is ``[B]``.
    """

    actual: int
    actual_shape: Shape

    def _sentence(self) -> str:
        return f"got {self.actual} dimensions, shape {self.actual_shape}"


@dataclass(eq=False)
class ShapePairMismatchError(CacheError):
    """A shape does not fit the one that it must pair with or be written to."""

    expected: Shape
    actual: Shape

    def _sentence(self) -> str:
        return f"expected shape {self.expected}, got {self.actual}"


@dataclass(eq=False)
class LengthMismatchError(CacheError):
    """A list, such as metadata or padding, has the wrong number of entries."""

    expected: int
    actual: int

    def _sentence(self) -> str:
        return f"expected {self.expected} entries, got {self.actual}"


@dataclass(eq=False)
class OutOfRangeError(CacheError):
    """A number lies outside of what the operation allows."""

    requirement: str
    value: int

    def _sentence(self) -> str:
        return f"{self.requirement}, got {self.value}"


@dataclass(eq=False)
class ArithmeticOverflowError(CacheError):
    """A position would not fit the declared width."""

    op_type: str
    operands: tuple[tuple[str, int], ...]

    def _sentence(self) -> str:
        terms = " + ".join(f"{name} {value}" for name, value in self.operands)
        return f"{terms} overflows {self.op_type}"


@dataclass(eq=False)
class InvariantViolationError(CacheError):
    """The operation needs something that this cache, or its kind, has not."""

    requirement: str

    def _sentence(self) -> str:
        return self.requirement


@dataclass(eq=False)
class MetaParseError(CacheError):
    """A metadata string is not a number, or a file is not laid out as prompt caches are.

    Attributes:
        input_kind: what was read, as ``"offset"``.

    """

    input_kind: str

    def _sentence(self) -> str:
        return f"{self.input_kind} cannot be read"


@dataclass(eq=False)
class UnknownKindError(CacheError):
    """No cache kind goes by this class name."""

    value: str
    supported: tuple[str, ...]

    def _sentence(self) -> str:
        return f"unknown cache kind {self.value!r}, known are {', '.join(self.supported)}"


@dataclass(eq=False)
class CapExceededError(CacheError):
    """A count read from outside is larger than anything sensible."""

    cap_name: str
    cap: int
    observed: int

    def _sentence(self) -> str:
        return f"{self.cap_name} {self.observed} exceeds the cap of {self.cap}"


@dataclass(eq=False)
class DtypeMismatchError(CacheError):
    """An array has the wrong element type."""

    expected: str
    actual: str

    def _sentence(self) -> str:
        return f"expected dtype {self.expected}, got {self.actual}"


@dataclass(eq=False)
class MissingKeyError(CacheError):
    """A key is not one of those that are known."""

    key: str

    def _sentence(self) -> str:
        return f"no such key {self.key!r}"


@dataclass(eq=False)
class LayerError(CacheError):
    """One entry of a list of caches, or of a file, was refused.

    Attributes:
        layer: its index, from 0.
        inner: why.

    """

    layer: int
    inner: CacheError

    def _sentence(self) -> str:
        return f"layer {self.layer}: {self.inner}"
