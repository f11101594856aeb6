"""Findings and verdicts in words."""

from __future__ import annotations

import pytest

from kvreports.model import TokenArray
from kvreports.words import cell_in_words, contrast, plain, sentence, verdict_in_words


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ring order", "keys, slot 0: subject holds token 8, reference holds token 0"),
        ("offset only", "offset: subject 10, reference 9"),
        ("mask", "returned, query 1, key 0: subject attends, reference masks it"),
        (
            "raised",
            "only the subject raised: the subject raised ValueError: too far, "
            "the reference returned 6",
        ),
        (
            "dtype",
            "returned: the tokens agree, type or shape does not: "
            "subject float16 [1, 2, 3, 4], reference float32 [1, 2, 3, 4]",
        ),
        ("missing cache", "cache: subject not there, reference there"),
        ("numbers", "returned, number 2: subject 3.5, reference 3.0"),
        ("crash", "the subject crashed: cannot be evaluated: boom"),
        ("pinned", "keys, slot 2: pinned holds token 9, subject holds token 2"),
        ("aside", "error: pinned OutOfRangeError, subject RankMismatchError: keys are 3-D"),
    ],
)
def test_a_finding_names_the_place_and_both_sides(name: str, said: str, case) -> None:
    assert sentence(case(name).records[0].first) == said


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (7, "holds token 7"),
        ("·", "holds nothing (unwritten)"),
        ("v3", "holds the value of token 3"),
        ("k3", "holds the key of token 3"),
        ("3*", "holds token 3 with its lanes in the wrong places"),
        ("?", "holds what no token was painted as"),
        (None, "has no such slot"),
    ],
)
def test_a_slot_is_spelled_out(cell, said: str) -> None:
    assert cell_in_words(cell) == said


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb", r"a\nb"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202eabc", r"\u202eabc"),
        ("\u2028", r"\u2028"),
        ("naïve · 4", "naïve · 4"),
    ],
)
def test_what_could_steer_a_terminal_is_spelled_out(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ([], "Nothing was compared: no scenario was played."),
        (["unsupported"], "Nothing was compared: every scenario is unsupported."),
        (["conform"], "kvimpl conforms to mlx-lm==0.32.2 in 1 scenario."),
        (
            ["conform", "declared", "unsupported"],
            "kvimpl conforms to mlx-lm==0.32.2 in 2 scenarios (1 declared); 1 was not compared.",
        ),
        (
            ["conform", "diverge", "refused"],
            "kvimpl does not conform to mlx-lm==0.32.2: 2 of 3 scenarios fail.",
        ),
        (
            ["conform", "reference-moved"],
            "mlx-lm==0.32.2 does not meet what 1 of 2 scenarios pins.",
        ),
    ],
)
def test_the_verdict_says_what_the_run_comes_to(verdicts, said: str, run_of, record_of) -> None:
    run = run_of(*(record_of(f"s{i}", verdict=verdict) for i, verdict in enumerate(verdicts)))
    assert verdict_in_words(run) == said


def test_what_cannot_be_read_in_another_type_is_told_by_the_types() -> None:
    mine = TokenArray(dtype="float16", shape=(1, 1, 1, 4), rows=(("?",),))
    theirs = TokenArray(dtype="float32", shape=(1, 1, 1, 4), rows=((3,),))
    said = contrast("keys", {}, ("subject", mine), ("reference", theirs))
    assert said == "keys: subject float16 [1, 1, 1, 4], reference float32 [1, 1, 1, 4]"
