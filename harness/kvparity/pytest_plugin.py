"""The pytest plugin: scenario files as tests, and fixtures for tests of one's own.

`pytest --kvparity` collects scenario files. A session that does not ask for any of this imports no
more than this module.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kvparity.checking import Checking
    from kvparity.subjects import Implementation
    from kvscenarios import Scenario

_OPTIONS = {
    "subject": ("NAME", "What is under test: kvimpl, mlx-lm, python:PKG.MODULE."),
    "reference": ("NAME", "What it is held against: installed, or a release."),
    "ledger": ("FILE", "What is known to differ."),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; what is not given is as kvparity's configuration says."""
    group = parser.getgroup("kvparity", "conformance of KV caches with mlx-lm's")
    group.addoption("--kvparity", action="store_true", help="Collect scenario files as tests.")
    for name, (metavar, text) in _OPTIONS.items():
        group.addoption(f"--kvparity-{name}", metavar=metavar, help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Find both sides before anything is collected. Raises UsageError."""
    if config.getoption("kvparity"):
        _checking(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a YAML file that looks like one of scenarios, where that was asked for."""
    if not parent.config.getoption("kvparity") or file_path.suffix not in {".yaml", ".yml"}:
        return None
    if not any(line.startswith(b"scenarios:") for line in file_path.read_bytes().splitlines()):
        return None
    return ScenarioFile.from_parent(parent, path=file_path)


class ScenarioFile(pytest.File):
    """A file of scenarios."""

    def collect(self) -> Iterator[ScenarioItem]:
        """An item a scenario. Raises CollectError where the file cannot be read."""
        from kvscenarios import ScenarioError  # noqa: PLC0415 - nothing is imported before its time
        from kvscenarios.loader import load_files  # noqa: PLC0415 - the same

        try:
            found = load_files([Path(os.path.relpath(self.path))])
        except ScenarioError as error:
            raise self.CollectError(str(error)) from None
        for scenario in found:
            yield ScenarioItem.from_parent(self, name=scenario.name, scenario=scenario)


class ScenarioItem(pytest.Item):
    """One scenario: passes where subject and reference agree, or differ as declared."""

    def __init__(self, *, scenario: Scenario, **rest: Any) -> None:
        super().__init__(**rest)
        self.scenario = scenario

    def runtest(self) -> None:
        """Play the scenario on both sides. Raises DivergenceError; skips what is unsupported."""
        _checking(self.config).check(self.scenario)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The table of the first divergence; for anything else, what pytest shows."""
        from kvparity.checking import DivergenceError  # noqa: PLC0415 - it has been imported by now

        if isinstance(excinfo.value, DivergenceError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """File, line (from 0) and name of the scenario."""
        line = self.scenario.line
        return self.path, line - 1 if line else None, self.scenario.id


_CHECKING = pytest.StashKey["Checking"]()


def _checking(config: pytest.Config) -> Checking:
    """The two sides and the ledger between them, made once in a process."""
    from kvparity.checking import Checking  # noqa: PLC0415 - mlx, for those who play

    if _CHECKING not in config.stash:
        given = {name: config.getoption(f"kvparity_{name}") for name in _OPTIONS}
        config.stash[_CHECKING] = Checking.configured(**given)
    return config.stash[_CHECKING]


@pytest.fixture(scope="session")
def kvparity_check(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """Plays a scenario on both sides; raises with the table of the first divergence."""
    return _checking(request.config).check


@pytest.fixture(scope="session")
def kvparity_subject(request: pytest.FixtureRequest) -> Implementation:
    """What is under test."""
    return _checking(request.config).subject


@pytest.fixture(scope="session")
def kvparity_reference(request: pytest.FixtureRequest) -> Implementation:
    """What it is held against."""
    return _checking(request.config).reference
