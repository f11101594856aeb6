"""Hypothesis strategies of scenarios: what is drawn is what a YAML file would say.

What is drawn are a few texts, each letter of which stands for an intent. A text is one choice to
Hypothesis, however long, where a list is one for every element: that makes drawing cheap. It
shrinks letter by letter all the same, and a letter to the plainest that will do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hypothesis import strategies as st

from kvparity.generate import building, functions, hostile, intents, reuse, rows, single, starts
from kvparity.generate.sequence import Intent, Sequence
from kvscenarios import Scenario

_FIRST = 0x4E00
"""Letters of one script: Hypothesis likes some others better for their looks."""
_LETTERS = st.characters(min_codepoint=_FIRST, max_codepoint=_FIRST + intents.TABLE - 1)
_TEXTS, _LONGEST = 10, 16
"""Texts are a few letters long on the average, however long they may be: so there are several."""

DO: dict[str, Callable[[Sequence, Intent], None]] = {
    **single.DO,
    **rows.DO,
    **functions.DO,
    **reuse.DO,
    **hostile.DO,
}


class Drawn(NamedTuple):
    """What Hypothesis drew: of what kind, which caches to start with, and the texts."""

    kind: str
    hostile: bool
    start: int
    texts: tuple[str, ...]


def drawn(kind: str, *, wrong: bool = False, texts: int = _TEXTS) -> st.SearchStrategy[Drawn]:
    """What makes scenarios that start with caches of this kind, valid for mlx-lm from end to end.

    With `wrong`, there are steps among them that a hardened cache must refuse.
    """
    start = numbers(len(starts.starts(kind)))
    several = st.tuples(*[st.text(_LETTERS, max_size=_LONGEST)] * texts)
    return st.builds(Drawn, st.just(kind), st.just(wrong), start, several)


def numbers(below: int) -> st.SearchStrategy[int]:
    """Numbers from 0 on, a letter each.

    Into integers Hypothesis mixes those that it finds in the modules loaded; a seed would mean
    something else wherever others are.
    """
    return st.text(_LETTERS, min_size=1, max_size=1).map(lambda one: (ord(one) - _FIRST) % below)


def scenario(what: Drawn) -> Scenario:
    """The scenario that carries out the intents, as far as each makes sense where it stands."""
    specs = starts.starts(what.kind)[what.start]
    valid = intents.table(what.kind, specs)
    wrong = hostile.intents()
    made = Sequence(specs)
    for text in what.texts:
        for letter in text:
            code = ord(letter) - _FIRST
            if what.hostile:
                # Every other letter stands for a hostile intent.
                code, odd = divmod(code, 2)
                intent = wrong[code % len(wrong)] if odd else valid[code]
            else:
                intent = valid[code]
            DO[intent.op](made, intent)
    return building.scenario(what.kind, specs, made.steps)
