"""Operations on one cache: write, take back, look, copy, restore."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from kvscenarios.base import CacheRef, Count, Model
from kvscenarios.caches import CacheSpec, Geometry
from kvscenarios.steps.base import FreeStep, MakingStep, Nothing, Step, nothing
from kvscenarios.tensors import Tensor, UpdateInput
from kvscenarios.tokens import Tokens


class Update(Step):
    """Several tokens in one update (prefill)."""

    op = "update"
    update: UpdateInput


class Decode(Step):
    """An update a token: each column of the tokens is one update of length 1."""

    op = "decode"
    decode: Tokens


class Trim(Step):
    """Take back the last n tokens."""

    op = "trim"
    trim: Count


class MaskArgs(Model):
    """How many queries the mask is for, its window, and whether an array is wanted."""

    n: Count
    window_size: Count | None = None
    return_array: bool = False


def _mask_args(value: Any) -> Any:
    return {"n": value} if isinstance(value, int) else value


class MakeMask(Step):
    """The attention mask for the next n queries."""

    op = "make_mask"
    make_mask: Annotated[MaskArgs, BeforeValidator(_mask_args, json_schema_input_type=Any)]


class Observe(Step):
    """Do nothing: pin what the caches hold as they are."""

    op = "observe"
    observe: Nothing


class Copy(MakingStep):
    """An independent copy, which lives on under its own name."""

    op = "copy"
    copy_: CacheRef = Field(alias="copy")

    @property
    def args(self) -> str:
        """The name of the cache that is copied."""
        return self.copy_

    @property
    def targets(self) -> tuple[str, ...]:
        """The cache that is copied."""
        return (self.copy_,)


class RoundTrip(Step):
    """Take the state and metadata out, and go on with a new cache made from them."""

    op = "round_trip"
    round_trip: Nothing


class SetState(Step):
    """Put arrays into an existing cache, as its state."""

    op = "set_state"
    set_state: Annotated[tuple[Tensor, ...], Field(max_length=16)]


Meta = Annotated[tuple[str, ...], Field(max_length=64)]


class SetMetaState(Step):
    """Put metadata (strings) into an existing cache."""

    op = "set_meta_state"
    set_meta_state: Meta


class Materialize(Step):
    """Evaluate everything that the cache holds."""

    op = "materialize"
    materialize: Nothing


class RestoreArgs(Model):
    """A class name as a file carries it, with the arrays and strings stored beside it."""

    kind: str
    state: Annotated[tuple[Tensor, ...], Field(max_length=16)] = ()
    meta_state: Meta = ()
    geometry: Geometry = Geometry()


class FromState(MakingStep, FreeStep):
    """A cache from a class name, state arrays and metadata."""

    op = "from_state"
    from_state: RestoreArgs


class New(MakingStep, FreeStep):
    """A cache made in mid-scenario, or one whose parameters are refused."""

    op = "new"
    new: CacheSpec


class MaybeTrimFront(Step):
    """Let a chunked cache slide its chunk forward, where it is past it."""

    op = "maybe_trim_front"
    maybe_trim_front: Nothing


class QuantizeArgs(Model):
    """The group size and the bits; the implementation's own where they are left out."""

    group_size: Count | None = None
    bits: Count | None = None


class ToQuantized(MakingStep):
    """A quantized cache of the same tokens, which lives on under the name `as`."""

    op = "to_quantized"
    to_quantized: Annotated[
        QuantizeArgs, BeforeValidator(nothing, json_schema_input_type=QuantizeArgs | None)
    ]


class SlotArgs(Model):
    """A slot of an ArraysCache, and what is put there; `null` empties it."""

    index: Count
    to: Tensor | None = None


class SetSlot(Step):
    """Put an array into a slot of an ArraysCache."""

    op = "set_slot"
    set_slot: SlotArgs


class GetSlot(Step):
    """Read a slot of an ArraysCache, as models do; an index below 0 counts from the end."""

    op = "get_slot"
    get_slot: Count


class Append(Step):
    """Append token ids to a token buffer."""

    op = "append"
    append: Tokens
