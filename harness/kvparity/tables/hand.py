"""A table traced by hand, as a scenario: what each row says becomes a pinned fact.

A table is CSV or Markdown with the columns of a generated one, as many as its author cares for.
Lines `key: value` outside the table (comment lines, in CSV) say the rest: `cache` or `caches` as in
a scenario file, `name`, `family`, `about` and `source`.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt

from kvparity.tables.columns import COLUMNS, OF_FIELD, PLACE
from kvscenarios import Scenario, ScenarioError
from kvscenarios.errors import Problem, nearest
from kvscenarios.expect import Expect
from kvscenarios.loader import MAX_FILE_BYTES, load_text
from kvscenarios.steps import DEFAULT_CACHE, OPERATIONS, FreeStep, MakingStep
from kvscenarios.tokens import UNWRITTEN

_HEADS = ("name", "family", "about", "source", "cache", "caches")
_LINE = re.compile(r"^[#>%\s]*([A-Za-z_-]+): +(\S.*?)\s*$")
_PROVENANCE = frozenset({"command", "reference", "mlx", "kvparity", "format", "content"})
"""What else a generated table says of itself in such lines."""
_OPERATION = re.compile(r"^([a-z_]+)\s*:?\s*(.*)$", re.DOTALL)
_PAIR = re.compile(r"(\w+)=(\[(?:[^\[\]]|\[[^\]]*\])*\]|\S+)\s*")
_NAMED = re.compile(r"^(.*?)\s*\b(on|as)\s+([\w.-]+)$")
_FACTS = {name: name for name in Expect.model_fields if name != "tokens"}
_FACTS |= {"refused": "error", **{column: fact for fact, column in OF_FIELD.items()}}
"""Facts by the columns that pin them."""
_TOKENS = re.compile(r"[\[\]\d\s,._]*")
_UNPINNED = re.compile(r"\w+\[[\d, ]*\] [0-9a-f]{8}\b|^raises \w+$")
"""How a table shows an array that holds no tokens and is too long to write out, and an attribute
that cannot be read: no scenario can pin them."""
_NO_TOKEN = re.compile(r"[?*]")
"""How a table marks what no token was painted as, or another way round than it was."""
_MASK_ROW = re.compile(r"[x.]+")
_SAID = re.compile(r"^\s*(#|$)")
_ID = re.compile(r"^[a-z0-9_-]+/\S+$")
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
_RETURNED = frozenset({"fetched", "fetched_shape", "returned", "mask", "mask_shape", "error"})
_CELLS = frozenset({"keys", "values", "fetched"})
_ALIASES = {"_idx": "idx", "cursor": "idx"}
_ABOUT_THE_ROW = frozenset({*PLACE, "cache", "operation", "tokens", "working"})


@dataclass(frozen=True)
class _Row:
    """A row: the line that it stands on, the scenario that it is of, if that is said, its cells."""

    line: int
    scenario: str
    cells: Mapping[str, str]


@dataclass
class _Sheet:
    """What a file says: rows, and beside them what its scenarios are called and start with."""

    columns: list[str] = field(default_factory=list)
    rows: list[_Row] = field(default_factory=list)
    heads: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    """What the provenance of a generated table says of each scenario's caches."""
    mistakes: list[tuple[int, str]] = field(default_factory=list)

    def head(self, line: int, columns: Sequence[str]) -> None:
        """Look at the heading of a table."""
        for name in dict.fromkeys(filter(None, columns)):
            if columns.count(name) > 1:
                self.mistakes.append((line, f"the column {name!r} stands twice"))

    def take(self, line: int, columns: Sequence[str], cells: Sequence[str], heading: str) -> None:
        """Take in a row under its columns."""
        if any(cell.strip() for cell in cells[len(columns) :]):
            self.mistakes.append((line, f"{len(cells)} cells under {len(columns)} columns"))
        row = {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}
        self.columns += [name for name in columns if name not in self.columns]
        self.rows.append(_Row(line, row.get("scenario") or heading, row))

    def hear(self, line: int, text: str, *, remark: bool) -> None:
        """Take in a line outside the table, if it says something; `remark`, if it is for us."""
        said = _LINE.match(text)
        if said is None:
            return
        key, value = said.groups()
        if key == "scenario":
            self.known[value.split()[0]] = ""
        elif key == "caches" and self.known and not [*self.known.values()][-1]:
            self.known[[*self.known][-1]] = value
        elif key in _HEADS:
            self._say(line, key, value)
        elif key not in _PROVENANCE and (remark or value.startswith("{")):
            nearby = nearest(key.lower(), _HEADS)
            self.mistakes.append((line, f"unknown line `{key}`; {nearby}"))

    def _say(self, line: int, key: str, value: str) -> None:
        other = {"cache": "caches", "caches": "cache"}.get(key)
        if key in self.heads:
            self.mistakes.append((line, f"`{key}` is said twice"))
        elif other in self.heads:
            self.mistakes.append((line, f"`{key}` beside `{other}`: say one of them"))
        self.heads.setdefault(key, value)


@dataclass(frozen=True)
class Imported:
    """The scenarios, and the columns that hold something that no scenario can pin."""

    scenarios: tuple[Scenario, ...]
    not_pinned: tuple[str, ...]


def imported(path: Path) -> Imported:
    """The scenarios of a file of either kind. Raises ScenarioError with every mistake's line."""
    text = _text(path)
    sheet = _markdown(text) if path.suffix.lower() in {".md", ".markdown"} else _csv(text)
    if sheet.mistakes:
        raise ScenarioError(Problem(said, str(path), line) for line, said in sheet.mistakes)
    if not sheet.rows:
        raise ScenarioError([Problem("holds no table with rows", str(path))])
    problems = list(_wrong_columns(sheet, path))
    if problems:
        raise ScenarioError(problems)
    groups: dict[str, list[_Row]] = {}
    only = next(iter(sheet.known)) if len(sheet.known) == 1 else ""
    for row in sheet.rows:
        groups.setdefault(row.scenario or only, []).append(row)
    scenarios = tuple(_scenario(name, rows, sheet, path) for name, rows in groups.items())
    if len({scenario.family for scenario in scenarios}) > 1:
        raise ScenarioError([Problem("scenarios of several families: a file has one", str(path))])
    return Imported(scenarios, tuple(_not_pinned(sheet)))


def _text(path: Path) -> str:
    data = path.read_bytes()
    if len(data) > MAX_FILE_BYTES:
        raise ScenarioError([Problem(f"larger than {MAX_FILE_BYTES} bytes", str(path))])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ScenarioError([Problem("cannot be read: not UTF-8 text", str(path))]) from None


def _csv(text: str) -> _Sheet:
    sheet, lines, start = _Sheet(), text.splitlines(keepends=True), 0
    while start < len(lines) and _SAID.match(lines[start]):
        sheet.hear(start + 1, lines[start], remark=True)
        start += 1
    reader = csv.reader(StringIO("".join(lines[start:])), skipinitialspace=True)
    columns: list[str] = []
    last = 0
    for cells in reader:
        line, last = start + last + 1, reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if cells[0].lstrip().startswith("#"):
            sheet.hear(line, lines[line - 1], remark=True)
        elif columns:
            sheet.take(line, columns, cells, "")
        else:
            columns = [_column(cell) for cell in cells]
            sheet.head(line, columns)
    return sheet


def _markdown(text: str) -> _Sheet:
    """Every table of the file; a heading such as `## rotating/mine` names their scenario."""
    sheet, columns, lines = _Sheet(), list[str](), text.split("\n")
    heading, line, cells = "", 0, None
    before = ""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "tr_open":
            cells, line = list[str](), (token.map or [0])[0] + 1
        elif token.type == "inline" and cells is not None:
            cells.append(token.content.strip("`"))
        elif token.type == "inline" and before == "heading_open":
            heading = token.content if _ID.match(token.content) else heading
        elif token.type == "thead_close" and cells is not None:
            columns, cells = [_column(cell) for cell in cells], None
            sheet.head(line, columns)
        elif token.type == "tr_close" and cells is not None and line and before != "th_close":
            # The parser leaves cells out that stand under no column.
            cells += _cells_of(lines[line - 1])[len(cells) :]
            sheet.take(line, columns, cells, heading)
            cells = None
        before = token.type
    for number, said in enumerate(lines, 1):
        sheet.hear(number, said, remark=False)
    return sheet


def _cells_of(line: str) -> list[str]:
    """The cells of a line of Markdown, as many as are written."""
    inner = line.strip().removeprefix("|")
    cells = re.split(r"(?<!\\)\|", inner)
    return cells[:-1] if len(cells) > 1 and not cells[-1].strip() else cells


def _column(cell: str) -> str:
    name = cell.strip().strip("`*").lower().replace(" ", "_")
    return _ALIASES.get(name, name)


def _wrong_columns(sheet: _Sheet, path: Path) -> Iterator[Problem]:
    known = {*COLUMNS, *_FACTS}
    for name in sheet.columns:
        if name and name not in known:
            yield Problem(f"unknown column {name!r}; {nearest(name, known)}", str(path))
    if "operation" not in sheet.columns:
        yield Problem("a table needs a column `operation`", str(path))


def _not_pinned(sheet: _Sheet) -> Iterator[str]:
    for name in sheet.columns:
        held = [row.cells for row in sheet.rows if row.cells.get(name)]
        if name not in _ABOUT_THE_ROW and not all(_is_pinned(name, cells) for cells in held):
            yield name


def _is_pinned(name: str, row: Mapping[str, str]) -> bool:
    """Whether a scenario can say what stands in this column of the row."""
    fact, cell = _FACTS.get(name), row[name]
    if fact is None or _UNPINNED.search(cell) or (fact in _CELLS and _NO_TOKEN.search(cell)):
        return False
    # `fetched` says that keys and values hold the same tokens.
    return fact != "fetched" or row.get("fetched_values", cell) in ("", cell)


def _scenario(id_: str, rows: Sequence[_Row], sheet: _Sheet, path: Path) -> Scenario:
    """One scenario of the file. Raises ScenarioError, with the lines of the table."""
    family, _, name = id_.rpartition("/")
    plainly = re.sub(r"[^a-z0-9_.=,-]+", "-", path.stem.lower()).strip("-._=,") or "table"
    caches = _caches(sheet.known.get(id_), sheet, path)
    body: dict[str, Any] = {
        "name": sheet.heads.get("name") or name or plainly,
        "about": sheet.heads.get("about") or f"As traced by hand in {path.name}.",
        "source": sheet.heads.get("source") or path.name,
        "traced": "hand",
        **caches,
    }
    named = bool(set(caches.get("caches", {})) - {DEFAULT_CACHE})
    steps: list[dict[str, Any]] = []
    op = ""
    for index, row in enumerate(rows):
        again, op = bool(op) and row.cells.get("op") == op, row.cells.get("op", "")
        try:
            steps.append(_step(row.cells, _layers(rows[index:]), named=named, again=again))
        except ValueError as error:
            raise ScenarioError([Problem(str(error), str(path), row.line)]) from None
    document = {"family": sheet.heads.get("family") or family or "hand"}
    text = yaml.safe_dump({**document, "scenarios": [{**body, "steps": steps}]}, sort_keys=False)
    return _loaded(text, path, [row.line for row in rows])


def _loaded(text: str, path: Path, lines: Sequence[int]) -> Scenario:
    try:
        return load_text(text, path.name)[0]
    except ScenarioError as error:
        raise ScenarioError(
            Problem(one.message, str(path), lines[one.step - 1] if one.step else None, one.scenario)
            for one in error.problems
        ) from None


def _caches(said: str | None, sheet: _Sheet, path: Path) -> dict[str, Any]:
    """What the scenario starts with."""
    heads = {key: sheet.heads[key] for key in ("cache", "caches") if key in sheet.heads}
    given = {"caches": said} if said else heads
    read = {key: _yaml(text, f"`{key}`", path) for key, text in given.items()}
    caches = read.get("caches")
    if isinstance(caches, dict) and set(caches) == {DEFAULT_CACHE}:
        return {"cache": caches[DEFAULT_CACHE]}
    return {key: value for key, value in read.items() if value}


def _yaml(text: str, what: str, path: Path) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        message = f"{what} is no YAML, such as {{kind: rotating, max_size: 8}}: {text!r}"
        raise ScenarioError([Problem(message, str(path))]) from None


def _layers(rows: Sequence[_Row]) -> list[str]:
    """The caches, lists of them whole, in the rows of the operation that the first is of."""
    op = rows[0].cells.get("op")
    own = itertools.takewhile(lambda row: op and row.cells.get("op") == op, rows[1:])
    names = (row.cells.get("cache", "").partition(".")[0] for row in (rows[0], *own))
    return list(dict.fromkeys(names))


def _step(
    row: Mapping[str, str], layers: Sequence[str], *, named: bool, again: bool
) -> dict[str, Any]:
    """A row as a step. A further row of an operation looks at another of its caches."""
    expect = {
        fact: _fact(fact, row[name])
        for name, fact in _FACTS.items()
        if row.get(name) and _is_pinned(name, row)
    }
    cache = row.get("cache", "")
    if again:
        seen = {fact: value for fact, value in expect.items() if fact not in _RETURNED}
        return {"on": cache, "observe": None, "expect": seen}
    word, args, names = _said(row)
    if word == "append":
        # What comes back is the buffer's array, which `tokens` pins.
        expect.pop("returned", None)
    step: dict[str, Any] = {word: args, **names}
    kind = OPERATIONS[word]
    if issubclass(kind, MakingStep) and (cache or "error" in expect):
        # What is refused makes nothing, and so takes nobody's place.
        step.setdefault("as", cache.partition(".")[0] or "refused")
    elif cache and not issubclass(kind, FreeStep) and (named or cache != DEFAULT_CACHE):
        on: Any = cache
        if word in _OF_ALL_LAYERS:
            on = layers if len(layers) > 1 else layers[0]
        step.setdefault("on", on)
    return {**step, "expect": expect} if expect else step


def _said(row: Mapping[str, str]) -> tuple[str, Any, dict[str, str]]:
    """The operation, its arguments, and the caches named behind them."""
    match = _OPERATION.match(row.get("operation", ""))
    if match is None:
        raise ValueError("the row names no operation")
    word, rest = match.groups()
    if word not in OPERATIONS:
        raise ValueError(f"unknown operation {word!r}; {nearest(word, OPERATIONS)}")
    if word in _IN_A_FILE:
        raise ValueError(f"a table cannot say {word}: write a scenario file")
    names: dict[str, str] = {}
    while named := _NAMED.match(rest):
        rest, key, name = named.groups()
        names[key] = name
    tokens = row.get("tokens", "")
    if word in {"update", "decode", "append"}:
        if not _TOKENS.fullmatch(tokens) or not _TOKENS.fullmatch(rest):
            said = rest or tokens
            raise ValueError(f"a table takes tokens alone, not {said!r}: write a scenario file")
        return word, _tokens(tokens or rest), names
    if word == "set_meta_state":
        return word, [part for part in re.split(r"[\s,\[\]'\"]+", rest) if part], names
    pairs = _PAIR.findall(rest)
    if pairs and not _PAIR.sub("", rest).strip():
        return word, {key: _value(value) for key, value in pairs}, names
    return word, _value(rest) if rest else None, names


def _fact(fact: str, cell: str) -> Any:
    if fact in _CELLS or fact == "tokens":
        return _tokens(cell)
    if fact == "mask":
        return cell if cell in {"none", "causal"} else _MASK_ROW.findall(cell)
    return _value(cell)


def _tokens(cell: str) -> Any:
    """Tokens as a person writes them: `[0, 1]`, `0 1`, `0, 1`, `0..5`, `[[0], [1]]`."""
    cell = cell.replace("·", UNWRITTEN)
    if "[" in cell:
        return _value(cell)
    return [_value(part) for part in re.split(r"[\s,]+", cell.strip()) if part]


def _value(cell: str) -> Any:
    try:
        return None if cell == "None" else yaml.safe_load(cell)
    except yaml.YAMLError:
        raise ValueError(f"cannot be read: {cell!r}") from None
