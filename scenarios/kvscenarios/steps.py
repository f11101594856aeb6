"""The operations: one class each, named as the reference names them.

A step is written as the operation's name and its arguments, beside `on` (which cache), `as` (the
name of a cache that the step makes), `expect` (facts pinned) and `note`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Union

from pydantic import BeforeValidator, Discriminator, Field, Tag

from kvscenarios.base import CacheRef, Count, Dimension, DType, Model, Name, NoArguments
from kvscenarios.caches import CacheSpec, Geometry
from kvscenarios.errors import nearest
from kvscenarios.expect import Expect, Shape
from kvscenarios.tokens import Tokens

DEFAULT_CACHE = "cache"
"""The name of a scenario's only cache."""


class TokenTensor(Model):
    """Painted tokens in a geometry of their own, where it differs from the cache's."""

    tokens: Tokens
    batch: Dimension | None = None
    heads: Dimension | None = None
    head_dim: Dimension | None = None
    dtype: DType | None = None


class ShapedTensor(Model):
    """An array of any rank, numbered from 1 in row-major order: for input that is wrong."""

    shape: Shape
    dtype: DType = "float32"


def _tensor(value: Any) -> Any:
    return {"tokens": value} if isinstance(value, list | str | int) else value


def _tensor_tag(value: Any) -> str:
    has_shape = "shape" in value if isinstance(value, dict) else isinstance(value, ShapedTensor)
    return "shape" if has_shape else "tokens"


Tensor = Annotated[
    Annotated[TokenTensor, Tag("tokens")] | Annotated[ShapedTensor, Tag("shape")],
    Discriminator(_tensor_tag),
    BeforeValidator(_tensor, json_schema_input_type=Tokens | TokenTensor | ShapedTensor),
]


class KeysValues(Model):
    """What an update is given. `values` are the same tokens as `keys` where it is left out."""

    keys: Tensor
    values: Tensor | None = None


def _keys_values(value: Any) -> Any:
    is_pair = isinstance(value, dict) and not ({"tokens", "shape"} & set(value))
    return value if is_pair or isinstance(value, KeysValues) else {"keys": value}


UpdateInput = Annotated[
    KeysValues,
    BeforeValidator(
        _keys_values, json_schema_input_type=Tokens | TokenTensor | ShapedTensor | KeysValues
    ),
]


def _nothing(value: Any) -> Any:
    return {} if value is None or value is True else value


Nothing = Annotated[NoArguments, BeforeValidator(_nothing, json_schema_input_type=Any)]


class Step(Model):
    """What every step may say."""

    op: ClassVar[str]
    on: CacheRef | tuple[CacheRef, ...] | None = None
    expect: Expect | None = None
    note: str | None = None

    @property
    def args(self) -> Any:
        """The operation's arguments."""
        return getattr(self, self.op)

    @property
    def targets(self) -> tuple[str, ...]:
        """The caches that the step acts on, by name."""
        if self.on is None:
            return (DEFAULT_CACHE,)
        return (self.on,) if isinstance(self.on, str) else self.on


class MakingStep(Step):
    """A step that makes a cache, called `as`."""

    as_: Name = Field(DEFAULT_CACHE, alias="as")


class FreeStep(Step):
    """A function of its own: it acts on no cache."""

    @property
    def targets(self) -> tuple[str, ...]:
        """None: the function is given numbers."""
        return ()


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


class PromptCacheArgs(Model):
    """A model of so many layers, and the window, where the caches are to be rotating."""

    layers: Annotated[int, Field(strict=True, ge=0, le=128)]
    max_kv_size: Count | None = None
    geometry: Geometry = Geometry()


class MakePromptCache(MakingStep, FreeStep):
    """A cache a layer; `as: prompt` makes `prompt.0`, `prompt.1`, ..."""

    op = "make_prompt_cache"
    make_prompt_cache: PromptCacheArgs


class TrimPromptCache(Step):
    """Trim a list of caches by n tokens, all of them or none."""

    op = "trim_prompt_cache"
    trim_prompt_cache: Count


class CanTrimPromptCache(Step):
    """Whether every cache of the list can be trimmed."""

    op = "can_trim_prompt_cache"
    can_trim_prompt_cache: Nothing


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


_STEP_CLASSES = (
    Update,
    Decode,
    Trim,
    MakeMask,
    Observe,
    Copy,
    RoundTrip,
    SetState,
    SetMetaState,
    Materialize,
    FromState,
    New,
    MakePromptCache,
    TrimPromptCache,
    CanTrimPromptCache,
    CreateCausalMask,
    CreateAttentionMask,
)
OPERATIONS: dict[str, type[Step]] = {cls.op: cls for cls in _STEP_CLASSES}
MODIFIERS = ("on", "as", "expect", "note")


def _one_operation(value: Any) -> Any:
    """A step as a mapping with exactly one operation; a bare word is one without arguments."""
    if isinstance(value, Step):
        return value
    if isinstance(value, str):
        value = {value: None}
    if not isinstance(value, dict):
        raise ValueError(f"a step is an operation with its arguments, got {value!r}")
    found = [key for key in value if key in OPERATIONS]
    if len(found) > 1:
        raise ValueError(f"a step is one operation, got {' and '.join(found)}")
    others = [str(key) for key in value if key not in OPERATIONS and key not in MODIFIERS]
    if not found and others:
        raise ValueError(f"unknown operation {others[0]!r}; {nearest(others[0], OPERATIONS)}")
    if not found:
        raise ValueError("a step needs an operation: " + ", ".join(OPERATIONS))
    return value


def _operation(value: Any) -> str:
    return value.op if isinstance(value, Step) else next(key for key in value if key in OPERATIONS)


if TYPE_CHECKING:
    AnyStep = Step
else:
    AnyStep = Annotated[
        Union[tuple(Annotated[cls, Tag(cls.op)] for cls in _STEP_CLASSES)],  # noqa: UP007 - made
        Discriminator(_operation),
        BeforeValidator(_one_operation),
    ]
