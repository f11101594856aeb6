"""The life of a batch: rows prefilled alone, merged, padded, filtered, extended, taken out."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from kvscenarios.base import CacheRef, Count, Model
from kvscenarios.steps.base import MakingStep, Nothing, Step

Indices = Annotated[tuple[Count, ...], Field(max_length=4096)]


class Merge(MakingStep):
    """One batch out of several caches, a row each."""

    op = "merge"
    merge: Annotated[tuple[CacheRef, ...], Field(max_length=64)]

    @property
    def targets(self) -> tuple[str, ...]:
        """The caches that are merged."""
        return self.merge


class Extract(MakingStep):
    """One row of a batch, as a cache of its own."""

    op = "extract"
    extract: Count


class Extend(Step):
    """Append another batch's rows to this one's."""

    op = "extend"
    extend: CacheRef

    @property
    def targets(self) -> tuple[str, ...]:
        """The batch that grows, and the one that is appended."""
        return (*super().targets[:1], self.extend)


class ArrayArgs(Model):
    """Indices that are given as an `mx.array`."""

    array: Indices


def _is_array(value: Any) -> str:
    return "an array" if isinstance(value, dict | ArrayArgs) else "a list"


class Filter(Step):
    """Keep the rows of these indices, in their order: a list, or an array of them."""

    op = "filter"
    filter: Annotated[
        Annotated[Indices, Tag("a list")] | Annotated[ArrayArgs, Tag("an array")],
        Discriminator(_is_array),
    ]

    @property
    def rows(self) -> tuple[int, ...]:
        """The indices, in whichever form they are given."""
        return self.filter.array if isinstance(self.filter, ArrayArgs) else self.filter


class PrepareArgs(Model):
    """Padding of the tokens that come next, and how many of them count, row by row."""

    left_padding: Indices | None = None
    right_padding: Indices | None = None
    lengths: Indices | None = None


class Prepare(Step):
    """Announce a prefill of rows of unequal length."""

    op = "prepare"
    prepare: PrepareArgs


class Finalize(Step):
    """End a prefill of rows of unequal length."""

    op = "finalize"
    finalize: Nothing


class Advance(Step):
    """Tell an ArraysCache that n tokens have gone by."""

    op = "advance"
    advance: Count
