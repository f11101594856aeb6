"""The application that the commands are registered on, and how each of them ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from kvparity import interruptions
from kvparity.exitcodes import INTERRUPTED

app = typer.Typer(
    name="kvparity",
    help="Tell whether a KV cache behaves like mlx-lm's, step by step and token by token.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


def do(command: Callable[..., int], *args: Any, **options: Any) -> None:
    """Run a command and leave with its exit code; a user's mistake is one clear message."""
    try:
        code = command(*args, **options)
        sys.stdout.flush()
        if code != INTERRUPTED:
            interruptions.check()
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - told apart there
        from kvparity.mistakes import exit_code_of

        code = exit_code_of(error)
    answered.append(code)
    raise typer.Exit(code)


answered: list[int] = []
"""The exit code, once a command has come to its end or has dealt with an interruption."""
