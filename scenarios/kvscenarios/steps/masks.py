"""The free mask functions, and masks as a model asks for them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from kvscenarios.base import Count, Dimension, Model
from kvscenarios.steps.base import FreeStep, Step
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


class SsmMaskArgs(Model):
    """For how many hidden states, and whether for a model that is given no cache."""

    n: Dimension
    without_cache: bool = False


class ModelMaskArgs(SsmMaskArgs):
    """The same, the model's window, and whether it wants an array."""

    window_size: Count | None = None
    return_array: bool = False


def _states(value: Any) -> Any:
    return {"n": value} if isinstance(value, int) else value


class OfAModel(Step):
    """A mask that mlx-lm's models ask for: with hidden states, and a cache or none."""

    @property
    def targets(self) -> tuple[str, ...]:
        """The cache, if there is one."""
        return () if self.args.without_cache else super().targets


class ModelMask(OfAModel):
    """The mask of an attention layer: create_attention_mask of models/base.py."""

    op = "model_mask"
    model_mask: Annotated[ModelMaskArgs, BeforeValidator(_states, json_schema_input_type=Any)]


class SsmMask(OfAModel):
    """The mask of a recurrent layer: create_ssm_mask of models/base.py."""

    op = "ssm_mask"
    ssm_mask: Annotated[SsmMaskArgs, BeforeValidator(_states, json_schema_input_type=Any)]


class RollArgs(Model):
    """Painted tokens [rows, 1, S, 1], and by how much each row is rolled."""

    tokens: Tokens
    shifts: Padding


class DynamicRoll(FreeStep):
    """Roll each row along the sequence by a shift of its own."""

    op = "dynamic_roll"
    dynamic_roll: RollArgs
