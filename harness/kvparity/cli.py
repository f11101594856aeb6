"""The command line. It parses and hands over; what a command does is in `kvparity.commands`.

Nothing heavy is imported before a command runs: `--help` imports no mlx.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="kvparity",
    help="Tell whether a KV cache behaves like mlx-lm's, step by step and token by token.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

REPORT = Path("kvparity-report")


class LevelName(str, Enum):
    """The levels at which fields are compared."""

    RETURNED = "returned"
    STATE = "state"
    INTERNALS = "internals"


class SchemaName(str, Enum):
    """The published JSON Schemas."""

    SCENARIO = "scenario"
    RUN = "run"


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
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a script to read.")]


@app.command()
def run(
    selectors: Selectors = None,
    subject: Subject = "kvimpl",
    reference: Reference = "mlx-lm",
    keyword: Keyword = None,
    level: Annotated[
        list[LevelName] | None,
        typer.Option(help="Compare this level only; may be repeated. All of them by default."),
    ] = None,
    as_json: AsJson = False,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the run file and the page go.")
    ] = REPORT,
) -> None:
    """Hold a subject against a reference over scenarios, and write the report."""
    from kvparity.commands.run import command

    levels = tuple(name.value for name in level or LevelName)
    _do(command, selectors or [], subject, reference, keyword, levels, as_json=as_json, out=out)


@app.command("list")
def list_(selectors: Selectors = None, keyword: Keyword = None, as_json: AsJson = False) -> None:
    """Name the scenarios, with what only they would catch."""
    from kvparity.commands.list import command

    _do(command, selectors or [], keyword, as_json=as_json)


@app.command()
def show(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A file, or a name.")],
    subject: Subject = "kvimpl",
    reference: Reference = "mlx-lm",
    keyword: Keyword = None,
    as_json: AsJson = False,
) -> None:
    """Show a scenario's steps as a table of what each side holds."""
    from kvparity.commands.show import command

    _do(command, scenario, subject, reference, keyword, as_json=as_json)


@app.command()
def schema(
    which: Annotated[SchemaName, typer.Argument(help="Which one.")] = SchemaName.SCENARIO,
    write: Annotated[
        bool, typer.Option("--write", help="Write it to its file in the source tree.")
    ] = False,
) -> None:
    """Print a JSON Schema: of scenario files, or of the lines of a run file."""
    from kvparity.commands.schema import command

    _do(command, which.value, write=write)


@app.command()
def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAMES]", help="Models by name; all of them where none is given."),
    ] = None,
    subject: Subject = "kvimpl",
    tokens: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many tokens each model decodes.")
    ] = 64,
    as_json: AsJson = False,
) -> None:
    """Run mlx-lm's own models on the subject's caches, and compare every token bit for bit."""
    from kvparity.commands.models import command

    _do(command, names or [], subject, tokens, as_json=as_json)


def _version(wanted: bool) -> None:
    if wanted:
        from kvparity import __version__

        typer.echo(f"kvparity {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def _do(command: Callable[..., int], *args: Any, **options: Any) -> None:
    """Run a command and leave with its exit code; a user's mistake is one clear message."""
    try:
        code = command(*args, **options)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - told apart there
        from kvparity.mistakes import exit_code_of

        code = exit_code_of(error)
    sys.stdout.flush()
    raise typer.Exit(code)


def main() -> None:
    """Run the command line."""
    app()
