"""The commands that go over mlx-lm's releases and commits."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from kvparity.cli.app import app, do
from kvparity.cli.options import REPORT, AsJson, Keyword, Offline, Reference, Selectors


class Over(str, Enum):
    """What a timeline goes over."""

    MLX_LM = "mlx-lm"
    MLX = "mlx"


@app.command()
def timeline(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A file, or a name.")],
    first: Annotated[
        str | None, typer.Option("--from", metavar="VERSION", help="The oldest release to play.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="VERSION", help="The newest release to play.")
    ] = None,
    over: Annotated[
        Over, typer.Option(help="Releases of mlx-lm, or one of them under versions of mlx.")
    ] = Over.MLX_LM,
    mlx: Annotated[
        list[str] | None,
        typer.Option(metavar="VERSION", help="With --over mlx: this version; may be repeated."),
    ] = None,
    reference: Reference = "mlx-lm",
    keyword: Keyword = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a page, scenario by release, to it.")
    ] = None,
    as_json: AsJson = False,
    _offline: Offline = False,
) -> None:
    """Show a scenario's behaviour at every release of mlx-lm, and what changed where."""
    from kvparity.commands.timeline import command, over_mlx

    if over is Over.MLX:
        do(over_mlx, scenario, keyword, reference, mlx or [], as_json=as_json)
    do(command, scenario, keyword, first, last, as_json=as_json, out=out)


@app.command()
def compare(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A release, such as 0.31.3.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="A later one.")],
    selectors: Selectors = None,
    keyword: Keyword = None,
    fuzz: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0, help="Search beyond the corpus for so long."),
    ] = None,
    as_json: AsJson = False,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the notes, the run file and the page go.")
    ] = REPORT,
    _offline: Offline = False,
) -> None:
    """Tell what changed for a cache's users between two releases of mlx-lm."""
    from kvparity.commands.compare import command

    do(command, old, new, selectors or [], keyword, fuzz=fuzz, as_json=as_json, out=out)


@app.command()
def bisect(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A file, or a name.")],
    repo: Annotated[
        Path, typer.Option(metavar="CLONE", help="A local clone of mlx-lm; it is only read.")
    ],
    good: Annotated[
        str | None,
        typer.Option(
            metavar="REV",
            help="Where it still was as it was; the release before its last change by default.",
        ),
    ] = None,
    bad: Annotated[
        str | None,
        typer.Option(metavar="REV", help="Where it has changed; HEAD, with --good."),
    ] = None,
    keyword: Keyword = None,
    as_json: AsJson = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the block to paste here, too.")
    ] = None,
) -> None:
    """Find the commit of mlx-lm with which a scenario's behaviour changed."""
    from kvparity.commands.bisect import command

    do(command, scenario, repo, good, bad, keyword=keyword, machine=as_json, out=out)
