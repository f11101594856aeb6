"""What a scenario becomes before it is played."""

from __future__ import annotations

import pytest

from kvparity.observe import array_bytes
from kvparity.program import Program
from kvparity.trace import Frozen
from kvscenarios.loader import load_text

REFUSED = """
family: rows
scenarios:
  - name: refused
    cache: {kind: batch, left_padding: [0, 1]}
    steps:
      - {filter: [7], expect: {error: OutOfRangeError}}
      - update: [[1], [2]]
"""


def test_what_is_to_be_refused_changes_no_number_of_rows() -> None:
    keys, _values = Program(load_text(REFUSED)[0]).inputs()[1]
    assert keys.shape[0] == 2


LONG = """
family: long
scenarios:
  - name: labels
    caches: {t: {kind: tokens}, l: {kind: lru}, a: {kind: standard}}
    steps:
      - {on: t, append: 0..1050}
      - {on: t, append: [3, 1]}
      - {on: a, update: 0..1050}
      - {on: l, lru_insert: {tokens: 0..1050, caches: [a]}}
      - {on: l, lru_fetch: {tokens: [4]}, as: found}
      - {on: a, set_state: [0..1050, {tokens: 0..1050}]}
      - dynamic_roll: {tokens: [[1, 2], [3, 4]], shifts: [1, 0]}
"""


def test_tokens_in_a_row_are_said_by_their_ends() -> None:
    assert Program(load_text(LONG)[0]).step_labels() == [
        "append 0..1050 on t",
        "append [3, 1] on t",
        "update 0..1050 on a",
        "lru_insert tokens=0..1050 caches=[a] on l",
        "lru_fetch tokens=[4] on l",
        "set_state [0..1050, 0..1050] on a",
        "dynamic_roll tokens=[[1, 2], [3, 4]] shifts=[1, 0]",
    ]


ALIKE = """
family: alike
scenarios:
  - name: alone
    caches: {a: {kind: standard}}
    steps: [{on: a, STEP: [3, 5]}]
  - name: beside-one-with-more-heads
    caches: {a: {kind: standard}, b: {kind: standard, heads: 5}}
    steps: [{on: a, STEP: [3, 5]}]
"""


@pytest.mark.parametrize(("step", "tokens"), [("decode", [[[3]], [[5]]]), ("update", [[[3, 5]]])])
def test_a_step_that_two_scenarios_share_is_painted_as_each_of_them_paints(
    step: str, tokens: list[list[list[int]]]
) -> None:
    programs = [Program(scenario) for scenario in load_text(ALIKE.replace("STEP", step))]
    for program in [*programs, *programs]:
        keys = [given[0] for given in program.inputs()]
        frozen = [Frozen("float32", one.shape, array_bytes(one)) for one in keys]
        assert [program.paint.cells(one, "keys") for one in frozen] == tokens


SAVED_CHILD = """
family: rows
scenarios:
  - name: saved-child
    cache: {kind: list, caches: [{kind: standard, heads: 3, head_dim: 2, dtype: float16}]}
    steps:
      - {on: cache.0, update: [0]}
      - {on: cache.0, save: {file: child}}
      - {load: child, as: one}
      - {on: one.0, update: [1]}
      - {on: cache, save: {file: whole}}
      - {load: whole, as: all}
      - {on: all.0.0, update: [2]}
"""


def test_a_child_that_was_saved_alone_or_in_its_list_is_fed_as_before() -> None:
    inputs = Program(load_text(SAVED_CHILD)[0]).inputs()
    fed = [inputs[at][0] for at in (0, 3, 6)]
    assert {(keys.shape[1], keys.shape[3], str(keys.dtype)) for keys in fed} == {
        (3, 2, "mlx.core.float16")
    }
