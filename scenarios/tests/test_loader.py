"""A mistake in a scenario file is told with its place and the nearest valid word."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kvscenarios import ScenarioError, load_file, load_text
from kvscenarios.loader import MAX_FILE_BYTES

HEAD = "family: f\nscenarios:\n"
STEP = "    steps: [{trim: 1}]\n"


def messages(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_text(text, "f.yaml")
    return [str(problem) for problem in caught.value.problems]


def scenario(cache: str = "{kind: standard}", steps: str = "[{trim: 1}]") -> str:
    return f"{HEAD}  - name: one\n    cache: {cache}\n    steps: {steps}\n"


def test_a_valid_file_gives_its_scenarios_with_their_lines() -> None:
    (one,) = load_text(scenario(), "f.yaml")
    assert (one.id, one.file, one.line, one.step_lines) == ("f/one", "f.yaml", 3, (5,))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (scenario("{kind: rotatin, max_size: 4}"), 4, "unknown kind 'rotatin'; did you mean 'rotating'?"),
        (scenario("{kind: rotating}"), 4, "'max_size' is missing"),
        (scenario("{kind: standard, hed_dim: 2}"), 4, "unknown field 'hed_dim'; did you mean 'head_dim'?"),
        (scenario("{kind: standard, dtype: float8}"), 4, "dtype: unknown word 'float8'; did you mean 'float32'?"),
        (scenario("{kind: rotating, max_size: big}"), 4, "max_size: input should be a valid integer, got 'big'"),
        (scenario(steps="[{updat: [1]}]"), 5, "step 1: unknown operation 'updat'; did you mean 'update'?"),
        (scenario(steps="[{trim: 1, update: [1]}]"), 5, "step 1: a step is one operation, got trim and update"),
        (scenario(steps="[{on: cache}]"), 5, "step 1: a step needs an operation"),
        (scenario(steps="[7]"), 5, "step 1: a step is an operation with its arguments, got 7"),
        (scenario(steps="[{update: [-1]}]"), 5, "a token id is 0 or more, not -1"),
        (scenario(steps="[{update: 9..3}]"), 5, "the range 9..3 runs backwards"),
        (scenario(steps="[{update: [[1, 2], [3]]}]"), 5, "every row of one update has the same length"),
        (scenario(steps="[{trim: 1, on: rows}]"), 5, "no cache is called 'rows' here"),
        (scenario(steps="[{trim: 1, on: cach}]"), 5, "did you mean 'cache'?"),
        (scenario(steps="[{trim: 1, expect: {ofset: 1}}]"), 5, "unknown field 'ofset'; did you mean 'offset'?"),
        (scenario(steps="[{make_mask: {n: 1, windowsize: 2}}]"), 5, "did you mean 'window_size'?"),
        (scenario(steps="[{make_mask: 1, expect: {mask: [x0]}}]"), 5, "a mask is 'none', 'causal', or a list"),
        (scenario(steps=f"[{{update: ['{'9' * 6000}']}}]"), 5, "9" * 79 + "..."),
        (scenario(steps=f"[{{trim: {'x' * 6000}}}]"), 5, "x" * 79 + "..."),
        (scenario(steps="[{update: 0..99999999999}]"), 5, "the range '0..99999999999' goes beyond 999999999"),
        (scenario(steps="[{trim: '${n}'}]"), 3, "${n} stands for nothing: there is no `matrix`"),
        (scenario(steps="[{on: cache, model_mask: {n: 1, without_cache: true}}]"), 5, "model_mask acts on no cache"),
        (scenario(steps="[{ssm_mask: {n: -1}}]"), 5, "n: input should be greater than or equal to 0, got -1"),
        (scenario(steps="[{make_prompt_cache: {}}]"), 5, "a model has so many `layers`, or brings its own"),
        (scenario(steps="[{make_prompt_cache: {layers: 1, make_cache: []}}]"), 5, "a model has so many `layers`"),
        (scenario("{kind: tokens, tokens: [[1], [2]]}"), 4, "tokens: needs at most 1 entries"),
        (scenario(steps="[{filter: {aray: [0]}}]"), 5, "unknown field 'aray'; did you mean 'array'?"),
        (scenario(steps="[{filter: [x]}]"), 5, "filter: input should be a valid integer, got 'x'"),
        (scenario(steps="[]"), 5, "steps: needs at least 1 entries"),
        (HEAD + "  - name: one\n" + STEP, 4, "the scenario has no cache"),
        (HEAD + "  - {name: a, stepz: []}\n", 3, "unknown key 'stepz'; did you mean 'steps'?"),
        (HEAD + "  - {name: 'a b', steps: [{trim: 1}]}\n", 3, "name: string should match pattern"),
        ("famly: f\nscenarios: []\n", 1, "unknown key 'famly'; did you mean 'family'?"),
        ("- 1\n", None, "a scenario file has `family` and a list of `scenarios`"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_line_and_the_word_meant(
    text: str, line: int | None, words: str
) -> None:
    said = messages(text)
    place = "f.yaml: " if line is None else f"f.yaml:{line}: "
    assert any(message.startswith(place) and words in message for message in said), said


def test_no_message_is_longer_than_a_screen() -> None:
    for steps in (f"[{{update: [{'9' * 4000}, -{'9' * 4000}]}}]", f"[{{? {'x' * 6000} : 1}}]"):
        assert max(map(len, messages(scenario(steps=steps)))) < 1500


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    assert len(messages(scenario("{kind: x}") + scenario("{kind: y}").removeprefix(HEAD))) == 2


def test_two_scenarios_may_not_share_a_name() -> None:
    assert messages(scenario() + scenario().removeprefix(HEAD)) == [
        "f.yaml:6: scenario 'one': the name 'f/one' is taken by f.yaml:3"
    ]


@pytest.mark.parametrize(
    ("children", "words"),
    [
        ("prompt.3", "'prompt' has 3 caches, the last is prompt.2"),
        ("prompt", "'prompt' is a list of caches; name one, such as prompt.0"),
    ],
)
def test_a_child_that_is_not_there_is_refused(children: str, words: str) -> None:
    steps = f"[{{make_prompt_cache: {{layers: 3}}, as: prompt}}, {{trim: 1, on: {children}}}]"
    (message,) = messages(f"{HEAD}  - name: one\n    steps: {steps}\n")
    assert words in message


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"gone\.yaml: cannot be read: No such file"):
        load_file(tmp_path / "gone.yaml")


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="not UTF-8 text"):
        load_file(tmp_path / "b.yaml")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")
def test_a_pipe_is_refused_unread(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ScenarioError, match=r"pipe\.yaml: no regular file"):
        load_file(tmp_path / "pipe.yaml")


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_text("#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(ScenarioError, match=f"larger than {MAX_FILE_BYTES} bytes"):
        load_file(tmp_path / "big.yaml")


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("[{update: 0..99999999}]", "holds more than 65536 tokens"),
        ("[{decode: 0..5000}]", "5001 operations are more than the 4096"),
        ("[{update: {tokens: 0..9999, batch: 4096}}]", "elements are more than the 4194304"),
        ("[{set_state: [{shape: [60000, 60000]}, {shape: [1]}]}]", "elements are more than"),
    ],
)
def test_a_hostile_size_is_refused_before_anything_is_built(steps: str, words: str) -> None:
    (message,) = messages(scenario(steps=steps))
    assert words in message


def test_the_digest_does_not_depend_on_name_or_remarks() -> None:
    (one,) = load_text(scenario())
    (other,) = load_text(
        f"{HEAD}  - name: two\n    about: x\n    cache: {{kind: standard}}\n"
        "    steps: [{trim: 1, note: y}]\n"
    )
    assert one.digest == other.digest


def test_the_digest_depends_on_what_the_steps_do() -> None:
    (one,) = load_text(scenario())
    (other,) = load_text(scenario(steps="[{trim: 2}]"))
    assert one.digest != other.digest
