"""What a step may pin: facts that both sides are held to.

`error` is different: it names the error that a hardened subject raises; what the reference does
in that step is recorded beside it.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from kvscenarios.base import Count, DType, Model
from kvscenarios.errors import shown
from kvscenarios.tokens import Cells, Row

_MASK_WORDS = ("none", "causal")


def _parse_mask(value: object) -> object:
    if value in _MASK_WORDS:
        return value
    if isinstance(value, list) and value and all(_is_mask_row(row) for row in value):
        return tuple(value)
    raise ValueError(
        "a mask is 'none', 'causal', or a list of rows of x (attended) and . (masked), "
        f"got {shown(value)}"
    )


def _is_mask_row(row: object) -> bool:
    return isinstance(row, str) and set(row) <= {"x", "."}


Mask = Annotated[
    str | tuple[str, ...],
    BeforeValidator(_parse_mask),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(_MASK_WORDS)},
                {"type": "array", "items": {"type": "string", "pattern": "^[x.]*$"}},
            ],
            "description": "A row a query, x where it attends and . where it does not.",
        }
    ),
]
Shape = Annotated[tuple[Annotated[int, Field(strict=True, ge=0)], ...], Field(max_length=8)]


Counts = Annotated[tuple[Count, ...], Field(max_length=4096)]


def _as_tuples(value: object) -> object:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


Returned = Annotated[Any, BeforeValidator(_as_tuples)]


class Expect(Model):
    """Facts after a step. Token lists are in physical order, a row a batch entry."""

    keys: Cells | None = Field(None, description="Tokens held as keys.")
    values: Cells | None = Field(None, description="Tokens held as values.")
    fetched: Cells | None = Field(None, description="Tokens returned, as keys and as values.")
    shape: Shape | None = Field(None, description="Shape of the keys held.")
    fetched_shape: Shape | None = Field(None, description="Shape of the keys returned.")
    dtype: DType | None = Field(None, description="Type of the keys held.")
    returned: Returned = Field(None, description="A count, truth, word or list returned.")
    mask: Mask | None = None
    mask_shape: Shape | None = None
    offset: Count | Counts | None = None
    size: Count | None = None
    empty: bool | None = None
    trimmable: bool | None = None
    max_size: Count | None = None
    idx: Count | None = Field(None, description="The ring's cursor, `_idx`.")
    nbytes: Count | None = Field(None, description="Bytes of the rows held.")
    allocated_nbytes: Count | None = Field(None, description="Bytes of the buffers.")
    state_count: Count | None = Field(None, description="Arrays in `state`.")
    meta_state: tuple[str, ...] | None = None
    rope_offset: Count | Counts | None = None
    start_position: Count | None = Field(None, description="Where a chunk starts.")
    chunk_size: Count | None = None
    left_padding: Counts | None = Field(None, description="Padding of each row.")
    lengths: Counts | None = Field(None, description="Tokens left of each row.")
    rotated: bool | None = None
    slots: tuple[Cells | None, ...] | None = Field(None, description="Tokens in each slot.")
    tokens: Row | None = Field(None, description="Token ids in a token buffer.")
    length: Count | None = Field(None, description="Sequences in an LRU.")
    error: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z]+$")] | None = Field(
        None, description="The class of the error that a hardened subject raises."
    )

    @property
    def facts(self) -> dict[str, object]:
        """The fields that the author wrote, but for `error`, always in the same order."""
        written = self.model_fields_set - {"error"}
        return {name: getattr(self, name) for name in type(self).model_fields if name in written}
