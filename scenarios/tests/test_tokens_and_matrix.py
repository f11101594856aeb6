"""Tokens as people write them, and scenarios expanded over a matrix."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from kvscenarios import ScenarioError, load_text, matrix
from kvscenarios.tokens import Cells, Tokens

tokens: TypeAdapter[Any] = TypeAdapter(Tokens)
cells: TypeAdapter[Any] = TypeAdapter(Cells)


@pytest.mark.parametrize(
    ("written", "rows"),
    [
        ([1, 2], ((1, 2),)),
        ("0..3", ((0, 1, 2, 3),)),
        (["0..2", 9], ((0, 1, 2, 9),)),
        ([[6], [21]], ((6,), (21,))),
        (["5..5"], ((5,),)),
        ([], ((),)),
        (7, ((7,),)),
        ([["0..1"], [8, 9]], ((0, 1), (8, 9))),
    ],
)
def test_tokens_are_rows(written: object, rows: object) -> None:
    assert tokens.validate_python(written) == rows


def test_an_unwritten_slot_can_be_expected_but_not_written() -> None:
    assert cells.validate_python(["_", 1]) == ((None, 1),)
    with pytest.raises(ValidationError):
        tokens.validate_python(["_", 1])


MATRIX = """
family: f
scenarios:
  - name: ring
    matrix: {sizes}
    cache: {{kind: rotating, max_size: "${{max_size}}", keep: "${{keep}}"}}
    steps: [{{decode: "0..${{max_size}}"}}]
"""


def test_a_matrix_of_lists_gives_their_product_with_readable_names() -> None:
    found = load_text(MATRIX.format(sizes="{max_size: [4, 8], keep: [0, 1]}"))
    assert [scenario.name for scenario in found] == [
        "ring@max_size=4,keep=0",
        "ring@max_size=4,keep=1",
        "ring@max_size=8,keep=0",
        "ring@max_size=8,keep=1",
    ]


def test_a_reference_keeps_its_type_alone_and_is_text_within_a_word() -> None:
    (one,) = load_text(MATRIX.format(sizes="[{max_size: 4, keep: 3}]"))
    assert one.cache is not None
    assert one.cache.model_dump()["max_size"] == 4
    assert one.steps[0].args == ((0, 1, 2, 3, 4),)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ("{max_size: [4]}", r"\$\{keep\} is not in the matrix, which has max_size"),
        ("{max_size: 4}", "a matrix is a mapping of names to lists, or a list of mappings"),
        ("{max_size: [], keep: [1]}", "expands to 1 to 512 scenarios, not 0"),
        ("[]", "a matrix is a mapping of names to lists"),
    ],
)
def test_a_matrix_that_cannot_be_expanded_is_told(sizes: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        load_text(MATRIX.format(sizes=sizes))


def test_a_matrix_that_explodes_is_refused() -> None:
    with pytest.raises(ValueError, match="not 1000000"):
        matrix.rows({name: list(range(10)) for name in "abcdef"})
