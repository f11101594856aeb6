"""What the cells of a row pin: every filled one, or the row is refused.

A table that kvparity made shows more than a scenario can pin. That alone is left out, and named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kvparity.tables.columns import OF_FIELD, PLACE
from kvparity.tables.handcells import fact
from kvparity.tables.sheet import Row
from kvscenarios.errors import shown
from kvscenarios.expect import Expect

FACTS = {name: name for name in Expect.model_fields if name != "tokens"}
FACTS |= {"refused": "error", **{column: name for name, column in OF_FIELD.items()}}
"""Facts by the columns that pin them."""
RETURNED = frozenset({"fetched", "fetched_shape", "returned", "mask", "mask_shape", "error"})
"""Facts about what an operation gave back, rather than about a cache."""
_ABOUT_THE_ROW = frozenset({*PLACE, "cache", "operation", "tokens", "working"})
_UNPINNED = re.compile(r"\w+\[[\d, ]*\] [0-9a-f]{8}\b|^raises \w+$")
"""How a table shows an array that holds no tokens and is too long to write out, and an attribute
that cannot be read."""
_MARKED = re.compile(r"[\[\]\d\s,._·]*([?*vk][\[\]\d\s,._?*vk·]*)")
"""How a table shows slots that hold what no token was painted as, or another way round."""
_OF_CELLS = frozenset({"keys", "values", "fetched", "slots"})


@dataclass(frozen=True)
class Origin:
    """Whether kvparity made the table, and whether the file is still as it was written."""

    generated: bool
    whole: bool


@dataclass
class Pins:
    """What a row pins, the columns left out of it, and what is wrong with its cells."""

    facts: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)

    def leave(self, name: str, mistake: str, *, allowed: bool) -> None:
        """Leave a cell out where kvparity itself wrote it; a person's is a mistake."""
        if allowed:
            self.left_out.append(name)
        else:
            self.mistakes.append(mistake)


def pins(row: Row, origin: Origin) -> Pins:
    """What a row pins."""
    found = Pins()
    for name, cell in _filled(row.cells):
        if name == "fetched_values":
            continue
        if name not in FACTS:
            said = f"no scenario can pin `{name}`: leave the column out"
            found.leave(name, said, allowed=origin.generated)
        elif origin.whole and _is_shown_only(name, cell):
            found.left_out.append(name)
        else:
            _pin(found, name, cell)
    if row.cells.get("fetched_values"):
        _both_sides(found, row.cells, origin)
    return found


def _filled(cells: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((name, cell) for name, cell in cells.items() if cell and name not in _ABOUT_THE_ROW)


def _is_shown_only(name: str, cell: str) -> bool:
    if _UNPINNED.search(cell):
        return True
    return FACTS[name] in _OF_CELLS and bool(_MARKED.fullmatch(cell))


def _pin(found: Pins, name: str, cell: str) -> None:
    try:
        found.facts[FACTS[name]] = fact(FACTS[name], cell)
    except ValueError as error:
        found.mistakes.append(f"{name}: {error}")


def _both_sides(found: Pins, cells: Mapping[str, str], origin: Origin) -> None:
    """`fetched` says what came back as keys and as values: one fact for both of them."""
    values = cells["fetched_values"]
    try:
        alike = "fetched" in found.facts and _rows(values) == _rows(cells["fetched"])
    except ValueError as error:
        if not (origin.whole and _is_shown_only("fetched", values)):
            found.mistakes.append(f"fetched_values: {error}")
            return
        alike = False
    if alike or any(one.startswith("fetched:") for one in found.mistakes):
        return
    said = (
        f"fetched {shown(cells.get('fetched', ''))} and fetched_values {shown(values)}: a scenario "
        "pins `fetched` for both, so fill in both alike, or neither"
    )
    if found.facts.pop("fetched", None) is not None and origin.whole:
        found.left_out.append("fetched")
    found.leave("fetched_values", said, allowed=origin.whole)


def _rows(cell: str) -> Any:
    return Expect.model_validate({"fetched": fact("fetched", cell)}).fetched
