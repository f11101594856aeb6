"""Operations on the caches of a whole model, and files of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from kvscenarios.base import Count, Model, Name
from kvscenarios.caches import CacheSpec, Geometry
from kvscenarios.steps.base import FreeStep, MakingStep, Nothing, Step

MAX_LAYERS = 128


class PromptCacheArgs(Model):
    """A model of so many layers, and the window, where the caches are to be rotating.

    A model that brings its own caches makes those of `make_cache`, whatever the window.
    """

    layers: Annotated[int, Field(strict=True, ge=0, le=MAX_LAYERS)] | None = None
    max_kv_size: Count | None = None
    make_cache: Annotated[tuple[CacheSpec, ...], Field(max_length=MAX_LAYERS)] | None = None
    geometry: Geometry = Geometry()

    @model_validator(mode="after")
    def _check_layers(self) -> PromptCacheArgs:
        if (self.layers is None) == (self.make_cache is None):
            raise ValueError("a model has so many `layers`, or brings its own caches: `make_cache`")
        return self

    @property
    def count(self) -> int:
        """The model's layers."""
        return len(self.make_cache) if self.make_cache is not None else self.layers or 0


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


class SaveArgs(Model):
    """The file's name (in a directory of the scenario's own), and the user's metadata in it.

    Metadata may be null, said outright; left out, it is the implementation's own default.
    """

    file: Name
    metadata: Annotated[dict[str, str] | None, Field(max_length=64)] = Field({})


class Save(Step):
    """Save caches to a file, as `save_prompt_cache` does."""

    op = "save"
    save: SaveArgs


class LoadArgs(Model):
    """The file's name, and whether the metadata is asked for."""

    file: Name
    metadata: bool = True


def _is_more(value: Any) -> str:
    return "arguments" if isinstance(value, dict | LoadArgs) else "a name"


class Load(MakingStep, FreeStep):
    """Load what was saved: `as: back` makes `back.0`, `back.1`, ..."""

    op = "load"
    load: Annotated[
        Annotated[Name, Tag("a name")] | Annotated[LoadArgs, Tag("arguments")],
        Discriminator(_is_more),
    ]

    @property
    def file(self) -> str:
        """The name of the file that is loaded."""
        return self.load.file if isinstance(self.load, LoadArgs) else self.load

    @property
    def with_metadata(self) -> bool:
        """Whether the metadata is asked for, too."""
        return not isinstance(self.load, LoadArgs) or self.load.metadata
