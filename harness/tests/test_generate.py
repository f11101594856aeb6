"""What is generated: scenarios like those that people write, valid from end to end."""

from __future__ import annotations

import functools
from typing import Any

import hypothesis
import pytest

from kvparity import ledger
from kvparity.generate import avoided, intents, profiles, starts, strategies
from kvparity.generate.sequence import Intent, Sequence
from kvscenarios import Scenario
from kvscenarios.caches import CacheSpec
from kvscenarios.loader import load_text
from kvscenarios.model import problems_across
from kvscenarios.steps.reuse import LruInsert, TrieAdd
from kvscenarios.writer import as_yaml


@functools.cache
def drawn(kind: str, *, wrong: bool = False, examples: int = 10) -> list[Scenario]:
    found: list[Scenario] = []
    gate = hypothesis.settings(profiles.profile("gate"), max_examples=examples)

    @gate
    @hypothesis.seed(5)
    @hypothesis.given(strategies.drawn(kind, wrong=wrong))
    def draw(what: strategies.Drawn) -> None:
        found.append(strategies.scenario(what))

    draw()
    return found


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("kind", starts.KINDS)
def test_a_generated_scenario_is_read_back_from_yaml_as_it_was(kind: str, wrong: bool) -> None:
    # It is built without validation: reading it back is what shows that it would have passed.
    for scenario in drawn(kind, wrong=wrong)[:5]:
        assert [one.digest for one in load_text(as_yaml(scenario))] == [scenario.digest]


@pytest.mark.parametrize("kind", starts.KINDS)
def test_a_generated_scenario_names_only_caches_that_are_there(kind: str) -> None:
    for scenario in drawn(kind, wrong=True)[:8]:
        assert list(problems_across(scenario)) == []


MASK = {"n": 2, "window_size": 3, "return_array": True}
WRITTEN = {"keys": {"tokens": ((4, 5, 6),)}}


@pytest.mark.parametrize(
    ("kind", "intent", "step"),
    [
        ("standard", Intent("update", 3), {"update": WRITTEN}),
        ("standard", Intent("decode", 3), {"decode": ((4, 5, 6),)}),
        ("standard", Intent("trim", 2), {"trim": 2}),
        ("standard", Intent("make_mask", 2, 0, (3, True)), {"make_mask": MASK}),
        ("standard", Intent("copy"), {"copy": "cache", "as": "made1"}),
        ("batch", Intent("filter", 0b101), {"filter": (0, 2)}),
        ("batch", Intent("filter", 0b101, 0, True), {"filter": (2, 0)}),
        ("batch", Intent("extract", 4), {"extract": 1, "as": "made1"}),
    ],
)
def test_an_intent_is_carried_out_whole(kind: str, intent: Intent, step: dict[str, Any]) -> None:
    rows = 3 if kind == "batch" else 1
    spec = next(one for one in declared(kind) if (one.kind, one.batch) == (kind, rows))
    made = Sequence({"cache": spec})
    for each in (Intent("update", 4), intent):
        strategies.DO[each.op](made, each)
    said = made.steps[-1].model_dump(exclude_unset=True, by_alias=True)
    assert (len(made.steps), said) == (2, step)


EVERYWHERE = {"copy", "round_trip", "save", "load"}
HOLDING = {"update", "decode", "trim", "make_mask", "model_mask", "materialize"}
OF_ROWS = {"merge", "extract", "filter", "extend"}
UNEQUAL = {"prepare", "finalize"}
OPERATIONS = {
    "standard": HOLDING | EVERYWHERE | {"to_quantized"},
    "concatenate": HOLDING | EVERYWHERE,
    "rotating": HOLDING | EVERYWHERE,
    "chunked": HOLDING - {"make_mask"} | EVERYWHERE | {"maybe_trim_front"},
    "quantized": HOLDING | EVERYWHERE,
    "batch": HOLDING | EVERYWHERE | OF_ROWS | UNEQUAL,
    "batch_rotating": HOLDING | EVERYWHERE | OF_ROWS | UNEQUAL,
    "arrays": {"make_mask", "ssm_mask", "set_slot", "advance"} | EVERYWHERE | OF_ROWS | UNEQUAL,
    "list": HOLDING
    | EVERYWHERE - {"round_trip"}
    | OF_ROWS
    | {"set_slot", "advance", "prepare", "finalize"},
    "tokens": {"append", "copy"},
    "trie": {"trie_add", "trie_get", "trie_pop", "trie_pop_prefixes", "trie_search"},
    "lru": {
        *("lru_insert", "lru_fetch", "lru_trim_to", "lru_stats", "new"),
        *("update", "decode", "trim", "merge", "extract", "filter", "extend"),
    },
    "masks": {"create_causal_mask", "create_attention_mask", "dynamic_roll", "make_mask"},
    "prompt": {"make_prompt_cache", "trim_prompt_cache", "can_trim_prompt_cache", "update"},
}


RARE = {"list", "arrays", "lru", "batch", "batch_rotating"}
"""Kinds with operations that need several others before them."""


@pytest.mark.parametrize("kind", starts.KINDS)
def test_every_operation_of_a_kind_is_drawn_within_100_scenarios(kind: str) -> None:
    examples = 100 if kind in RARE else 30
    found = {step.op for made in drawn(kind, examples=examples) for step in made.steps}
    assert OPERATIONS[kind] - found == set()


PAINTED = [kind for kind in starts.KINDS if kind not in {"tokens", "trie", "masks", "prompt"}]


def declared(kind: str) -> list[CacheSpec]:
    """All caches that scenarios of a kind start with, children for their lists."""
    specs = [spec for start in starts.starts(kind) for spec in start.values()]
    parts = [part for spec in specs for part in getattr(spec, "caches", (spec,))]
    return [part for part in parts if part.kind != "lru"]


@pytest.mark.parametrize("kind", PAINTED)
def test_caches_have_every_type_many_heads_and_values_wider_and_narrower_than_keys(
    kind: str,
) -> None:
    found = declared(kind)
    types = {"float32", "float16"} | ({"bfloat16"} if kind != "quantized" else set())
    assert {spec.dtype for spec in found} >= types
    assert {spec.heads for spec in found} >= {2, 3, 5}
    wider = {
        (spec.value_head_dim > spec.head_dim) - (spec.value_head_dim < spec.head_dim)
        for spec in found
    }
    assert wider >= ({0, 1} if kind == "quantized" else {-1, 0, 1})


@pytest.mark.parametrize("kind", PAINTED)
def test_there_are_few_enough_starts_for_each_to_be_met(kind: str) -> None:
    assert len(starts.starts(kind)) <= 60


@pytest.mark.parametrize("kind", ["batch", "batch_rotating"])
def test_batches_have_one_row_to_five(kind: str) -> None:
    assert {spec.batch for spec in declared(kind) if spec.kind == kind} == {1, 2, 3, 4, 5}


def test_the_plainest_start_comes_first() -> None:
    # A failure shrinks towards it.
    for kind in PAINTED:
        for spec in next(iter(starts.starts(kind))).values():
            assert not {"dtype", "heads", "head_dim", "value_head_dim"} & spec.model_fields_set


def test_an_lru_is_given_caches_for_two_models_and_a_trie_words_that_count_as_false() -> None:
    lrus = [step for made in drawn("lru", examples=100) for step in made.steps]
    tries = [step for made in drawn("trie", examples=30) for step in made.steps]
    given = [step.lru_insert for step in lrus if isinstance(step, LruInsert)]
    stored = [step.trie_add for step in tries if isinstance(step, TrieAdd)]
    assert {one.model for one in given} == {one.model for one in stored} == {"m", "other"}
    assert "" in {one.value for one in stored}


GROWING = [kind for kind in starts.KINDS if kind not in {"trie", "arrays", "lru", "masks"}]


@pytest.mark.parametrize("kind", GROWING)
def test_buffers_grow_within_a_few_tokens_in_some_scenarios_of_a_kind(kind: str) -> None:
    steps = set()
    for specs in starts.starts(kind):
        for spec in specs.values():
            parts = getattr(spec, "caches", (spec,))
            steps |= {part.step for part in parts if part.kind != "arrays"}
    assert steps & {1, 3, 4}


def test_the_plainest_intent_comes_first() -> None:
    # A failure shrinks towards it.
    assert intents.table("standard", starts.starts("standard")[0])[0] == ("decode", 1, 0, None)


def test_what_is_avoided_is_what_the_ledger_declares() -> None:
    assert {entry.id for entry in ledger.load(ledger.OWN)} >= avoided.LEDGER_IDS
