"""The commands that play scenarios and judge them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kvparity.cli.app import app, do
from kvparity.cli.options import (
    REPORT,
    AsJson,
    Jobs,
    Keyword,
    LedgerFile,
    LevelName,
    Offline,
    Reference,
    Repo,
    Selectors,
    Subject,
)


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
    jobs: Jobs = None,
    ledger: LedgerFile = None,
    write_ledger: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a first ledger of what differs, reasons blank."),
    ] = None,
    _offline: Offline = False,
    _repo: Repo = None,
) -> None:
    """Hold a subject against a reference over scenarios, and write the report."""
    from kvparity import pool

    others = pool.fitting(jobs) - 1
    whole_corpus = not selectors and keyword is None
    ready = pool.started(others) if others and whole_corpus else None
    from kvparity.commands.run import command

    levels = tuple(name.value for name in level or LevelName)
    do(
        command,
        selectors or [],
        subject,
        reference,
        keyword,
        levels,
        declared=ledger,
        draft=write_ledger,
        as_json=as_json,
        out=out,
        jobs=jobs,
        ready=ready,
    )


@app.command("list")
def list_(selectors: Selectors = None, keyword: Keyword = None, as_json: AsJson = False) -> None:
    """Name the scenarios, with what only they would catch."""
    from kvparity.commands.list import command

    do(command, selectors or [], keyword, as_json=as_json)


@app.command()
def show(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A file, or a name.")],
    subject: Subject = "kvimpl",
    reference: Reference = "mlx-lm",
    keyword: Keyword = None,
    as_json: AsJson = False,
    _offline: Offline = False,
    _repo: Repo = None,
) -> None:
    """Show a scenario's steps as a table of what each side holds."""
    from kvparity.commands.show import command

    do(command, scenario, subject, reference, keyword, as_json=as_json)


@app.command()
def check(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A file, or a name.")],
    subject: Subject = "kvimpl",
    reference: Reference = "mlx-lm",
    keyword: Keyword = None,
    as_json: AsJson = False,
    _offline: Offline = False,
    _repo: Repo = None,
) -> None:
    """Judge scenarios by exit code for `git bisect run`: 0 good, 1 bad, 125 cannot be judged."""
    from kvparity.commands.check import command

    do(command, scenario, subject, reference, keyword=keyword, as_json=as_json)


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

    do(command, names or [], subject, tokens, as_json=as_json)
