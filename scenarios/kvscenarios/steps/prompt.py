"""Operations on the caches of a whole model, and files of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from kvscenarios.base import Count, Model, Name
from kvscenarios.caches import Geometry
from kvscenarios.steps.base import FreeStep, MakingStep, Nothing, Step


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


class SaveArgs(Model):
    """The file's name (in a directory of the scenario's own), and the user's metadata in it."""

    file: Name
    metadata: Annotated[dict[str, str], Field(max_length=64)] = Field({})


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
