"""Scenario files: found, read, expanded and checked, every mistake with its place."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kvscenarios import matrix, yamltree
from kvscenarios.errors import Problem, ScenarioError, encodable, nearest, shown
from kvscenarios.model import Scenario, problems_across
from kvscenarios.sentences import sentence

CORPUS = Path(__file__).parent / "corpus"
MAX_FILE_BYTES = 1 << 20
MAX_SCENARIOS = 4096

_FILE_KEYS = ("family", "scenarios", "about")
_AUTHORED = ("name", "about", "source", "traced", "cache", "caches", "look", "steps", "matrix")


def load_corpus() -> list[Scenario]:
    """Every scenario that comes with kvparity, in the order of the files' names."""
    return list(read_corpus())


def read_corpus() -> Iterator[Scenario]:
    """The same, file by file: those of the first are there before the last is read."""
    return read_files(sorted(CORPUS.glob("*/*.yaml")))


def load_files(paths: Iterable[Path]) -> list[Scenario]:
    """The scenarios of several files. Raises ScenarioError with the mistakes of all of them."""
    return list(read_files(paths))


def read_files(paths: Iterable[Path]) -> Iterator[Scenario]:
    """The scenarios of several files, file by file; at the end, ScenarioError with all mistakes."""
    scenarios: list[Scenario] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            found = load_file(path)
        except ScenarioError as error:
            problems += error.problems
        else:
            scenarios += found
            yield from found
    problems += _repeated(scenarios)
    if problems:
        raise ScenarioError(problems)


def load_file(path: Path) -> list[Scenario]:
    """The scenarios of one file. Raises ScenarioError."""
    name = _shown(path)
    try:
        check_regular(path, name, MAX_FILE_BYTES)
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ScenarioError([Problem(f"cannot be read: {reason}", name)]) from None
    except UnicodeDecodeError:
        raise ScenarioError([Problem("cannot be read: not UTF-8 text", name)]) from None
    return load_text(text, name)


def check_regular(path: Path, name: str, most: int | None = None) -> None:
    """Raises OSError, and ScenarioError for a device, a pipe, or more than so many bytes."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise ScenarioError([Problem("no regular file", name)])
    if most is not None and about.st_size > most:
        raise ScenarioError([Problem(f"larger than {most} bytes", name)])


def load_text(text: str, file: str = "<memory>") -> list[Scenario]:
    """The scenarios of a YAML text. Raises ScenarioError."""
    try:
        tree = yamltree.read(text)
    except yamltree.YamlError as error:
        raise ScenarioError([Problem(str(error), file, error.line)]) from None
    reader = _Reader(tree, file)
    scenarios = reader.read()
    reader.problems += _repeated(scenarios)
    if reader.problems:
        raise ScenarioError(reader.problems)
    return scenarios


def _shown(path: Path) -> str:
    """The path as a person would type it: relative where it lies below this directory."""
    with suppress(ValueError):
        path = path.resolve().relative_to(Path.cwd())
    return encodable(path.as_posix())


def _repeated(scenarios: list[Scenario]) -> list[Problem]:
    first: dict[str, Scenario] = {}
    problems = []
    for scenario in scenarios:
        other = first.setdefault(scenario.id, scenario)
        if other is not scenario:
            where = other.file if other.line is None else f"{other.file}:{other.line}"
            problems.append(
                Problem(
                    f"the name {scenario.id!r} is taken by {where}",
                    scenario.file,
                    scenario.line,
                    scenario.name,
                )
            )
    return problems


class _Reader:
    """One file on its way from a YAML tree to scenarios."""

    def __init__(self, tree: yamltree.Tree, file: str) -> None:
        self.tree = tree
        self.file = file
        self.problems: list[Problem] = []

    def report(
        self,
        message: str,
        path: tuple[Any, ...],
        scenario: object = None,
        step: int | None = None,
    ) -> None:
        name = scenario if isinstance(scenario, str) else None
        self.problems.append(Problem(message, self.file, self.tree.line(path), name, step))

    def read(self) -> list[Scenario]:
        data = self.tree.data
        if not isinstance(data, dict) or not isinstance(data.get("scenarios"), list):
            self.report("a scenario file has `family` and a list of `scenarios`", ())
            return []
        for key in data:
            if key not in _FILE_KEYS:
                self.report(f"unknown key {shown(key)}; {nearest(str(key), _FILE_KEYS)}", (key,))
        family = data.get("family")
        if not isinstance(family, str):
            self.report("a scenario file names its `family`", ("family",))
            return []
        if not data["scenarios"]:
            self.report("`scenarios` is empty: there is to be one at least", ("scenarios",))
        found: list[Scenario] = []
        for index, entry in enumerate(data["scenarios"]):
            found += self.expand(family, index, entry)
            if len(found) > MAX_SCENARIOS:
                self.report(f"more than {MAX_SCENARIOS} scenarios", ("scenarios", index))
                break
        return found

    def expand(self, family: str, index: int, entry: Any) -> list[Scenario]:
        path = ("scenarios", index)
        if not isinstance(entry, dict):
            self.report("a scenario is a mapping with `name` and `steps`", path)
            return []
        name = entry.get("name")
        for key in entry:
            if key not in _AUTHORED:
                hint = nearest(str(key), _AUTHORED)
                self.report(f"unknown key {shown(key)}; {hint}", (*path, key), name)
        body = {key: value for key, value in entry.items() if key in _AUTHORED and key != "matrix"}
        found: list[Scenario] = []
        if "matrix" not in entry:
            found = self.check(family, path, body)
            wanted = next(matrix.references(body), None)
            if wanted and not found:
                self.report(f"{wanted} stands for nothing: there is no `matrix`", path, name)
            return found
        try:
            for row in matrix.rows(entry["matrix"]):
                expansion = matrix.substitute(body, row)
                expansion["name"] = f"{name}{matrix.suffix(row)}"
                found += self.check(family, path, expansion)
        except ValueError as error:
            self.report(str(error), (*path, "matrix"), name)
        return found

    def check(self, family: str, path: tuple[Any, ...], body: dict[str, Any]) -> list[Scenario]:
        name = body.get("name")
        steps = body.get("steps")
        count = len(steps) if isinstance(steps, list) else 0
        try:
            scenario = Scenario.model_validate(
                {
                    **body,
                    "family": family,
                    "file": self.file,
                    "line": self.tree.line(path),
                    "step_lines": [self.tree.line((*path, "steps", i)) for i in range(count)],
                }
            )
        except ValidationError as error:
            items = error.errors(include_url=False)
            # A list all of whose items are wrong is called too short as well: that says nothing.
            wrong_inside = {
                item["loc"][:depth] for item in items for depth in range(len(item["loc"]))
            }
            for item in items:
                loc = item["loc"]
                if item["type"] == "too_short" and loc in wrong_inside:
                    continue
                self.report(sentence(item), (*path, *loc), name, _step(loc))
            return []
        broken = list(problems_across(scenario))
        for index, message in broken:
            at = path if index is None else (*path, "steps", index)
            self.report(message, at, name, None if index is None else index + 1)
        return [] if broken else [scenario]


def _step(loc: tuple[Any, ...]) -> int | None:
    """The step (from 1) that an error is in."""
    return loc[1] + 1 if loc[:1] == ("steps",) and len(loc) > 1 else None
