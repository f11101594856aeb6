"""Which caches a scenario has at each of its steps, and how many children each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kvscenarios.caches import CacheSpec, List
from kvscenarios.errors import nearest
from kvscenarios.steps.base import FreeStep, MakingStep, Step
from kvscenarios.steps.masks import OfAModel
from kvscenarios.steps.one import Copy, New
from kvscenarios.steps.prompt import (
    CanTrimPromptCache,
    Load,
    MakePromptCache,
    Save,
    TrimPromptCache,
)
from kvscenarios.steps.reuse import LruFetch, LruInsert

_WHOLE = (TrimPromptCache, CanTrimPromptCache, Save, LruInsert)
"""Steps to which the name of a prompt cache stands for all of its layers."""
_UNCOUNTED = (Load, LruFetch)
"""Steps that make a prompt cache of as many layers as were saved, or found."""


class Names:
    """The names known so far: a spec for a cache, a number of layers (or None) for a list."""

    def __init__(self, specs: Mapping[str, CacheSpec]) -> None:
        self._specs: dict[str, CacheSpec | None] = dict(specs)
        self._layers: dict[str, int | None] = {}

    def take(self, step: Step) -> None:
        """Know what the step makes."""
        if not isinstance(step, MakingStep):
            return
        self._specs.pop(step.as_, None)
        self._layers.pop(step.as_, None)
        if isinstance(step, MakePromptCache):
            self._layers[step.as_] = step.make_prompt_cache.count
        elif isinstance(step, _UNCOUNTED):
            self._layers[step.as_] = None
        elif isinstance(step, New):
            self._specs[step.as_] = step.new
        elif isinstance(step, Copy):
            self._specs[step.as_] = self._specs.get(step.copy_)
        else:
            self._specs[step.as_] = None

    def problems(self, step: Step) -> Iterator[str]:
        """Why the step cannot act on the caches that it names."""
        for target in step.targets:
            message = self._problem(target, step)
            if message:
                yield message
        free = isinstance(step, FreeStep) or (isinstance(step, OfAModel) and not step.targets)
        if free and step.on is not None:
            yield f"{step.op} acts on no cache, so `on` has no meaning here"

    def _problem(self, target: str, step: Step) -> str | None:
        root, *path = target.split(".")
        known = {*self._specs, *self._layers}
        if root not in known:
            hint = nearest(root, known) if known else "the scenario has no cache"
            return f"no cache is called {root!r} here; {hint}"
        if root not in self._layers:
            return self._child_problem(root, path)
        layers = self._layers[root]
        if not path and not isinstance(step, _WHOLE):
            return f"{root!r} is a list of caches; name one, such as {root}.0"
        if path and layers is not None and int(path[0]) >= layers:
            return f"{root!r} has {layers} caches, the last is {root}.{layers - 1}"
        return None

    def _child_problem(self, root: str, path: list[str]) -> str | None:
        spec = self._specs[root]
        for depth, index in enumerate(path):
            if spec is None:
                return None
            name = ".".join([root, *path[:depth]])
            if not isinstance(spec, List):
                return f"{name!r} has no children"
            if int(index) >= len(spec.caches):
                return f"{name!r} has {len(spec.caches)} caches"
            spec = spec.caches[int(index)]
        return None
