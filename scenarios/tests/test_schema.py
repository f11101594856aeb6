"""The published JSON Schema says what the loader takes, and what stands in the corpus."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from kvscenarios import yamltree
from kvscenarios.loader import CORPUS
from kvscenarios.schema import PATH, scenario_schema, schema_text

FILES = sorted(CORPUS.glob("*/*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(scenario_schema())


def problems(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(yamltree.read(text).data)]


def test_the_schema_file_is_fresh() -> None:
    assert PATH.read_text(encoding="utf-8") == schema_text(), (
        "run: kvparity schema scenario --write"
    )


def test_the_schema_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(scenario_schema())


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_corpus_file_validates(file: Path) -> None:
    assert problems(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "step",
    [
        "round_trip",
        "update: 0..3",
        "update: 7",
        "decode: [[1, 2], [3, 4]]",
        "update: {keys: 7, values: {tokens: 7, heads: 3}}",
        "make_mask: {n: '${n}', window_size: 2}",
        "filter: [0, 2]",
        "filter: {array: [0, 2]}",
        "filter: '${rows}'",
        "get_slot: -1",
        "model_mask: 3",
        "ssm_mask: {n: 2, without_cache: true}",
        "make_prompt_cache: {make_cache: [{kind: standard}]}",
        "load: f",
        "load: {file: f, metadata: false}",
    ],
)
def test_a_step_as_people_write_it_validates(step: str) -> None:
    assert problems(_file(step=step)) == []


@pytest.mark.parametrize(
    ("cache", "step"),
    [
        ("{kind: rotatin, max_size: 4}", "trim: 1"),
        ("{kind: standard, colour: red}", "trim: 1"),
        ("{kind: standard}", "trimm: 1"),
        ("{kind: standard}", "trim: many"),
        ("{kind: standard}", "filter: {list: [0]}"),
        ("{kind: standard}", "trim: 1\n        size: 2"),
    ],
)
def test_what_the_loader_refuses_does_not_validate(cache: str, step: str) -> None:
    assert problems(_file(cache=cache, step=step)) != []


def _file(cache: str = "{kind: standard}", step: str = "trim: 1") -> str:
    return f"family: f\nscenarios:\n  - name: one\n    cache: {cache}\n    steps:\n      - {step}\n"
