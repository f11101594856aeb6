"""`matrix`: one scenario written once and expanded over values.

A mapping of lists is expanded over their product; a list of mappings gives each row. `${name}`
alone keeps the value's type; inside a longer word it is put in as text. That is all.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

MAX_EXPANSIONS = 512

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def rows(matrix: Any) -> list[dict[str, Any]]:
    """The combinations of values, in the order written. Raises ValueError."""
    if isinstance(matrix, dict) and matrix and all(isinstance(v, list) for v in matrix.values()):
        count = 1
        for values in matrix.values():
            count *= len(values)
        _check(count)
        return [
            dict(zip(matrix, combination, strict=True))
            for combination in itertools.product(*matrix.values())
        ]
    if isinstance(matrix, list) and matrix and all(isinstance(row, dict) for row in matrix):
        _check(len(matrix))
        return matrix
    raise ValueError("a matrix is a mapping of names to lists, or a list of mappings")


def _check(count: int) -> None:
    if not 0 < count <= MAX_EXPANSIONS:
        raise ValueError(f"a matrix expands to 1 to {MAX_EXPANSIONS} scenarios, not {count}")


def suffix(row: dict[str, Any]) -> str:
    """What an expansion adds to its scenario's name: `@keep=0,max_size=4`."""
    parts = (f"{name}={_word(value)}" for name, value in row.items())
    return "@" + ",".join(parts)


def _word(value: Any) -> str:
    text = "none" if value is None else str(value).lower() if value is not True else "true"
    return re.sub(r"[^A-Za-z0-9_.=+-]+", "-", text).strip("-") or "empty"


def substitute(value: Any, row: dict[str, Any]) -> Any:
    """The value with its references replaced. Raises ValueError for an unknown name."""
    if isinstance(value, dict):
        return {key: substitute(item, row) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute(item, row) for item in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole:
        return _lookup(whole[1], row)
    return _REFERENCE.sub(lambda match: str(_lookup(match[1], row)), value)


def references(value: Any) -> Iterator[str]:
    """The references in a value, such as `${keep}`."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from references(item)
    elif isinstance(value, str):
        yield from (match[0] for match in _REFERENCE.finditer(value))


def _lookup(name: str, row: dict[str, Any]) -> Any:
    if name not in row:
        raise ValueError(f"${{{name}}} is not in the matrix, which has {', '.join(row)}")
    return row[name]
