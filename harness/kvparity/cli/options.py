"""The options that several commands share. Nothing heavy is imported here."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

REPORT = Path("kvparity-report")
"""Where output goes where nothing else is said; safe to delete."""


class LevelName(str, Enum):
    """The levels at which fields are compared."""

    RETURNED = "returned"
    STATE = "state"
    INTERNALS = "internals"


Selectors = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PATHS or GLOBS]",
        help="Scenario files, directories, or globs over the corpus such as 'rotating/*'. "
        "The whole corpus where none is given.",
    ),
]
Keyword = Annotated[
    str | None, typer.Option("-k", metavar="NAME", help="Only scenarios whose name contains this.")
]
Subject = Annotated[
    str, typer.Option(metavar="NAME", help="What is under test: kvimpl, mlx-lm, python:PKG.MODULE.")
]
Reference = Annotated[str, typer.Option(metavar="NAME", help="What it is held against.")]


def _stay_offline(wanted: bool) -> None:
    if wanted:
        os.environ["KVPARITY_OFFLINE"] = "1"


def _use_clone(repo: Path | None) -> None:
    if repo is not None:
        os.environ["KVPARITY_REPO"] = str(repo)


Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        callback=_stay_offline,
        expose_value=False,
        help="Never ask the network (also: KVPARITY_OFFLINE=1).",
    ),
]
Repo = Annotated[
    Path | None,
    typer.Option(
        "--repo",
        metavar="CLONE",
        callback=_use_clone,
        expose_value=False,
        help="A clone of mlx-lm, for mlx-lm@COMMIT (also: KVPARITY_REPO).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a script to read.")]
MOST_JOBS = 64
Jobs = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, max=MOST_JOBS, help="Worker processes; by default as many as pay."
    ),
]
LedgerFile = Annotated[
    Path | None,
    typer.Option(
        "--ledger", metavar="FILE", help="What is known to differ; kvimpl has one of its own."
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="kvparity.toml, or a pyproject.toml, by default here."
    ),
]
GateLevels = Annotated[
    list[LevelName] | None, typer.Option("--level", help="Compare this level only; repeatable.")
]
GateKinds = Annotated[
    list[str] | None,
    typer.Option("--kind", metavar="KIND", help="Only such caches; repeatable."),
]
GateExamples = Annotated[
    int | None,
    typer.Option("--examples", metavar="N", min=0, help="Generated scenarios of each kind."),
]


def given(**options: Any) -> dict[str, Any]:
    """The options that were given, as the configuration calls them."""
    return {name: value for name, value in options.items() if value not in (None, [])}
