"""The geometry of every cache at every step: how many rows, heads and lanes an update has.

A batch grows, shrinks and comes apart on the way; what is fed to it follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from kvscenarios.caches import CacheSpec, Geometry
from kvscenarios.caches import List as ListSpec
from kvscenarios.steps.base import MakingStep, Step
from kvscenarios.steps.batch import Extend, Extract, Filter, Merge
from kvscenarios.steps.one import Copy, FromState, New, ToQuantized
from kvscenarios.steps.prompt import Load, MakePromptCache, Save
from kvscenarios.steps.reuse import LruFetch, LruInsert


@dataclass(frozen=True)
class Layout:
    """A cache's geometry, and its children's where it is a list."""

    batch: int = Geometry().batch
    heads: int = Geometry().heads
    head_dim: int = Geometry().head_dim
    value_head_dim: int = Geometry().value_head_dim
    dtype: str = Geometry().dtype
    children: tuple[Layout, ...] = ()

    @classmethod
    def of(cls, spec: Geometry) -> Layout:
        """The layout of a cache as the scenario declares it."""
        children = tuple(map(cls.of, spec.caches)) if isinstance(spec, ListSpec) else ()
        return cls(spec.batch, spec.heads, spec.head_dim, spec.value_head_dim, spec.dtype, children)

    def with_rows(self, batch: int) -> Layout:
        """The same for another number of rows."""
        children = tuple(child.with_rows(batch) for child in self.children)
        return replace(self, batch=batch, children=children)

    @property
    def rows(self) -> int:
        """Rows of the batch; a list has those of its first child."""
        return self.children[0].rows if self.children else self.batch


class Layouts:
    """The layouts of a scenario's caches, as they are before the next step.

    `all` has every one that there has been.
    """

    def __init__(self, specs: Mapping[str, CacheSpec]) -> None:
        self._known = {name: Layout.of(spec) for name, spec in specs.items()}
        self.all = list(self._known.values())
        self._files: dict[str, list[Layout]] = {}
        self._reused: list[Layout] = []

    def of(self, name: str) -> Layout:
        """The layout of a cache, or of a child of one."""
        if name in self._known:
            return self._known[name]
        parent, dot, index = name.rpartition(".")
        if not dot:
            return Layout()
        layout = self.of(parent)
        return layout.children[int(index)] if int(index) < len(layout.children) else layout

    def take(self, step: Step) -> None:
        """Follow what the step does to the layouts; most steps do nothing to them."""
        if isinstance(step, Filter):
            self._resize(step.targets[0], len(step.rows))
        elif isinstance(step, Extend):
            rows = sum(self.of(name).rows for name in step.targets)
            self._resize(step.targets[0], rows)
        elif isinstance(step, Save):
            self._files[step.save.file] = self._layers(step.targets)
        elif isinstance(step, LruInsert):
            self._reused = self._layers(step.lru_insert.caches)
        elif isinstance(step, MakingStep):
            self._make(step)

    def _make(self, step: MakingStep) -> None:
        if isinstance(step, New):
            self._put(step.as_, Layout.of(step.new))
        elif isinstance(step, FromState):
            self._put(step.as_, Layout.of(step.from_state.geometry))
        elif isinstance(step, Copy | ToQuantized):
            self._put(step.as_, self.of(step.targets[0]))
        elif isinstance(step, Merge) and step.merge:
            rows = sum(self.of(name).rows for name in step.merge)
            self._put(step.as_, self.of(step.merge[0]).with_rows(rows))
        elif isinstance(step, Extract):
            self._put(step.as_, self.of(step.targets[0]).with_rows(1))
        elif isinstance(step, MakePromptCache):
            args = step.make_prompt_cache
            own = args.make_cache
            layers = [args.geometry] * args.count if own is None else own
            self._number(step.as_, list(map(Layout.of, layers)))
        elif isinstance(step, Load):
            self._number(step.as_, self._files.get(step.file, []))
        elif isinstance(step, LruFetch):
            self._number(step.as_, self._reused)

    def _put(self, name: str, layout: Layout) -> None:
        self._known[name] = layout
        self.all.append(layout)

    def _number(self, name: str, layers: list[Layout]) -> None:
        for index, layer in enumerate(layers):
            self._put(f"{name}.{index}", layer)

    def _layers(self, names: tuple[str, ...]) -> list[Layout]:
        """The layouts of these caches, a prompt cache's name standing for all of its layers."""
        found = []
        for name in names:
            layers = [known for key, known in self._known.items() if key.startswith(f"{name}.")]
            found += [self.of(name)] if name in self._known or not layers else layers
        return found

    def _resize(self, name: str, rows: int) -> None:
        self._put(name, self.of(name).with_rows(rows))
