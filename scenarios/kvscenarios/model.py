"""A scenario as read: its caches, its steps, where it stands, and the checks across them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field

from kvscenarios.base import Model, Name
from kvscenarios.caches import CacheSpec
from kvscenarios.errors import nearest
from kvscenarios.steps import (
    DEFAULT_CACHE,
    AnyStep,
    CanTrimPromptCache,
    Decode,
    FreeStep,
    MakePromptCache,
    MakingStep,
    Step,
    TrimPromptCache,
    Update,
)

MAX_STEPS = 4096
"""Updates and other operations in one scenario, a decode counting each of its tokens."""
MAX_ELEMENTS = 1 << 22
"""Elements that one scenario writes, keys and values together."""

ScenarioName = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9_.=,-]{0,199}(@[A-Za-z0-9_.=,+-]+)?$")
]
FamilyName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class Body(Model):
    """What a scenario does: the part that its digest is taken of."""

    cache: CacheSpec | None = Field(None, description="The only cache, named `cache`.")
    caches: Annotated[dict[Name, CacheSpec], Field(max_length=64)] = Field({})
    steps: Annotated[tuple[AnyStep, ...], Field(min_length=1, max_length=MAX_STEPS)]


class Scenario(Body):
    """One scenario of a family."""

    name: ScenarioName
    about: str | None = Field(None, description="What only this scenario would catch.")
    source: str | None = Field(None, description="Where its facts come from.")

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
    known: dict[str, int | None] = dict.fromkeys(scenario.specs)
    for index, step in enumerate(scenario.steps):
        for target in step.targets:
            message = _unknown(target, known, step)
            if message:
                yield index, message
        if isinstance(step, MakePromptCache):
            known[step.as_] = step.make_prompt_cache.layers
        elif isinstance(step, MakingStep):
            known[step.as_] = None
        if isinstance(step, FreeStep) and step.on is not None:
            yield index, f"{step.op} acts on no cache, so `on` has no meaning here"
    yield from _over_the_limits(scenario)


def _unknown(target: str, known: dict[str, int | None], step: Step) -> str | None:
    """Why a step cannot act on this cache, or None. `known` has the layers of prompt caches."""
    root, _, child = target.partition(".")
    if root not in known:
        hint = nearest(root, known) if known else "the scenario has no cache"
        return f"no cache is called {root!r} here; {hint}"
    layers = known[root]
    if layers is None:
        return f"{root!r} has no children" if child else None
    if not child and not isinstance(step, TrimPromptCache | CanTrimPromptCache):
        return f"{root!r} is a list of {layers} caches; name one, such as {root}.0"
    if child and int(child.partition(".")[0]) >= layers:
        return f"{root!r} has {layers} caches, the last is {root}.{layers - 1}"
    return None


def _over_the_limits(scenario: Scenario) -> Iterator[tuple[int | None, str]]:
    operations = sum(
        len(step.decode[0]) if isinstance(step, Decode) else 1 for step in scenario.steps
    )
    if operations > MAX_STEPS:
        yield None, f"{operations} operations are more than the {MAX_STEPS} that are allowed"
    elements = sum(_elements(scenario, step) for step in scenario.steps)
    if elements > MAX_ELEMENTS:
        yield None, f"{elements} elements are more than the {MAX_ELEMENTS} that are allowed"


def _elements(scenario: Scenario, step: Step) -> int:
    """Elements that a step writes, at most: tokens times the largest row of any cache."""
    largest = max(
        (
            spec.batch * spec.heads * (spec.head_dim + spec.value_head_dim)
            for spec in scenario.specs.values()
        ),
        default=1,
    )
    if isinstance(step, Decode):
        return len(step.decode[0]) * largest
    if isinstance(step, Update):
        return sum(_tensor_elements(t, largest) for t in (step.update.keys, step.update.values))
    if isinstance(step, MakePromptCache):
        return step.make_prompt_cache.layers
    return sum(_tensor_elements(tensor, largest) for tensor in _tensors(step.args))


def _tensors(args: Any) -> tuple[Any, ...]:
    if isinstance(args, tuple):
        return tuple(item for item in args if not isinstance(item, str | int))
    return tuple(getattr(args, "state", ()))


def _tensor_elements(tensor: Any, largest: int) -> int:
    if tensor is None:
        return 0
    if hasattr(tensor, "shape"):
        count = 1
        for length in tensor.shape:
            count *= length
        return count
    given = [tensor.batch, tensor.heads, tensor.head_dim]
    own = 1
    for length in given:
        own *= length or 1
    return len(tensor.tokens[0]) * max(largest, own * largest if any(given) else 0)
