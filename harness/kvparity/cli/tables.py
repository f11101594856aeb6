"""The commands that make expected tables, and take in those made by hand."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from kvparity.cli.app import app, do
from kvparity.cli.options import Offline, Reference, Repo


class FormatName(str, Enum):
    """The formats of a table."""

    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"


@app.command()
def table(
    selectors: Annotated[
        list[str],
        typer.Argument(metavar="SCENARIO...", help="Scenario files, names, or globs over them."),
    ],
    reference: Reference = "mlx-lm",
    format_: Annotated[
        FormatName, typer.Option("--format", help="What to write.")
    ] = FormatName.MARKDOWN,
    trace: Annotated[
        bool, typer.Option("--trace", help="The lines that each operation ran, with their values.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to this file, and print nothing.")
    ] = None,
    _offline: Offline = False,
    _repo: Repo = None,
) -> None:
    """Print what the reference does, operation by operation, as a table to hold a port against."""
    from kvparity.commands.table import command

    do(command, selectors, reference, format_.value, trace=trace, out=out)
