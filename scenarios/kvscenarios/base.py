"""What every part of the language shares: strict, frozen models and the names in them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_COUNT = 2**64 - 1
"""Counts and positions are declared 64 bits wide; hostile ones up to there can be said."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
CacheRef = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}(\.[0-9]{1,6})*$")]
"""A cache's name, or a child of it: `pair.0` is the first child of the list `pair`."""
Count = Annotated[int, Field(strict=True, ge=-MAX_COUNT, le=MAX_COUNT)]
Dimension = Annotated[int, Field(strict=True, ge=0, le=4096)]
DType = Literal["float32", "float16", "bfloat16"]


class Model(BaseModel):
    """A part of a scenario: unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)


class NoArguments(Model):
    """An operation without arguments: `{}` or nothing after its colon."""
