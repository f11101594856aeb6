"""The commands that make expected tables, and take in those made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kvparity.cli.app import app, do
from kvparity.cli.options import AsJson, Offline, Repo
from kvparity.tables.formatnames import FormatName


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
        FormatName | None,
        typer.Option("--format", help="What to write: markdown where nothing is said."),
    ] = None,
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
        given = {"--format": format_, "--template": template, "--trace": trace, "--out": out}
        beside = [name for name, value in given.items() if value]
        do(tables.check, check, selectors or [], reference, beside, as_json=as_json)
    word = FormatName.JSON if as_json else format_ or FormatName.MARKDOWN
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
