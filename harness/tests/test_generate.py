"""What is generated: scenarios like those that people write, valid from end to end."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from kvparity import ledger
from kvparity.generate import avoided, intents, profiles, strategies
from kvscenarios import Scenario
from kvscenarios.loader import load_text
from kvscenarios.model import problems_across
from kvscenarios.writer import as_yaml


def drawn(strategy: st.SearchStrategy[Scenario], examples: int = 20) -> list[Scenario]:
    found: list[Scenario] = []
    gate = hypothesis.settings(profiles.profile("gate", "any"), max_examples=examples)

    @gate
    @hypothesis.seed(5)
    @hypothesis.given(strategy)
    def draw(scenario: Scenario) -> None:
        found.append(scenario)

    draw()
    return found


@pytest.mark.parametrize("kind", intents.KINDS)
def test_a_generated_scenario_is_read_back_from_yaml_as_it_was(kind: str) -> None:
    for scenario in drawn(strategies.scenarios(kind)):
        assert [one.digest for one in load_text(as_yaml(scenario))] == [scenario.digest]


@pytest.mark.parametrize("kind", intents.KINDS)
def test_a_generated_scenario_names_only_caches_that_are_there(kind: str) -> None:
    for scenario in drawn(strategies.hostile_scenarios(kind)):
        assert list(problems_across(scenario)) == []


def test_every_operation_on_caches_that_hold_something_is_drawn() -> None:
    names = {
        step.op
        for kind in intents.KINDS
        for scenario in drawn(strategies.scenarios(kind), 60)
        for step in scenario.steps
    }
    assert names == {
        *("update", "decode", "trim", "make_mask", "maybe_trim_front", "materialize", "observe"),
        *("copy", "round_trip", "save", "load", "to_quantized", "set_slot", "advance"),
        *("merge", "extract", "filter", "extend", "prepare", "finalize"),
    }


def test_what_is_avoided_is_what_the_ledger_declares() -> None:
    assert {entry.id for entry in ledger.load(ledger.OWN)} >= avoided.LEDGER_IDS
