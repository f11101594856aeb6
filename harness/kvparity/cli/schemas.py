"""The command that prints what is published."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from kvparity.cli.app import app, do


class SchemaName(str, Enum):
    """The published JSON Schemas."""

    SCENARIO = "scenario"
    RUN = "run"
    TIMELINE = "timeline"


@app.command()
def schema(
    which: Annotated[SchemaName, typer.Argument(help="Which one.")] = SchemaName.SCENARIO,
    write: Annotated[
        bool, typer.Option("--write", help="Write it to its file in the source tree.")
    ] = False,
) -> None:
    """Print a JSON Schema: of scenario files, of the lines of a run file, or of a timeline."""
    from kvparity.commands.schema import command

    do(command, which.value, write=write)
