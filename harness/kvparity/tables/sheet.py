"""The file of a table traced by hand, line by line: its rows, and what is said beside them.

CSV or Markdown; no cell is read here.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import NamedTuple

from markdown_it import MarkdownIt

from kvparity.tables.handcells import unmarked
from kvparity.tables.provenance import TITLE
from kvscenarios.errors import nearest

HEADS = ("name", "family", "about", "source", "cache", "caches")
"""What may be said in lines of their own."""
_LINE = re.compile(r"^[#>%\s*`+-]*([A-Za-z][A-Za-z_-]*)[*`]*:(?:[*`]*\s+|(?=\{))(\S.*?)\s*$")
_PROVENANCE = frozenset({"command", "reference", "mlx", "kvparity", "format", "content"})
"""What else a generated table says of itself in such lines."""
_SAID = re.compile(r"^\s*(#|$)")
_ID = re.compile(r"^[a-z0-9_-]+/\S+$")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_ALIASES = {"_idx": "idx", "cursor": "idx"}
_OTHER = {"cache": "caches", "caches": "cache"}
_NO_ROW = (
    "looks like a row and is in no table: a table has no empty line, is not indented, and below "
    "its heading stands a line of dashes with as many cells"
)
_LONG = frozenset({"working", "message"})
"""Columns whose cells run over several lines."""


class Head(NamedTuple):
    """What a line beside the table says, and where."""

    line: int
    text: str


@dataclass(frozen=True)
class Row:
    """A row: the line that it stands on, the scenario that it is of, if that is said, its cells."""

    line: int
    scenario: str
    cells: Mapping[str, str]


@dataclass
class Sheet:
    """What a file says: rows, and beside them what its scenarios are called and start with."""

    columns: dict[str, int] = field(default_factory=dict)
    """The columns, each with the line on which it first stands."""
    rows: list[Row] = field(default_factory=list)
    heads: dict[str, Head] = field(default_factory=dict)
    known: dict[str, Head] = field(default_factory=dict)
    """What the provenance of a generated table says of each scenario's caches."""
    generated: bool = False
    """Whether it carries the provenance of a table that kvparity made."""
    mistakes: list[tuple[int, str]] = field(default_factory=list)
    _last: str = ""

    def head(self, line: int, columns: Sequence[str]) -> None:
        """Look at the heading of a table."""
        self._last = ""
        for name in dict.fromkeys(filter(None, columns)):
            self.columns.setdefault(name, line)
            if columns.count(name) > 1:
                self.mistakes.append((line, f"the column {name!r} stands twice"))

    def take(self, line: int, columns: Sequence[str], cells: Sequence[str], heading: str) -> None:
        """Take in a row under its columns; without a scenario it is of the one above it."""
        if any(cell.strip() for cell in cells[len(columns) :]):
            self.mistakes.append((line, f"{len(cells)} cells under {len(columns)} columns"))
        row = {name: unmarked(cell) for name, cell in zip(columns, cells, strict=False)}
        for name, cell in row.items():
            if not name and cell:
                self.mistakes.append((line, f"{cell!r} stands under a column without a name"))
            elif "\n" in cell and name not in _LONG:
                what = f"the cell under {name!r} runs over several lines"
                self.mistakes.append((line, f"{what}: is a quote left open?"))
        self._last = row.get("scenario") or self._last
        self.rows.append(Row(line, self._last or heading, row))

    def hear(self, line: int, text: str, *, remark: bool) -> None:
        """Take in a line outside the table, if it says something; `remark`, if it is for us."""
        if text.strip(" \t#>%`*") == TITLE:
            self.generated = True
        said = _LINE.match(text)
        if said is None:
            return
        key, value = said.groups()
        if key == "scenario":
            self.known[value.split()[0]] = Head(line, "")
        elif key == "caches" and self.known and not [*self.known.values()][-1].text:
            self.known[[*self.known][-1]] = Head(line, value)
        elif key in HEADS:
            self._say(line, key, value.strip("`* ") if key in _OTHER else value)
        elif key not in _PROVENANCE and (remark or value.startswith("{")):
            nearby = nearest(key.lower(), HEADS)
            self.mistakes.append((line, f"unknown line `{key}`; {nearby}"))

    def _say(self, line: int, key: str, value: str) -> None:
        other = _OTHER.get(key)
        if key in self.heads:
            self.mistakes.append((line, f"`{key}` is said twice"))
        elif other in self.heads:
            self.mistakes.append((line, f"`{key}` beside `{other}`: say one of them"))
        self.heads.setdefault(key, Head(line, value))


def of_csv(text: str) -> Sheet:
    """The table of a CSV text whose lines end in newlines."""
    sheet, lines, start = Sheet(), text.split("\n"), 0
    while start < len(lines) and _SAID.match(lines[start]):
        sheet.hear(start + 1, lines[start], remark=True)
        start += 1
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(StringIO("\n".join(lines[start:])), skipinitialspace=True)
    columns: list[str] = []
    line, after = start, start + 1
    try:
        for cells in reader:
            line, after = after, start + reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if cells[0].lstrip().startswith("#"):
                sheet.hear(line, lines[line - 1], remark=True)
            elif columns:
                sheet.take(line, columns, cells, "")
            else:
                columns = [_column(cell) for cell in cells]
                _separated(sheet, line, cells)
                sheet.head(line, columns)
    except csv.Error as error:
        sheet.mistakes.append((after, f"no CSV: {error}"))
    if after - line > 1 and text.count('"') % 2:
        sheet.mistakes.append((line, "a quote is left open here"))
    return sheet


def _separated(sheet: Sheet, line: int, cells: Sequence[str]) -> None:
    """Say so where the cells of a heading are kept apart by something else than commas."""
    signs = {";": "semicolons", "\t": "tabs", "|": "bars (Markdown? call it FILE.md)"}
    for sign, name in signs.items():
        if len(cells) == 1 and sign in cells[0]:
            what = f"the cells are kept apart by {name}: a CSV has commas"
            sheet.mistakes.append((line, what))


def of_markdown(text: str) -> Sheet:
    """Every table of the file; a heading such as `## rotating/mine` names their scenario."""
    sheet, columns, lines = Sheet(), list[str](), text.split("\n")
    seen: set[int] = set()
    heading, line, cells = "", 0, None
    before = ""
    for number, said in enumerate(lines, 1):
        sheet.hear(number, said, remark=False)
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type in {"table_open", "fence"}:
            seen |= {*range(*(token.map or ()))}
        if token.type == "tr_open":
            cells, line = list[str](), (token.map or [0])[0] + 1
        elif token.type == "inline" and cells is not None:
            cells.append(token.content if sheet.generated else _as_meant(token.content))
        elif token.type == "inline" and before == "heading_open":
            name = unmarked(token.content)
            heading = name if _ID.match(name) else heading
        elif token.type == "thead_close" and cells is not None:
            columns, cells = [_column(cell) for cell in cells], None
            sheet.head(line, columns)
        elif token.type == "tr_close" and cells is not None and line and before != "th_close":
            # The parser leaves cells out that stand under no column.
            cells += _cells_of(lines[line - 1])[len(cells) :]
            sheet.take(line, columns, cells, heading)
            cells = None
        before = token.type
    sheet.mistakes += [(number, _NO_ROW) for number in _stray(lines) if number - 1 not in seen]
    return sheet


def _stray(lines: Sequence[str]) -> Iterator[int]:
    """The lines that look like rows."""
    for number, line in enumerate(lines, 1):
        inner = line.strip().lstrip("> \t")
        if len(inner) > 1 and (inner.startswith("|") or inner.endswith("|")):
            yield number


def _as_meant(cell: str) -> str:
    """The cell without the backslashes that keep Markdown from reading its signs."""
    return cell if "`" in cell else _ESCAPED.sub(r"\1", cell)


def _cells_of(line: str) -> list[str]:
    """The cells of a line of Markdown, also of a quoted one, as many as are written."""
    inner = line.lstrip("> \t").rstrip().removeprefix("|")
    cells = re.split(r"(?<!\\)\|", inner)
    return cells[:-1] if len(cells) > 1 and not cells[-1].strip() else cells


def _column(cell: str) -> str:
    name = cell.strip().strip("`*").lower().replace(" ", "_")
    return _ALIASES.get(name, name)
