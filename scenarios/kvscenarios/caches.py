"""The caches that a scenario may name: their kind, their parameters, and their geometry.

Geometry defaults are chosen to see faults: two heads, and key and value head dims that differ.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from kvscenarios.base import Count, Dimension, DType, Model
from kvscenarios.tokens import Tokens as TokenRows


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


class Chunked(Geometry):
    """mlx-lm's ChunkedKVCache: the newest chunk_size tokens, once it is told to trim its front."""

    kind: Literal["chunked"]
    chunk_size: Count | None = None


class Quantized(Geometry):
    """mlx-lm's QuantizedKVCache: every token, its lanes quantized by groups."""

    kind: Literal["quantized"]
    group_size: Count = 64
    bits: Count = 8
    head_dim: Dimension = 64
    value_head_dim: Dimension = 128


class _Padded(Geometry):
    """A cache of a batch whose rows start at different places; its rows give the batch."""

    left_padding: Annotated[tuple[Count, ...], Field(min_length=1, max_length=4096)]

    @model_validator(mode="before")
    @classmethod
    def _count_rows(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("left_padding"), list | tuple):
            return {"batch": len(data["left_padding"]), **data}
        return data


class Batch(_Padded):
    """mlx-lm's BatchKVCache: rows of unequal length, padded on the left."""

    kind: Literal["batch"]


class BatchRotating(_Padded):
    """mlx-lm's BatchRotatingKVCache: a ring for a batch of rows."""

    kind: Literal["batch_rotating"]
    max_size: Count


class Arrays(Geometry):
    """mlx-lm's ArraysCache: slots for the states of a recurrent layer."""

    kind: Literal["arrays"]
    size: Annotated[int, Field(strict=True, ge=-1, le=4096)]
    left_padding: Annotated[tuple[Count, ...], Field(max_length=4096)] | None = None


class List(Geometry):
    """mlx-lm's CacheList: several caches of one layer; `pair.0` is the first child of `pair`."""

    kind: Literal["list"]
    caches: Annotated[tuple[CacheSpec, ...], Field(max_length=64)]


class Tokens(Geometry):
    """mlx-lm's TokenBuffer: token ids in a buffer that grows by steps."""

    kind: Literal["tokens"]
    tokens: Annotated[TokenRows, Field(max_length=1)] | None = None


class Trie(Geometry):
    """mlx-lm's PromptTrie: what is stored for prompts, and for their prefixes."""

    kind: Literal["trie"]


class Lru(Geometry):
    """mlx-lm's LRUPromptCache: prompt caches by what they hold, the least recently used evicted."""

    kind: Literal["lru"]
    max_size: Count = 10
    max_bytes: Count | None = None


CacheSpec = Annotated[
    Standard
    | Concatenate
    | Rotating
    | Chunked
    | Quantized
    | Batch
    | BatchRotating
    | Arrays
    | List
    | Tokens
    | Trie
    | Lru,
    Field(discriminator="kind"),
]
List.model_rebuild()
