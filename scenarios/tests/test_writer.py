"""A scenario written back reads as the same scenario."""

from __future__ import annotations

import pytest

from kvscenarios import Scenario, load_corpus, load_text
from kvscenarios.writer import as_yaml

CORPUS = load_corpus()


@pytest.mark.parametrize("family", sorted({scenario.family for scenario in CORPUS}))
def test_every_scenario_of_the_corpus_survives_being_written(family: str) -> None:
    scenarios = [scenario for scenario in CORPUS if scenario.family == family]
    again = [load_text(as_yaml(scenario))[0] for scenario in scenarios]
    assert [one.digest for one in again] == [one.digest for one in scenarios]


def scenario(steps: str) -> Scenario:
    return load_text(
        f"family: f\nscenarios:\n  - name: a\n    cache: {{kind: standard}}\n    steps: {steps}\n"
    )[0]


def test_tokens_are_written_as_a_person_would() -> None:
    text = as_yaml(scenario("[{update: {keys: [[0, 1, 2, 3, 4]]}, expect: {keys: [[_, 7]]}}]"))
    assert "update: 0..4" in text
    assert "keys: [_, 7]" in text


@pytest.mark.parametrize("model", ["null", "[m, null, draft]"])
def test_a_model_without_a_name_or_with_several_is_written_as_it_was(model: str) -> None:
    text = f"[{{trie_search: {{model: {model}, tokens: [1]}}}}]"
    one = load_text(
        f"family: f\nscenarios:\n  - name: a\n    cache: {{kind: trie}}\n    steps: {text}\n"
    )[0]
    assert f"model: {model}" in as_yaml(one)
    assert load_text(as_yaml(one))[0].digest == one.digest
