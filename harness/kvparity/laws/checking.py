"""The laws by name, and one of them tried on one implementation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hypothesis import strategies as st

from kvparity.generate import starts
from kvparity.generate.strategies import Drawn, drawn, numbers
from kvparity.laws import edits, handles, rows
from kvparity.laws.edits import Site
from kvparity.laws.twins import Broken, Choice, Twin, broken, with_steps
from kvparity.play import InProcess
from kvparity.program import Program
from kvscenarios import Scenario

_Law = Callable[[Site, Choice], Twin | None]
_TWINS: dict[str, _Law] = {
    "prefill-in-chunks": edits.chunks,
    "save-and-load": edits.file,
    "copy": edits.copy,
    "row-alone": rows.row,
    "merge-and-extract": edits.merged,
    "trim-and-again": edits.trim,
    "looking": edits.unlooked,
    "raised": edits.raised,
}
HANDED_OUT = "handed-out"
HOSTILE = "raised"
"""The law that needs steps which raise."""
SAYS = {
    "prefill-in-chunks": "prefill in chunks is prefill at once",
    "save-and-load": "going on with what was saved and loaded is going on",
    "copy": "going on with a copy is going on, and what was copied stays as it was",
    "row-alone": "a row of a batch is the row alone",
    "merge-and-extract": "a row that was merged and taken out again is the row",
    "trim-and-again": "trimming n tokens and writing them again is nothing, where it trims at all",
    "looking": "looking at a cache changes nothing",
    "raised": "an operation that raised did nothing",
    HANDED_OUT: "what was handed out never changes",
}
LAWS = tuple(SAYS)
HARDENED = frozenset({HOSTILE, HANDED_OUT})
"""The laws that only a hardened implementation promises to keep."""


@dataclass(frozen=True)
class Breach:
    """A law broken: by what, in which scenario (the other way, where there are two), and how."""

    law: str
    broken: Broken
    scenario: Scenario
    plain: Scenario | None


class Tried(NamedTuple):
    """A scenario to try the laws on, and where."""

    drawn: Drawn
    choice: Choice


KINDS = tuple(kind for kind in starts.KINDS if kind not in {"trie", "lru", "masks", "prompt"})
"""The kinds that laws say something of: what an LRU evicts follows from the bytes of buffers."""
_TEXTS = 4
_PLACES = 64


def tries(kind: str) -> st.SearchStrategy[Tried]:
    """Scenarios of a kind, shorter than others, for each is played once more for every law."""
    choice = st.builds(Choice, numbers(_PLACES), numbers(8))
    return st.builds(Tried, drawn(kind, wrong=True, texts=_TEXTS), choice)


class Trial:
    """The laws on one implementation, tried on one scenario, which may have hostile steps in it.

    `said` counts the laws that had something to say of it, `ops` what was played for them.
    """

    def __init__(self, scenario: Scenario, choice: Choice, driver: InProcess) -> None:
        self.said: Counter[str] = Counter()
        self.ops = 0
        self._scenario = scenario
        self._choice = choice
        self._driver = driver

    def breaches(self, laws: Iterable[str] = LAWS) -> Iterator[Breach]:
        """The breaches of these laws, one after another."""
        plain = [step for step in self._scenario.steps if not (step.expect and step.expect.error)]
        valid = self._site(with_steps(self._scenario, plain)) if plain else None
        for law in laws:
            if law == HOSTILE:
                # What is to be refused is played on a copy: the law plays one step for good.
                yield from self._of_twin(law, self._site(self._scenario, aside=True))
            elif valid is not None and law == HANDED_OUT:
                yield from self._of_handles(valid.program)
            elif valid is not None:
                yield from self._of_twin(law, valid)

    def _site(self, scenario: Scenario, *, aside: bool = False) -> Site:
        program = Program(scenario)
        self.ops += len(program.ops)
        return Site(program, self._driver.play(program, aside=aside))

    def _of_handles(self, program: Program) -> Iterator[Breach]:
        self.said[HANDED_OUT] += 1
        self.ops += len(program.ops)
        for found in handles.changed(self._driver.face, program):
            yield Breach(HANDED_OUT, found, program.scenario, None)

    def _of_twin(self, law: str, site: Site) -> Iterator[Breach]:
        twin = _TWINS[law](site, self._choice)
        if twin is None:
            return
        self.said[law] += 1
        same = twin.plain is site.scenario
        plain, other = site if same else self._site(twin.plain), self._site(twin.other)
        found = broken(twin, (plain.program, plain.trace), (other.program, other.trace))
        if found is not None:
            yield Breach(law, found, twin.other, twin.plain)
