"""Where somebody edited a table: the lines as they were written, as they are, and what they say."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from kvparity.tables.code import camel, snake
from kvparity.tables.document import Document
from kvparity.tables.formats import BINARY, OWN, written
from kvparity.tables.made import Table
from kvscenarios import Scenario

_MOST = 12
"""Places that are shown, and lines of each."""
_NO_END = "\\ no newline at the end of the file"
_OPS = {
    "csv": re.compile(r'^(?:"[^"\n]*"|[^",\n]*),(\d+),\d+,', re.MULTILINE),
    "json": re.compile(r'^ *"op": (\d+),$', re.MULTILINE),
    "markdown": re.compile(r"^(?:\| |### )(\d+)\b", re.MULTILINE),
    "html": re.compile(r"^<tr>\n<td>(\d+)</td>$", re.MULTILINE),
    "latex": re.compile(r"^(\d+) & \d+ &", re.MULTILINE),
}
"""How each format says which operation comes next."""
_OP_IN_CODE = re.compile(r'"(\d+)\. ')


@dataclass(frozen=True)
class Edit:
    """A place that somebody edited: its first line in the file, and what stands there.

    `scenario`, `op` and `step` are those it is about, as far as that can be told.
    """

    line: int
    was: tuple[str, ...]
    now: tuple[str, ...]
    scenario: str | None = None
    op: int | None = None
    step: int | None = None


@dataclass(frozen=True)
class Edits:
    """The first places that were edited, how many `more` there are, or why none is `unshown`."""

    places: tuple[Edit, ...] = ()
    more: int = 0
    unshown: str = ""


def edits(data: bytes, before: Document | None, made_as: str) -> Edits:
    """What was edited in a file of the format `made_as`; `before` is the table as it was made."""
    if made_as == OWN:
        return Edits(unshown="it was made through a template of its own, which it does not name")
    if made_as == BINARY:
        return Edits(unshown="a safetensors file has no lines")
    if before is None:
        return Edits(unshown="what was written cannot be made again here")
    own, have = _lines(written(before)), _lines(data)
    matcher = difflib.SequenceMatcher(None, own, have)
    blocks = [block for block in matcher.get_opcodes() if block[0] != "equal"]
    if not blocks:
        return Edits(unshown="only the hash of itself that it carries is another")
    places = []
    for _, start, end, first, last in blocks[:_MOST]:
        table, op = _place(own[: max(end, start)], before.tables, made_as)
        step = next((row["step"] for row in table.rows if row["op"] == op), None) if table else None
        scenario = table.scenario.id if table else None
        was, now = tuple(own[start:end][:_MOST]), tuple(have[first:last][:_MOST])
        places.append(Edit(first + 1, was, now, scenario, op if step else None, step))
    return Edits(tuple(places), max(0, len(blocks) - _MOST))


def _lines(data: bytes) -> list[str]:
    *lines, last = data.decode(errors="replace").replace("\r\n", "\n").split("\n")
    return [*map(_unsealed, lines), *([_unsealed(last), _NO_END] if last else ())]


def _unsealed(line: str) -> str:
    """The line without the table's own hash, which no two tables share."""
    return line[: line.index("content")] if "content" in line and "sha256" in line else line


def _place(
    above: Sequence[str], tables: Sequence[Table], made_as: str
) -> tuple[Table | None, int | None]:
    """The scenario and the operation that the last of these lines is about."""
    # A name may begin another one: the longer ones are looked for first.
    longest = sorted(tables, key=lambda table: len(table.scenario.id), reverse=True)
    names = [(table, _named(table.scenario)) for table in longest]
    for index in range(len(above) - 1, -1, -1):
        line, found = above[index], []
        for table, name in names:
            line, times = name.subn("", line)
            found += [table] if times else []
        if len(found) == 1:
            ops = _OPS.get(made_as, _OP_IN_CODE).findall("\n".join(above[index:]))
            return found[0], int(ops[-1]) if ops else None
    return None, None


def _named(scenario: Scenario) -> re.Pattern[str]:
    """A scenario's name, as it is or as code and LaTeX have it."""
    names = (scenario.id, f"{scenario.id}-{scenario.digest}")
    forms = {
        form for name in names for form in (name, snake(name), camel(name), snake(name).upper())
    }
    forms.add(scenario.id.replace("_", "\\_"))
    return re.compile("|".join(map(re.escape, forms)))
