"""A table traced by hand, as a scenario: what each row says becomes a pinned fact.

A table is CSV or Markdown with the columns of a generated one, as many as its author cares for.
Lines `key: value` outside the table (comment lines, in CSV) say the rest: `cache` or `caches` as in
a scenario file, `name`, `family`, `about` and `source`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kvparity.tables import sheet as sheets
from kvparity.tables.columns import COLUMNS
from kvparity.tables.files import content, without_bom
from kvparity.tables.handsteps import Steps, steps_of
from kvparity.tables.pins import FACTS, Origin
from kvparity.tables.provenance import NotATable, find, is_whole
from kvparity.tables.sheet import Head, Row, Sheet
from kvscenarios import Scenario, ScenarioError, yamltree
from kvscenarios.errors import Problem, nearest, shown
from kvscenarios.loader import load_text
from kvscenarios.steps.base import DEFAULT_CACHE

MAX_TABLE_BYTES = 1 << 26
_KINDS: dict[str, Callable[[str], Sheet]] = {
    ".csv": sheets.of_csv,
    ".md": sheets.of_markdown,
    ".markdown": sheets.of_markdown,
}
_EXAMPLE = "cache: {kind: rotating, max_size: 8}"


@dataclass(frozen=True)
class NotPinned:
    """A column with cells that no scenario can pin, and the lines that those stand on."""

    column: str
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Imported:
    """The scenarios, and what a generated table shows that they cannot pin, or cannot say."""

    scenarios: tuple[Scenario, ...]
    not_pinned: tuple[NotPinned, ...]
    left_out: tuple[Problem, ...]
    """Of each scenario that needs more than a table has, the first row that does."""


def imported(path: Path) -> Imported:
    """The scenarios of a file of either kind. Raises ScenarioError with every mistake's line."""
    reader = _KINDS.get(path.suffix.lower())
    if reader is None:
        what = "only CSV and Markdown are read: call it FILE.csv or FILE.md if it is one of them"
        raise ScenarioError([Problem(what, str(path))])
    data = without_bom(content(path, MAX_TABLE_BYTES))
    sheet = reader(_text(data, path))
    problems = [Problem(said, str(path), line) for line, said in sorted(sheet.mistakes)]
    problems += [] if problems else _wrong_columns(sheet, path)
    if problems:
        raise ScenarioError(problems)
    if not sheet.rows:
        raise ScenarioError([Problem("holds no table with rows", str(path))])
    return _Taken(sheet, path, Origin(sheet.generated, _is_as_written(data))).all()


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise ScenarioError([Problem("cannot be read: not UTF-8 text", str(path))]) from None


def _is_as_written(data: bytes) -> bool:
    try:
        return is_whole(data, find(data))
    except NotATable:
        return False


def _wrong_columns(sheet: Sheet, path: Path) -> Iterator[Problem]:
    known = {*COLUMNS, *FACTS}
    for name, line in sheet.columns.items():
        if name not in known:
            yield Problem(f"unknown column {name!r}; {nearest(name, known)}", str(path), line)
    if sheet.columns and "operation" not in sheet.columns:
        line = min(sheet.columns.values())
        yield Problem("a table needs a column `operation`", str(path), line)


@dataclass
class _Taken:
    """A sheet on its way to scenarios."""

    sheet: Sheet
    path: Path
    origin: Origin
    problems: list[Problem] = field(default_factory=list)
    left_out: list[Problem] = field(default_factory=list)
    not_pinned: dict[str, list[int]] = field(default_factory=dict)

    def all(self) -> Imported:
        """Everything that the sheet says. Raises ScenarioError."""
        groups: dict[str, list[Row]] = {}
        only = next(iter(self.sheet.known)) if len(self.sheet.known) == 1 else ""
        for row in self.sheet.rows:
            groups.setdefault(row.scenario or only, []).append(row)
        self._check_names(groups)
        scenarios = [one for id_, rows in groups.items() for one in self._scenario(id_, rows)]
        if not scenarios and not self.problems:
            self.problems += self.left_out
        if self.problems:
            # What is wrong with a cache is wrong in every scenario that starts with it.
            found = dict.fromkeys(self.problems)
            raise ScenarioError(sorted(found, key=lambda one: one.line or 0))
        columns = [NotPinned(name, tuple(lines)) for name, lines in self.not_pinned.items()]
        return Imported(tuple(scenarios), tuple(columns), tuple(self.left_out))

    def report(self, message: str, line: int | None) -> None:
        """Note a mistake."""
        self.problems.append(Problem(message, str(self.path), line))

    def _check_names(self, groups: dict[str, list[Row]]) -> None:
        """Several scenarios have a name each, and one family."""
        head = self.sheet.heads.get("name")
        if head and len(groups) > 1:
            self.report(
                f"`name` is one, and the scenarios are {len(groups)}: {', '.join(groups)}",
                head.line,
            )
        taken: dict[str, int] = {}
        for id_, rows in groups.items():
            family, name = self._names(id_)
            first = taken.setdefault(f"{family}/{name}", rows[0].line)
            if first != rows[0].line and not head:
                self.report(f"{family}/{name} is the scenario of line {first} too", rows[0].line)
            mine = self._names(next(iter(groups)))[0]
            if family != mine:
                what = f"scenarios of several families, {mine} and {family}: a file has one"
                self.report(what, rows[0].line)

    def _names(self, id_: str) -> tuple[str, str]:
        """The family and the name of a scenario."""
        family, _, name = id_.rpartition("/")
        plainly = re.sub(r"[^a-z0-9_.=,-]+", "-", self.path.stem.lower()).strip("-._=,") or "table"
        return (
            self._head("family") or family or "hand",
            self._head("name") or name or plainly,
        )

    def _head(self, key: str) -> str:
        return self.sheet.heads[key].text if key in self.sheet.heads else ""

    def _scenario(self, id_: str, rows: Sequence[Row]) -> Iterator[Scenario]:
        """The scenario, if there is nothing wrong with it."""
        caches = self._caches(id_)
        named = bool(set(caches.get("caches") or {}) - {DEFAULT_CACHE})
        found = steps_of(rows, self.origin, named=named)
        if found.unsayable and self.origin.generated:
            line, said = found.unsayable[0]
            self.left_out.append(Problem(said, str(self.path), line, id_))
            return
        wrong = [*found.mistakes, *found.unsayable]
        for line, said in wrong:
            self.report(said, line)
        if not wrong:
            yield from self._loaded(id_, rows, caches, found)

    def _loaded(
        self, id_: str, rows: Sequence[Row], caches: dict[str, Any], found: Steps
    ) -> Iterator[Scenario]:
        family, name = self._names(id_)
        body = {
            "name": name,
            "about": self._head("about") or f"As traced by hand in {self.path.name}.",
            "source": self._head("source") or self.path.name,
            "traced": "hand",
            **caches,
            "steps": found.steps,
        }
        text = yaml.safe_dump({"family": family, "scenarios": [body]}, sort_keys=False)
        try:
            yield load_text(text, self.path.name)[0]
        except ScenarioError as error:
            for one in error.problems:
                line = rows[one.step - 1].line if one.step else self._line_of(one, id_, rows)
                if not caches and "no cache is called" in one.message:
                    sign = "# " if self.path.suffix.lower() == ".csv" else ""
                    hint = f"no line says what it starts with: write `{sign}{_EXAMPLE}`"
                    self.report(f"{one.message}; {hint} above the table", line)
                    return
                self.report(one.message, line)
            return
        for column, line in found.left_out:
            self.not_pinned.setdefault(column, []).append(line)

    def _line_of(self, problem: Problem, id_: str, rows: Sequence[Row]) -> int:
        """The line of a mistake that is in no step: of what is said, or where the rows begin."""
        word = problem.message.partition(":")[0]
        head = self.sheet.heads.get(word)
        if head is None and word not in sheets.HEADS:
            head = self._caches_head(id_)[1]
        return head.line if head else rows[0].line

    def _caches_head(self, id_: str) -> tuple[str, Head | None]:
        known = self.sheet.known.get(id_)
        if known is not None and known.text:
            return "caches", known
        key = "cache" if "cache" in self.sheet.heads else "caches"
        return key, self.sheet.heads.get(key)

    def _caches(self, id_: str) -> dict[str, Any]:
        """What the scenario starts with."""
        key, head = self._caches_head(id_)
        if head is None:
            return {}
        try:
            value = yamltree.read(head.text).data
        except yamltree.YamlError as error:
            what = f"{shown(head.text)} ({error})"
            self.report(
                f"`{key}` is no YAML, such as {{kind: rotating, max_size: 8}}: {what}", head.line
            )
            return {}
        if key == "caches" and isinstance(value, dict) and set(value) == {DEFAULT_CACHE}:
            return {"cache": value[DEFAULT_CACHE]}
        return {key: value} if value else {}
