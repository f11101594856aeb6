"""A scenario written back as YAML, in the way a person would: what the loader reads as the same."""

from __future__ import annotations

from typing import Any

import yaml

from kvscenarios.model import Body, Scenario
from kvscenarios.tokens import UNWRITTEN

_ORDER = ("name", "about", "source", "traced", "cache", "caches", "look", "steps")
_FIELDS = {*Body.model_fields, "name", "about", "source", "traced"}
_TENSORS = {"update", "keys", "values", "set_state", "state", "to"}
"""Where a tensor stands, which is written as its tokens if there is no more to it."""
_RUN = 4
"""Consecutive tokens from which on a row is written as a range."""
_BASE: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_BASE):  # type: ignore[misc]  # the base is chosen at run time
    """Repeats what occurs twice: the loader takes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def as_yaml(*scenarios: Scenario) -> str:
    """A file that holds these scenarios alone: one, or several of one family."""
    bodies = [_body(scenario) for scenario in scenarios]
    document = {"family": scenarios[0].family, "scenarios": bodies}
    text: str = yaml.dump(
        document,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=96,
        default_flow_style=None,
    )
    return text


def _body(scenario: Scenario) -> dict[str, Any]:
    dumped = scenario.model_dump(mode="json", by_alias=True, exclude_unset=True, include=_FIELDS)
    return {key: _plain(dumped[key], key) for key in _ORDER if dumped.get(key) is not None}


def _plain(value: Any, key: str) -> Any:
    """Token rows without needless brackets, runs as ranges; `key` is what it stands under."""
    if key == "returned":
        return value
    if isinstance(value, dict):
        inner = {name: _plain(item, name) for name, item in value.items()}
        given = inner.get("update")
        if (
            isinstance(given, dict)
            and set(given) == {"keys"}
            and not isinstance(given["keys"], dict)
        ):
            inner["update"] = given["keys"]
        return inner["tokens"] if key in _TENSORS and set(inner) == {"tokens"} else inner
    if isinstance(value, list):
        if value and all(isinstance(row, list) and _is_row(row) for row in value):
            rows = [_row(row) for row in value]
            # A range alone would be a part of one row: among several rows each is a list.
            return (
                rows[0]
                if len(rows) == 1
                else [[row] if isinstance(row, str) else row for row in rows]
            )
        return [_plain(item, key) for item in value]
    return value


def _is_row(row: list[Any]) -> bool:
    return all(cell is None or type(cell) is int for cell in row)


def _row(row: list[Any]) -> Any:
    if len(row) >= _RUN and None not in row and row == list(range(row[0], row[0] + len(row))):
        return f"{row[0]}..{row[-1]}"
    return [UNWRITTEN if cell is None else cell for cell in row]
