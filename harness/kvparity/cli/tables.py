"""The commands that make expected tables, and take in those made by hand."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from kvparity.cli.app import app, do
from kvparity.cli.options import AsJson, Offline, Repo


class FormatName(str, Enum):
    """The formats of a table."""

    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"
    HTML = "html"
    LATEX = "latex"
    PYTHON = "python"
    RUST = "rust"
    SWIFT = "swift"
    SAFETENSORS = "safetensors"


@app.command()
def table(
    selectors: Annotated[
        list[str] | None,
        typer.Argument(metavar="SCENARIO...", help="Scenario files, names, or globs over them."),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What is played: mlx-lm where nothing is said, and for --check the file's own.",
        ),
    ] = None,
    format_: Annotated[
        FormatName, typer.Option("--format", help="What to write.")
    ] = FormatName.MARKDOWN,
    template: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A jinja2 template of your own, in place of a format."),
    ] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="The lines that each operation ran, with their values.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to this file, and print nothing.")
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Say whether this table still holds, and what moved."),
    ] = None,
    as_json: AsJson = False,
    _offline: Offline = False,
    _repo: Repo = None,
) -> None:
    """Print what the reference does, operation by operation, as a table to hold a port against."""
    from kvparity.commands import table as tables

    if check is not None:
        do(tables.check, check, selectors or [], reference, as_json=as_json)
    word = FormatName.JSON if as_json else format_
    named = reference or "mlx-lm"
    do(tables.command, selectors or [], named, word.value, template, trace=trace, out=out)


@app.command()
def import_table(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table, in CSV or Markdown.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to this file, and print nothing.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn a table traced by hand into a scenario that pins what it says."""
    from kvparity.commands.import_table import command

    do(command, file, out, as_json=as_json)
