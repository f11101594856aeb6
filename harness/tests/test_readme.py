"""The README's commands are the ones that CI runs, and its examples hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from kvparity.cli import app
from kvscenarios import load_text

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_first_screen_has_the_two_commands() -> None:
    first_screen = "\n".join(README.splitlines()[:24])
    main, suite = blocks("sh")
    assert main in first_screen
    assert suite in first_screen
    assert main.strip().endswith(".venv/bin/kvparity run")


def test_ci_installs_and_tests_as_the_readme_says() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    suite = blocks("sh")[1].strip()
    _venv, install, test = suite.split(" && ")
    (*_, options) = install.partition("pip install -q ")
    assert f'pip" install -q {options}\n' in script
    assert f"\n{test.removeprefix('.venv/bin/')}\n" in script


def test_the_scenario_shown_is_one_that_loads() -> None:
    (example,) = blocks("yaml")
    assert [scenario.id for scenario in load_text(example)] == ["rotating/keeps-prefix-and-window"]


def test_every_file_that_is_linked_exists() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_json_is_on_all_commands_but_those_that_are_named() -> None:
    (said,) = re.findall(
        r"`--json` on any of them is for a script, but for (.*?)\. Exit", README, re.DOTALL
    )
    without = set(re.findall(r"`([a-z ]+)`", said))
    found = {
        " ".join(path)
        for path, options in commands(typer.main.get_command(app))
        if "--json" not in options
    }
    last = {name.rpartition(" ")[2]: name for name in found}
    assert {last.get(name, name) for name in without} == found


def commands(one: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    inside = getattr(one, "commands", {})
    for name, command in inside.items():
        yield from commands(command, (*path, name))
    if not inside:
        yield path, [option for parameter in one.params for option in parameter.opts]
