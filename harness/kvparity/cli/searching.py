"""The commands that search for differences beyond the corpus."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from kvparity.cli.app import app, do
from kvparity.cli.options import MOST_JOBS, AsJson, Offline, Reference, Repo, Subject


class Profile(str, Enum):
    """How a fuzz campaign searches."""

    NIGHTLY = "nightly"
    GATE = "gate"
    DEBUG = "debug"


@app.command()
def fuzz(
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Only caches of this kind; may be repeated."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="S", min=0, help="For so long; 20 by default.")
    ] = None,
    examples: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="So many scenarios of each kind.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="X", min=0, help="Draw what this seed draws.")
    ] = None,
    subject: Subject = "kvimpl",
    reference: Reference = "mlx-lm",
    hostile: Annotated[
        bool, typer.Option("--hostile", help="With steps that a hardened subject must refuse.")
    ] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write each finding as a scenario file.")
    ] = None,
    jobs: Annotated[
        int, typer.Option(metavar="N", min=1, max=MOST_JOBS, help="Worker processes.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Let the workers of this dask scheduler search."),
    ] = None,
    profile: Annotated[
        Profile, typer.Option(help="Remembering failures, repeatable, or without shrinking.")
    ] = Profile.NIGHTLY,
    as_json: AsJson = False,
    _offline: Offline = False,
    _repo: Repo = None,
) -> None:
    """Search for differences with generated scenarios, and shrink what is found."""
    from kvparity.commands import fuzz as module

    wish = module.Wish(
        subject,
        reference,
        tuple(kind or ()),
        seconds,
        examples,
        seed,
        profile.value,
        jobs,
        scheduler,
        hostile,
    )
    do(module.command, wish, save=save, as_json=as_json)
