"""What a generator knows of a cache without having one: enough to keep a sequence valid.

It is no model of what a cache holds: that is the reference's part. It counts tokens and rows, and
answers what may be asked next.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kvimpl import LRUPromptCache, PromptTrie
from kvscenarios.caches import (
    Arrays,
    Batch,
    BatchRotating,
    CacheSpec,
    Chunked,
    Geometry,
    Lru,
    Rotating,
    Trie,
)
from kvscenarios.caches import List as ListSpec

BATCHES = {"batch", "batch_rotating"}
RINGS = {"rotating", "batch_rotating"}
SINGLE = {"standard", "concatenate", "rotating", "chunked", "quantized"}
HOLDING = SINGLE | BATCHES
"""The kinds that hold keys and values."""


class Form(NamedTuple):
    """What a token looks like in one row of a cache: heads, lanes of keys and of values, type."""

    heads: int = Geometry().heads
    head_dim: int = Geometry().head_dim
    value_head_dim: int = Geometry().value_head_dim
    dtype: str = Geometry().dtype

    @classmethod
    def of(cls, spec: Geometry) -> Form:
        """The form of what a declared cache is given."""
        return cls(spec.heads, spec.head_dim, spec.value_head_dim, spec.dtype)

    @property
    def told(self) -> dict[str, Any]:
        """What a scenario says of it: no more than is not so anyway."""
        pairs = zip(self._fields, self, _PLAIN, strict=True)
        return {name: value for name, value, plain in pairs if value != plain}

    @property
    def shape(self) -> tuple[int, int, int]:
        """What rows must share to be in one batch: all but the type."""
        return self.heads, self.head_dim, self.value_head_dim


_PLAIN = Form()


@dataclass
class Shadow:
    """A cache as the generator sees it.

    `held` counts tokens: the offset of one sequence, the cursor of a batch, padding included.
    `touched` says that there are buffers, `ring` that a full ring was decoded into, `announced`
    that a prefill of unequal rows was prepared, `written` that it has come. `vague` says that slots
    nobody wrote to were joined, so that nobody can tell how many rows there are, `timed` that
    lengths of rows were said. `kept` is what a trie or an LRU holds; `given` what is fed to those
    that an LRU was given last; `bounded` that an LRU counts bytes, which nobody counts here.
    """

    name: str
    kind: str
    rows: int = 1
    held: int = 0
    max_size: int | None = None
    keep: int = 0
    padding: list[int] = field(default_factory=list)
    touched: bool = False
    ring: bool = False
    announced: list[int] | None = None
    written: bool = False
    restored: bool = False
    start: int = 0
    chunk: int | None = None
    slots: list[bool] = field(default_factory=list)
    children: list[Shadow] = field(default_factory=list)
    form: Form = _PLAIN
    vague: bool = False
    timed: bool = False
    kept: Any = None
    given: list[list[tuple[int, Form]]] = field(default_factory=list)
    bounded: bool = False

    @classmethod
    def of(cls, name: str, spec: CacheSpec) -> Shadow:
        """A cache as a scenario declares it."""
        new = cls(name, spec.kind, spec.batch, form=Form.of(spec))
        if isinstance(spec, Rotating | BatchRotating | Lru):
            new.max_size = spec.max_size
        if isinstance(spec, Rotating):
            new.keep = spec.keep
        if isinstance(spec, Batch | BatchRotating):
            new.padding = list(spec.left_padding)
        if isinstance(spec, Chunked):
            new.chunk = spec.chunk_size
        if isinstance(spec, Lru):
            new.bounded = spec.max_bytes is not None
            new.kept = LRUPromptCache(spec.max_size)
        if isinstance(spec, Trie):
            new.kept = PromptTrie()
        if isinstance(spec, Arrays):
            new.slots = [False] * spec.size
            new.timed = spec.left_padding is not None
        if isinstance(spec, ListSpec):
            new.children = [cls.of(f"{name}.{i}", part) for i, part in enumerate(spec.caches)]
        return new

    def named(self, name: str) -> Shadow:
        """The same, of another name: a copy that lives on by itself."""
        new = deepcopy(self)
        new.name = name
        new.children = [child.named(f"{name}.{i}") for i, child in enumerate(self.children)]
        return new

    @property
    def parts(self) -> list[Shadow]:
        """The cache and its children."""
        return [self, *self.children]

    @property
    def leaves(self) -> list[Shadow]:
        """The children of a list; any other cache itself."""
        return self.children or [self]

    @property
    def full(self) -> bool:
        """Whether a ring has no room left."""
        return self.max_size is not None and self.held >= self.max_size

    @property
    def pending(self) -> bool:
        """Whether a prefill of unequal rows is not finalized yet."""
        return self.announced is not None or any(child.pending for child in self.children)

    @property
    def trimmable(self) -> int:
        """The most tokens that can be taken back without tearing into padding."""
        if self.children:
            return min(child.trimmable for child in self.children)
        if self.full or self.pending or self.kind in {"arrays", "concatenate"}:
            return 0
        return max(0, self.held - self.start - max(self.padding, default=0))

    def update(self, n: int) -> None:
        """Follow an update of n tokens."""
        self.held += n
        self.touched = True
        self.written = True
        self.ring = self.full and n == 1

    def trim(self, n: int) -> None:
        """Follow a trim that is possible, children included."""
        for part in self.parts:
            part.held -= max(0, min(n, part.held - part.start))

    def filter(self, rows: Sequence[int]) -> None:
        """Follow a filter: a batch that grows gives up padding that all of its rows have."""
        for child in self.children:
            child.filter(rows)
        self.rows = len(rows)
        if self.padding:
            self.padding = [self.padding[row] for row in rows]
        if self.kind == "batch" and self.touched:
            spare = max(0, min(self.padding))
            self.padding = [padding - spare for padding in self.padding]
            self.held -= spare

    def finalize(self) -> None:
        """Follow the end of a prefill of unequal rows: its padding is on the left now."""
        for child in self.children:
            child.finalize()
        if self.announced is not None:
            pairs = zip(self.padding, self.announced, strict=True)
            self.padding = [left + right for left, right in pairs]
        self.announced = None
        self.timed = False


def merged(name: str, parts: Sequence[Shadow]) -> Shadow:
    """The batch of several caches, a row each."""
    first = parts[0]
    if first.children:
        columns = zip(*(part.children for part in parts), strict=True)
        children = [merged(f"{name}.{i}", column) for i, column in enumerate(columns)]
        return Shadow(name, "list", len(parts), children=children)
    if first.kind == "arrays":
        slots = list(first.slots)
        return Shadow(name, "arrays", len(parts), slots=slots, touched=True, form=first.form)
    sizes = [min(part.held, part.max_size or part.held) for part in parts]
    longest = max(sizes)
    new = Shadow(name, "batch" if first.kind == "standard" else "batch_rotating", len(parts))
    new.max_size, new.form = first.max_size, first.form
    new.held, new.touched = longest, longest > 0
    new.padding = [longest - size for size in sizes]
    return new


def extracted(name: str, batch: Shadow, row: int) -> Shadow:
    """One row of a batch as a cache of its own."""
    if batch.children:
        parts = enumerate(batch.children)
        return Shadow(name, "list", children=[extracted(f"{name}.{i}", c, row) for i, c in parts])
    if batch.kind == "arrays":
        return Shadow(name, "arrays", slots=list(batch.slots), touched=True, form=batch.form)
    kind = "standard" if batch.kind == "batch" else "rotating"
    held = max(0, batch.held - batch.padding[row])
    return Shadow(name, kind, held=held, max_size=batch.max_size, touched=True, form=batch.form)


def extended(batch: Shadow, other: Shadow) -> None:
    """Follow `batch.extend(other)`."""
    for mine, theirs in zip(batch.children, other.children, strict=True):
        extended(mine, theirs)
    batch.timed |= other.timed
    batch.vague |= other.vague or not all(batch.slots) or not all(other.slots)
    longest = max(batch.held, other.held)
    batch.padding = [
        padding + longest - part.held for part in (batch, other) for padding in part.padding
    ]
    batch.held, batch.rows = longest, batch.rows + other.rows
    batch.touched, batch.ring = batch.touched or other.touched, False
