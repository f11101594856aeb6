"""The JSON Schema of scenario files, made from the model so that the two cannot part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from kvscenarios.base import Model, NoArguments
from kvscenarios.model import FamilyName, Scenario
from kvscenarios.steps import OPERATIONS

PATH = Path(__file__).parent / "scenario.schema.json"

_REFERENCE = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"}
_LOADER_FIELDS = ("family", "file", "line", "step_lines")
_MATRIX = {
    "description": "Values to expand over: a mapping of lists (their product), or rows.",
    "anyOf": [
        {"type": "object", "additionalProperties": {"type": "array", "minItems": 1}},
        {"type": "array", "items": {"type": "object"}, "minItems": 1},
    ],
}


class ScenarioFile(Model):
    """A family of scenarios, as a file holds it."""

    family: FamilyName
    about: str | None = None
    scenarios: Annotated[tuple[Scenario, ...], Field(min_length=1)]


def scenario_schema() -> dict[str, Any]:
    """The schema as data."""
    schema = ScenarioFile.model_json_schema()
    scenario = schema["$defs"]["Scenario"]
    for name in _LOADER_FIELDS:
        del scenario["properties"][name]
    scenario["properties"]["matrix"] = _MATRIX
    scenario["properties"]["name"].pop("pattern")
    steps = scenario["properties"]["steps"]
    steps["items"] = {"anyOf": [{"enum": _bare_words()}, steps["items"]]}
    schema["$defs"] = _allow_references(schema["$defs"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """The schema as its file holds it."""
    return json.dumps(scenario_schema(), indent=1, sort_keys=True) + "\n"


def _bare_words() -> list[str]:
    """The operations that may be written as a word alone: those without arguments."""
    return [
        name
        for name, step in OPERATIONS.items()
        if any(field.annotation is NoArguments for field in step.model_fields.values())
    ]


def _allow_references(part: Any) -> Any:
    """Wherever a value of a mapping or of a list may stand, let `${name}` of a matrix stand too."""
    if isinstance(part, list):
        return [_allow_references(item) for item in part]
    if not isinstance(part, dict):
        return part
    # A `${kind}` may fit several kinds, so that one of them is enough.
    inner = {"anyOf" if k == "oneOf" else k: _allow_references(v) for k, v in part.items()}
    for named in ("properties", "patternProperties"):
        if isinstance(inner.get(named), dict):
            values = inner[named].items()
            inner[named] = {name: _or_reference(value) for name, value in values}
    for rest in ("items", "additionalProperties"):
        if isinstance(inner.get(rest), dict):
            inner[rest] = _or_reference(inner[rest])
    return inner


def _or_reference(part: Any) -> Any:
    return {"anyOf": [part, _REFERENCE]}
