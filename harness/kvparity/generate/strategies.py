"""Hypothesis strategies of scenarios: what is drawn is what a YAML file would say."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from kvparity.generate import hostile, intents
from kvparity.generate.sequence import Intent, Sequence
from kvscenarios import Scenario
from kvscenarios.steps import DEFAULT_CACHE

FAMILY = "generated"
_RUN, _RUNS = 8, 10
"""Intents are drawn in runs, so that a list of them is long on the average, and shrinks fast."""


def scenarios(kind: str) -> st.SearchStrategy[Scenario]:
    """Scenarios that start with caches of this kind, valid for mlx-lm from end to end."""
    return st.sampled_from(intents.starts(kind)).flatmap(
        lambda specs: _runs(intents.intents(specs)).map(lambda drawn: scenario(kind, specs, drawn))
    )


def hostile_scenarios(kind: str) -> st.SearchStrategy[Scenario]:
    """The same with steps among them that a hardened cache must refuse."""
    wrong = hostile.intents()

    def of(specs: intents.Specs) -> st.SearchStrategy[Scenario]:
        valid = intents.intents(specs)
        # As many wrong ones as valid ones.
        choices = valid + wrong * max(1, len(valid) // len(wrong))
        return _runs(choices).map(lambda drawn: scenario(kind, specs, drawn))

    return st.sampled_from(intents.starts(kind)).flatmap(of)


def _runs(choices: tuple[Intent, ...]) -> st.SearchStrategy[list[list[Intent]]]:
    run = st.lists(st.sampled_from(choices), max_size=_RUN)
    return st.lists(run, max_size=_RUNS)


def scenario(kind: str, specs: intents.Specs, drawn: list[list[Intent]]) -> Scenario:
    """The scenario that carries out the intents, as far as each makes sense where it stands."""
    sequence = Sequence(specs)
    for run in drawn:
        for intent in run:
            if hostile.is_hostile(intent):
                hostile.add(sequence, intent)
            else:
                sequence.add(intent)
    return finished(kind, specs, sequence.steps)


def finished(kind: str, specs: intents.Specs, steps: list[dict[str, Any]]) -> Scenario:
    """The scenario of these steps, named after what it does."""
    one = list(specs) == [DEFAULT_CACHE]
    caches = {"cache": specs[DEFAULT_CACHE]} if one else {"caches": dict(specs)}
    steps = steps or [{"on": next(iter(specs)), "observe": None}]
    return Scenario.model_validate({**caches, "steps": steps, "name": kind, "family": FAMILY})
