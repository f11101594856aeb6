"""The JSON Schema of scenario files, made from the model so that the two cannot part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from kvscenarios.base import Model
from kvscenarios.model import FamilyName, Scenario

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
    allowing: dict[str, Any] = _allow_references(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **allowing}


def schema_text() -> str:
    """The schema as its file holds it."""
    return json.dumps(scenario_schema(), indent=1, sort_keys=True) + "\n"


def _allow_references(part: Any) -> Any:
    """Wherever a number or a fixed word may stand, let `${name}` of a matrix stand too."""
    if isinstance(part, list):
        return [_allow_references(item) for item in part]
    if not isinstance(part, dict):
        return part
    inner = {key: _allow_references(value) for key, value in part.items()}
    if inner.get("type") in {"integer", "boolean"} or "enum" in inner:
        return {"anyOf": [inner, _REFERENCE]}
    return inner
