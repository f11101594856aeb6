"""From intents to steps: an intent that makes no sense where it stands is passed over.

Intents are drawn without looking at one another, which is what makes them fast to draw and lets
any of them be taken away while a failure is shrunk. What follows from the earlier ones is here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from kvparity.generate import building
from kvparity.generate.shadow import BATCHES, Shadow
from kvscenarios.caches import CacheSpec
from kvscenarios.steps import Step

MAX_CACHES = 6
"""Caches alive in one scenario, and rows in a batch: each is looked at after every step."""
MAX_HELD = 600
"""Tokens in one scenario; fewer where there are 16-bit types, which tell fewer apart."""
_NUMBERS = 30_000
"""As many numbers as a 16-bit type has for the lanes of all tokens together."""


class Intent(NamedTuple):
    """Something to do, to which of the caches that it can be done to, how much, and how."""

    op: str
    n: int = 0
    which: int = 0
    how: Any = None


class Sequence:
    """A scenario in the making: its steps so far, and a shadow of each of its caches."""

    def __init__(self, specs: Mapping[str, CacheSpec]) -> None:
        self.steps: list[Step] = []
        self.live = [Shadow.of(name, spec) for name, spec in specs.items()]
        self.token = 0
        self.names = 0
        self.room = min(MAX_CACHES, len(self.live) + 3)
        self._most = _most(self.live)

    def step(self, cache: Shadow, op: str, arguments: Any, made: str | None = None) -> None:
        """A step on a cache; `made` is the name of what it makes."""
        self.steps.append(building.step(op, arguments, on=cache.name, made=made))

    def pick(
        self, which: int, kinds: Collection[str], suits: Callable[[Shadow], bool] = lambda _: True
    ) -> Shadow | None:
        """One of the caches, or of their children, that are of these kinds and suit."""
        parts = [part for cache in self.live for part in (cache, *cache.children)]
        found = [part for part in parts if part.kind in kinds and suits(part)]
        return found[which % len(found)] if found else None

    def fresh(self, spare: int = 0) -> str | None:
        """A name for one more cache; None when there are enough, but for so many to spare."""
        if len(self.live) + spare >= self.room:
            return None
        self.names += 1
        return f"made{self.names}"

    def tells_apart(self, n: int) -> bool:
        """Whether n more tokens can be told apart from all before."""
        return self.token + n <= self._most

    def tokens(self, n: int) -> range:
        """The next n tokens; no two of a scenario are the same."""
        self.token += n
        return range(self.token - n, self.token)


def _most(caches: list[Shadow]) -> int:
    """As many tokens as the caches' types tell apart, with as many rows as there may come to be.

    A hostile step has a row, a head or a lane more.
    """
    leaves = [part for cache in caches for part in cache.leaves]
    if all(part.form.dtype == "float32" for part in leaves):
        return MAX_HELD
    rows = max(MAX_CACHES if _grows(part) else part.rows for part in leaves)
    heads = max(part.form.heads for part in leaves)
    lanes = max(max(part.form.shape[1:]) for part in leaves)
    return min(MAX_HELD, _NUMBERS // ((rows + 1) * (heads + 1) * (lanes + 1)))


def _grows(cache: Shadow) -> bool:
    """Whether more rows may come to it, or it to other rows."""
    return cache.kind in {*BATCHES, "standard", "rotating", "arrays"}
