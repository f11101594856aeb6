"""What an operation is given: painted tokens, or an array of any shape for input that is wrong."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Tag

from kvscenarios.base import Dimension, DType, Model
from kvscenarios.expect import Shape
from kvscenarios.tokens import Tokens


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
