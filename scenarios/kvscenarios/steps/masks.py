"""The free mask functions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kvscenarios.base import Count, Model
from kvscenarios.steps.base import FreeStep
from kvscenarios.tokens import Tokens

Padding = Annotated[tuple[Count, ...], Field(max_length=4096)]


class CausalMaskArgs(Model):
    """The arguments of create_causal_mask."""

    n: Count
    offset: Count = 0
    window_size: Count | None = None
    left_padding: Padding | None = None
    right_padding: Padding | None = None


class CreateCausalMask(FreeStep):
    """The free function of models/base.py."""

    op = "create_causal_mask"
    create_causal_mask: CausalMaskArgs


class AttentionMaskArgs(Model):
    """The arguments of create_attention_mask of models/cache.py."""

    n: Count
    offset: Count = 0
    window_size: Count | None = None
    return_array: bool = False


class CreateAttentionMask(FreeStep):
    """The free function of models/cache.py: none, "causal", or an array."""

    op = "create_attention_mask"
    create_attention_mask: AttentionMaskArgs


class RollArgs(Model):
    """Painted tokens [rows, 1, S, 1], and by how much each row is rolled."""

    tokens: Tokens
    shifts: Padding


class DynamicRoll(FreeStep):
    """Roll each row along the sequence by a shift of its own."""

    op = "dynamic_roll"
    dynamic_roll: RollArgs
