"""A validation error as a sentence: what stands there, what was expected, the nearest word."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from kvscenarios.errors import nearest, shown
from kvscenarios.model import Scenario
from kvscenarios.steps import Step

_LOADER_FIELDS = frozenset({"family", "file", "line", "step_lines"})


def sentence(item: Any) -> str:
    """The message for one of pydantic's errors."""
    kind, loc, context = item["type"], item["loc"], item.get("ctx", {})
    key = str(loc[-1]) if loc else ""
    if kind == "extra_forbidden":
        return f"unknown field {shown(key)}; {nearest(key, _fields_beside(loc))}"
    if kind == "missing":
        return f"{key!r} is missing"
    if kind == "value_error":
        return f"{_field(loc)}{context['error']}"
    if kind == "union_tag_invalid":
        near = _nearest(context["tag"], context["expected_tags"])
        return f"unknown {_what(loc)} {shown(context['tag'])}; {near}"
    if kind == "union_tag_not_found":
        return f"{_field(loc)}`kind` is missing"
    if kind in {"too_short", "too_long"}:
        bound = f"at least {context['min_length']}" if kind == "too_short" else ""
        return f"{_field(loc)}needs {bound or 'at most ' + str(context['max_length'])} entries"
    given = shown(item["input"])
    if kind == "literal_error":
        near = _nearest(str(item["input"]), context["expected"])
        return f"{_field(loc)}unknown word {given}; {near}"
    message = item["msg"][0].lower() + item["msg"][1:]
    return f"{_field(loc)}{message}, got {given}"


def _nearest(word: str, quoted: str) -> str:
    """`nearest` over words as pydantic lists them: "'a', 'b' or 'c'"."""
    return nearest(word, quoted.replace("'", "").replace(" or ", ", ").split(", "))


def _what(loc: tuple[Any, ...]) -> str:
    return "operation" if loc[:1] == ("steps",) and len(loc) <= 2 else "kind"


def _field(loc: tuple[Any, ...]) -> str:
    words = [part for part in loc if isinstance(part, str) and part.isidentifier()]
    return f"{words[-1]}: " if words and (words[-1] != "steps" or len(loc) == 1) else ""


def _fields_beside(loc: tuple[Any, ...]) -> set[str]:
    """The valid fields where an unknown one stands, found by walking the models along its path."""
    models: set[type[BaseModel]] = {Scenario}
    for part in loc[:-1]:
        tagged = {model for model in models if part in _tags(model)}
        if tagged and len(models) > 1:
            models = tagged
            continue
        below = {found for model in models for found in _models_in(_annotation(model, part))}
        models = below or models
    names = {field.alias or name for model in models for name, field in model.model_fields.items()}
    return names - _LOADER_FIELDS


def _tags(model: type[BaseModel]) -> tuple[object, ...]:
    """The words that choose this model in a union: its operation, or its kind."""
    if issubclass(model, Step) and hasattr(model, "op"):
        return (model.op,)
    kind = model.model_fields.get("kind")
    return typing.get_args(kind.annotation) if kind else ()


def _annotation(model: type[BaseModel], part: object) -> object:
    for name, field in model.model_fields.items():
        if part in (name, field.alias):
            return field.annotation
    return None


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models_in(inner)
