"""Which scenarios a command means: files, directories, and globs over the corpus's names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from kvscenarios.errors import Problem, ScenarioError, nearest
from kvscenarios.loader import load_corpus, load_files
from kvscenarios.model import Scenario


def select(selectors: Sequence[str], keyword: str | None = None) -> list[Scenario]:
    """The scenarios named, without repeats; the whole corpus where nothing is named.

    A selector is a file, a directory of `*.yaml` files, or a glob over ids such as `rotating/*`.
    `keyword` keeps those whose id contains it. Raises ScenarioError where one selects nothing.
    """
    if "" in selectors:
        raise ScenarioError([Problem("a name without a letter: what is to be played?", "''")])
    paths = [path for selector in selectors for path in _paths(selector)]
    globs = [selector for selector in selectors if not Path(selector).exists()]
    scenarios = load_files(dict.fromkeys(paths))
    if globs or not selectors:
        corpus = load_corpus()
        scenarios += _matching(corpus, globs) if globs else corpus
    unique = list({(scenario.file, scenario.id): scenario for scenario in scenarios}.values())
    if keyword is None:
        return unique
    kept = [scenario for scenario in unique if keyword in scenario.id]
    if not kept:
        raise _nothing(keyword, unique)
    return kept


def _paths(selector: str) -> list[Path]:
    path = Path(selector)
    if path.is_dir():
        files = sorted(path.rglob("*.yaml"))
        if not files:
            raise ScenarioError([Problem("the directory holds no *.yaml file", selector)])
        return files
    return [path] if path.exists() else []


def _matching(corpus: Iterable[Scenario], globs: Sequence[str]) -> list[Scenario]:
    corpus = list(corpus)
    kept = []
    for glob in globs:
        found = [s for s in corpus if fnmatchcase(s.id, glob) or fnmatchcase(s.id, f"{glob}@*")]
        if not found:
            raise _nothing(glob, corpus)
        kept += found
    return kept


def _nothing(word: str, scenarios: Sequence[Scenario]) -> ScenarioError:
    known = {scenario.id.partition("@")[0] for scenario in scenarios}
    if word.endswith((".yaml", ".yml")):
        return ScenarioError([Problem("no such file", word)])
    families = {scenario.family for scenario in scenarios}
    hint = nearest(word, known)
    if hint.startswith("valid"):
        hint = "families: " + ", ".join(sorted(families))
    return ScenarioError([Problem(f"no file and no scenario has this name; {hint}", word)])
