"""The commands of the store of mlx-lm's releases."""

from __future__ import annotations

from typing import Annotated

import typer

from kvparity.cli.app import app, do
from kvparity.cli.options import AsJson, Offline

Versions = Annotated[list[str], typer.Argument(metavar="VERSION...", help="Such as 0.31.3.")]

oracle = typer.Typer(
    help="The store of mlx-lm's releases: fetch them, check them, lock new ones.",
    no_args_is_help=True,
)
app.add_typer(oracle, name="oracle")


@oracle.command("list")
def oracle_list(as_json: AsJson = False) -> None:
    """Name the known releases, and say which are on this machine."""
    from kvparity.commands.oracle import list_

    do(list_, as_json=as_json)


@oracle.command("fetch")
def oracle_fetch(
    versions: Annotated[
        list[str] | None, typer.Argument(metavar="VERSION...", help="Such as 0.31.3.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every known release.")] = False,
    _offline: Offline = False,
) -> None:
    """Put releases into the store; what is there already is left alone."""
    from kvparity.commands.oracle import fetch_

    do(fetch_, versions or [], everything=everything)


@oracle.command("verify")
def oracle_verify(as_json: AsJson = False) -> None:
    """Hold every release in the store against its hashes; 1 where one is damaged."""
    from kvparity.commands.oracle import verify

    do(verify, as_json=as_json)


@oracle.command("path")
def oracle_path(
    version: Annotated[str | None, typer.Argument(metavar="VERSION")] = None,
    as_json: AsJson = False,
) -> None:
    """Print where the store is, or where a release is in it."""
    from kvparity.commands.oracle import path

    do(path, version, as_json=as_json)


@oracle.command("prune")
def oracle_prune() -> None:
    """Remove damaged releases, and what killed downloads left behind."""
    from kvparity.commands.oracle import prune

    do(prune)


@oracle.command("lock")
def oracle_lock(versions: Versions, _offline: Offline = False) -> None:
    """Add releases to the lock in the source tree, as the package index has them."""
    from kvparity.commands.oracle import lock_

    do(lock_, versions)
