"""The commands of the gate: what is required of every change, what is declared, what runs tell."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from kvparity.cli.app import app, do
from kvparity.cli.options import (
    AsJson,
    ConfigFile,
    GateExamples,
    GateKinds,
    GateLevels,
    Jobs,
    LedgerFile,
    Offline,
    Repo,
    given,
)

RunFile = Annotated[Path, typer.Argument(metavar="RUNFILE", help="Such as report/run.jsonl.")]


class FormName(str, Enum):
    """The forms in which a run can be told."""

    TERMINAL = "terminal"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"
    JUNIT = "junit"
    GITHUB = "github"
    SARIF = "sarif"


@app.command()
def gate(
    subject: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="What is under test; repeatable.")
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="installed, a release, or >=0.31,<0.33; repeatable."),
    ] = None,
    level: GateLevels = None,
    kind: GateKinds = None,
    examples: GateExamples = None,
    shard: Annotated[
        str | None, typer.Option(metavar="K/N", help="Only the K-th of N parts of it all.")
    ] = None,
    config: ConfigFile = None,
    output: Annotated[
        list[FormName] | None, typer.Option(help="Write this beside the run file; repeatable.")
    ] = None,
    ledger: LedgerFile = None,
    write_ledger: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a first ledger of what differs, reasons blank."),
    ] = None,
    jobs: Jobs = None,
    as_json: AsJson = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where run files and reports go.")
    ] = None,
    _offline: Offline = False,
    _repo: Repo = None,
) -> None:
    """Hold everything that is configured together, as a check that every change must pass."""
    from kvparity.commands.gate import command

    typed: dict[str, Any] = {
        "subjects": subject,
        "references": reference,
        "levels": [name.value for name in level or ()],
        "kinds": kind,
        "examples": examples,
        "outputs": [name.value for name in output or ()],
        "ledger": ledger,
        "jobs": jobs,
        "out": out,
    }
    do(command, config, given(**typed), shard=shard, draft=write_ledger, as_json=as_json)


@app.command()
def report(
    run_file: RunFile,
    form: Annotated[FormName, typer.Option("--format", help="How to tell it.")] = FormName.TERMINAL,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to this file, and print nothing.")
    ] = None,
) -> None:
    """Draw a run file again, in any form; the exit code is that of the run."""
    from kvparity.commands.report import command

    do(command, run_file, form.value, out)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="RUN1", help="The earlier run file.")],
    new: Annotated[Path, typer.Argument(metavar="RUN2", help="The later one.")],
    as_json: AsJson = False,
) -> None:
    """Tell what broke, healed, appeared and vanished between two runs; 1 where it is worse."""
    from kvparity.commands.report import compare

    do(compare, old, new, as_json=as_json)


@app.command()
def init(
    subject: Annotated[
        str, typer.Option(metavar="NAME", help="What is under test: python:PKG.MODULE.")
    ] = "python:mycache",
) -> None:
    """Write a configuration, a first ledger and a workflow here; nothing is written over."""
    from kvparity.commands.init import command

    do(command, subject)
