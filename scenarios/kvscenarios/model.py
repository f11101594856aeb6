"""A scenario as read: its caches, its steps, where it stands, and the checks across them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from kvscenarios.base import Model, Name
from kvscenarios.caches import CacheSpec
from kvscenarios.limits import MAX_STEPS, over_the_limits
from kvscenarios.names import Names
from kvscenarios.steps import DEFAULT_CACHE, AnyStep

ScenarioName = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9_.=,-]{0,199}(@[A-Za-z0-9_.=,+-]+)?$")
]
FamilyName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class Body(Model):
    """What a scenario does: the part that its digest is taken of."""

    cache: CacheSpec | None = Field(None, description="The only cache, named `cache`.")
    caches: Annotated[dict[Name, CacheSpec], Field(max_length=64)] = Field({})
    look: Literal["always", "last"] = Field(
        "always",
        description="`last`: what the caches hold is looked at after the last step alone.",
    )
    steps: Annotated[tuple[AnyStep, ...], Field(min_length=1, max_length=MAX_STEPS)]


class Scenario(Body):
    """One scenario of a family."""

    name: ScenarioName
    about: str | None = Field(None, description="What only this scenario would catch.")
    source: str | None = Field(None, description="Where its facts come from.")
    traced: Literal["hand"] | None = Field(
        None, description="`hand`: a person worked its facts out, and may have erred."
    )

    family: FamilyName = "unnamed"
    file: str = "<memory>"
    line: int | None = None
    step_lines: tuple[int | None, ...] = ()

    @property
    def id(self) -> str:
        """`family/name`: what globs match and reports show."""
        return f"{self.family}/{self.name}"

    @property
    def specs(self) -> dict[str, CacheSpec]:
        """The caches that exist before the first step, by name."""
        return {DEFAULT_CACHE: self.cache, **self.caches} if self.cache else dict(self.caches)

    @cached_property
    def digest(self) -> str:
        """Hash of what the scenario does (sha256, 16 hex digits): name and remarks do not count."""
        body = self.model_dump(
            mode="json",
            by_alias=True,
            exclude_defaults=True,
            include=set(Body.model_fields),
            exclude={"steps": {"__all__": {"note"}}},
        )
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def problems_across(scenario: Scenario) -> Iterator[tuple[int | None, str]]:
    """Mistakes that no single step shows: (step from 0, message) each."""
    if scenario.cache is not None and scenario.caches:
        yield None, "a scenario has either `cache` or `caches`, not both"
    names = Names(scenario.specs)
    for index, step in enumerate(scenario.steps):
        for message in names.problems(step):
            yield index, message
        names.take(step)
    for message in over_the_limits(scenario.specs, scenario.steps):
        yield None, message
