"""The caches that a scenario may name: their kind, their parameters, and their geometry.

Geometry defaults are chosen to see faults: two heads, and key and value head dims that differ.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kvscenarios.base import Count, Dimension, DType, Model


class Geometry(Model):
    """The shape of what is written: keys [batch, heads, S, head_dim], values [.., value_head_dim].

    `step` sets the rows by which a buffer grows, on both sides, so that growth comes early.
    """

    batch: Dimension = 1
    heads: Dimension = 2
    head_dim: Dimension = 4
    value_head_dim: Dimension = 3
    dtype: DType = "float32"
    step: Annotated[int, Field(strict=True, ge=1, le=65536)] | None = None


class Standard(Geometry):
    """mlx-lm's KVCache: every token is kept, in a buffer that grows by steps of 256 rows."""

    kind: Literal["standard"]


class Concatenate(Geometry):
    """mlx-lm's ConcatenateKVCache: every token is kept, in a buffer as long as its tokens."""

    kind: Literal["concatenate"]


class Rotating(Geometry):
    """mlx-lm's RotatingKVCache: a ring of max_size rows whose first `keep` rows stay."""

    kind: Literal["rotating"]
    max_size: Count
    keep: Count = 0


CacheSpec = Annotated[Standard | Concatenate | Rotating, Field(discriminator="kind")]

KINDS = ("standard", "concatenate", "rotating")
