"""Rows of a table traced by hand as the steps of a scenario."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kvparity.tables.handcells import TOKENS, plain_value, tokens
from kvparity.tables.pins import FACTS, RETURNED, Origin, Pins, pins
from kvparity.tables.sheet import Row
from kvscenarios.errors import nearest, shown
from kvscenarios.sentences import sentence
from kvscenarios.steps import OPERATIONS, AnyStep
from kvscenarios.steps.base import DEFAULT_CACHE, FreeStep, MakingStep, Step

_OPERATION = re.compile(r"^([A-Za-z_]+)\s*:?\s*(.*)$", re.DOTALL)
_PAIR = re.compile(r"(\w+)=(\[(?:[^\[\]]|\[[^\]]*\])*\]|\S+)\s*")
_NAMED = re.compile(r"^(.*?)\s*\b(on|as)\s+([\w.-]+)$")
_IN_A_FILE = frozenset(name for name in OPERATIONS if name.startswith(("lru_", "trie_"))) | {
    "set_state",
    "from_state",
    "set_slot",
    "save",
    "load",
    "make_prompt_cache",
    "dynamic_roll",
}
"""Operations whose arguments are more than a cell holds."""
_OF_ALL_LAYERS = frozenset({"trim_prompt_cache", "can_trim_prompt_cache"})
"""Operations whose rows name a layer each, and which act on all of them."""
_OF_TOKENS = frozenset({"update", "decode", "append"})


class Unsayable(ValueError):  # noqa: N818 - says what is wrong
    """An operation that needs more than a cell: a scenario file can say it."""


@dataclass(frozen=True)
class Said:
    """An operation as its row says it: `names` are the caches behind `on` and `as`."""

    word: str
    args: Any
    names: dict[str, str]


@dataclass
class Steps:
    """The rows of a scenario as steps, what they leave out, and every mistake with its line."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[tuple[str, int]] = field(default_factory=list)
    """Columns that hold what no scenario can pin, with the line."""
    mistakes: list[tuple[int, str]] = field(default_factory=list)
    unsayable: list[tuple[int, str]] = field(default_factory=list)


def steps_of(rows: Sequence[Row], origin: Origin, *, named: bool) -> Steps:
    """The steps. `named`: the scenario's caches have names of their own."""
    found = Steps()
    first: Row | None = None
    for index, row in enumerate(rows):
        op = row.cells.get("op")
        again = first if first is not None and op and first.cells.get("op") == op else None
        seen = pins(row, origin)
        if row.cells.get("operation", "").lower().startswith("append"):
            _leave_the_buffer(seen, row, origin)
        try:
            step = (
                _look(row, again, seen)
                if again is not None
                else _step(row, seen, _layers(rows[index:]), named=named)
            )
            found.mistakes += [(row.line, said) for said in _invalid(step)]
            found.steps.append(step)
        except Unsayable as error:
            found.unsayable.append((row.line, str(error)))
        except ValueError as error:
            found.mistakes.append((row.line, str(error)))
        found.mistakes += [(row.line, said) for said in seen.mistakes]
        found.left_out += [(name, row.line) for name in seen.left_out]
        first = again or row
    return found


def _invalid(step: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a step alone."""
    try:
        _adapter().validate_python(step)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            yield sentence({**item, "loc": ("steps", 0, *item["loc"])})


@cache
def _adapter() -> TypeAdapter[Step]:
    return TypeAdapter(AnyStep)


def _leave_the_buffer(seen: Pins, row: Row, origin: Origin) -> None:
    """What an append gives back is the buffer's array, which `buffer` pins."""
    if seen.facts.pop("returned", None) is not None:
        said = "returned: an append gives back the buffer, which the column `buffer` pins"
        if row.cells.get("returned") != row.cells.get("buffer"):
            seen.leave("returned", said, allowed=origin.whole)


def _look(row: Row, first: Row, seen: Pins) -> dict[str, Any]:
    """A further row of an operation: it looks at another of its caches. Raises ValueError."""
    op, name = row.cells["op"], row.cells.get("cache", "")
    if not name or name == first.cells.get("cache", ""):
        raise ValueError(
            f"op {op} stands on line {first.line} already: a further row of an operation shows "
            "another cache, named in the column `cache`"
        )
    for column in (
        "operation",
        "tokens",
        *(key for key in row.cells if FACTS.get(key) in RETURNED),
    ):
        cell, other = row.cells.get(column, ""), first.cells.get(column, "")
        if cell and cell != other:
            raise ValueError(
                f"{column} {shown(cell)} is not as on line {first.line}, {shown(other)}, and both "
                f"rows are of op {op}"
            )
    facts = {name: value for name, value in seen.facts.items() if name not in RETURNED}
    return {"on": name, "observe": None, "expect": facts}


def _layers(rows: Sequence[Row]) -> list[str]:
    """The caches, lists of them whole, in the rows of the operation that the first is of."""
    op = rows[0].cells.get("op")
    own = itertools.takewhile(lambda row: op and row.cells.get("op") == op, rows[1:])
    names = (row.cells.get("cache", "").partition(".")[0] for row in (rows[0], *own))
    return list(dict.fromkeys(names))


def _step(row: Row, seen: Pins, layers: Sequence[str], *, named: bool) -> dict[str, Any]:
    """A row as a step. Raises ValueError."""
    said = _said(row.cells)
    kind, name = OPERATIONS[said.word], row.cells.get("cache", "")
    step: dict[str, Any] = {said.word: said.args, **said.names}
    if issubclass(kind, MakingStep):
        made = name.partition(".")[0]
        _is_whole(said, name, seen)
        _agree(said, "as", made)
        if name or "error" in seen.facts:
            # What is refused makes nothing, and so takes nobody's place.
            step.setdefault("as", made or "refused")
    elif issubclass(kind, FreeStep):
        _sees_no_cache(said, seen)
    elif name and (named or name != DEFAULT_CACHE):
        _agree(said, "on", name)
        on: Any = name
        if said.word in _OF_ALL_LAYERS:
            _is_whole(said, name, seen)
            on = layers if len(layers) > 1 else layers[0]
        step.setdefault("on", on)
    return {**step, "expect": seen.facts} if seen.facts else step


def _agree(said: Said, key: str, name: str) -> None:
    if name and said.names.get(key, name) != name:
        raise ValueError(
            f"`{said.word} ... {key} {said.names[key]}` stands beside {shown(name)} in the column "
            "`cache`: say one of them"
        )


def _is_whole(said: Said, name: str, seen: Pins) -> None:
    """What is made, or trimmed as a whole, is looked at as a whole."""
    if "." in name and set(seen.facts) - RETURNED:
        whole = name.partition(".")[0]
        raise ValueError(
            f"{said.word} is of {whole} as a whole: pin what {name} holds in a row `observe` with "
            f"{name} in the column `cache`"
        )


def _sees_no_cache(said: Said, seen: Pins) -> None:
    held = sorted(set(seen.facts) - RETURNED)
    if held:
        raise ValueError(
            f"{said.word} acts on no cache, so nothing can hold {', '.join(held)}: leave it empty, "
            "or pin it in a row `observe`"
        )


def _said(cells: Mapping[str, str]) -> Said:
    """The operation, its arguments, and the caches named behind them. Raises ValueError."""
    match = _OPERATION.match(cells.get("operation", ""))
    if match is None:
        raise ValueError("the row names no operation: write one, such as update or trim 2")
    word, rest = match[1].lower(), match[2]
    if word not in OPERATIONS:
        raise ValueError(f"unknown operation {match[1]!r}; {nearest(word, OPERATIONS)}")
    if word in _IN_A_FILE:
        raise Unsayable(f"a table cannot say {word}: write a scenario file")
    names: dict[str, str] = {}
    while named := _NAMED.match(rest):
        rest, key, name = named.groups()
        if key in names:
            raise ValueError(f"`{key}` stands twice in {shown(cells['operation'])}")
        names[key] = name
    given = cells.get("tokens", "")
    if word in _OF_TOKENS:
        return Said(word, _given(word, rest, given), names)
    if given:
        raise ValueError(f"{word} takes no tokens: leave the column `tokens` empty, not {given!r}")
    return Said(word, _arguments(word, rest), names)


def _given(word: str, rest: str, cell: str) -> Any:
    """The tokens of an operation, which stand behind it or in their own column."""
    if not TOKENS.fullmatch(rest):
        raise Unsayable(f"a table takes tokens alone, not {rest!r}: write a scenario file")
    if not rest and not cell:
        raise ValueError(f"{word} is given no tokens: write them in the column `tokens`")
    read = [tokens(text, slots=False) for text in (rest, cell) if text]
    if len(read) > 1 and read[0] != read[1]:
        raise ValueError(
            f"`{word} {rest}` stands beside {shown(cell)} in the column `tokens`: say one of them"
        )
    return read[0]


def _arguments(word: str, rest: str) -> Any:
    if word == "set_meta_state":
        return [part for part in re.split(r"[\s,\[\]'\"]+", rest) if part]
    pairs = _PAIR.findall(rest)
    if not pairs or _PAIR.sub("", rest).strip():
        return plain_value(rest) if rest else None
    twice = sorted({key for key, _ in pairs if [one for one, _ in pairs].count(key) > 1})
    if twice:
        raise ValueError(f"`{twice[0]}` stands twice in {shown(rest)}")
    return {key: plain_value(value) for key, value in pairs}
