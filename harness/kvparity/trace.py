"""What was observed: plain values, so that a trace outlives its process and can be compared.

A trace holds an entry for every operation played: what it returned or raised, and what can be seen
of every cache after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple


@dataclass(slots=True, unsafe_hash=True)
class Frozen:
    """An array's value: dtype by name, shape, and its bytes in row-major order.

    It stands in its place in a trace from the moment of the snapshot, and is filled in once mlx has
    evaluated that.
    """

    dtype: str = ""
    shape: tuple[int, ...] = ()
    data: bytes = b""


class Raised(NamedTuple):
    """An exception: its class, the classes above it, and what it said."""

    name: str
    bases: tuple[str, ...]
    message: str

    def is_a(self, name: str) -> bool:
        """Whether the exception is of this class or below it."""
        return name == self.name or name in self.bases


class Held(NamedTuple):
    """What is seen of one cache: the kind, the fields' names and their values."""

    kind: str
    names: tuple[str, ...]
    values: tuple[Any, ...]

    def get(self, name: str) -> Any:
        """A field's value, or ABSENT."""
        return self.values[self.names.index(name)] if name in self.names else ABSENT


class Laid(NamedTuple):
    """How something is laid out, and by which convention: only layouts of one are compared."""

    convention: str
    layout: Any


class _Absent:
    """The implementation has no such field."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


@dataclass(slots=True)
class Entry:
    """One operation and what was seen after it.

    `aside` says that the operation was played on a copy: the reference's part in a step that the
    subject is to refuse. `later` is what the arrays returned hold at the end, where that differs
    from what they held when they were returned; `inputs_kept` whether those given were left alone.
    `moved` has the fields, by cache and name, whose arrays a later op changed under whoever had
    read them here, and what they held then. `layouts` says, for a file that was saved here and at
    the end for every cache, how what it carries is laid out.
    """

    returned: Any = None
    raised: Raised | None = None
    held: dict[str, Held] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    aside: bool = False
    later: Any = None
    inputs_kept: bool = True
    moved: dict[tuple[str, str], Any] = field(default_factory=dict)
    layouts: dict[str, Laid] = field(default_factory=dict)


@dataclass(frozen=True)
class Stop:
    """Why a trace ends before its scenario does."""

    why: Literal["unsupported", "crashed", "timeout"]
    message: str
    index: int


@dataclass
class Trace:
    """The entries of one scenario on one implementation, in the order of the program's ops."""

    entries: list[Entry] = field(default_factory=list)
    stop: Stop | None = None
