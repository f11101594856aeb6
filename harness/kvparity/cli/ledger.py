"""The commands of the ledger: what is known to differ, and whether it still does."""

from __future__ import annotations

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

SubjectOption = Annotated[
    str | None, typer.Option("--subject", metavar="NAME", help="As configured by default.")
]
ReferenceOption = Annotated[
    list[str] | None,
    typer.Option("--reference", metavar="NAME", help="As configured by default; repeatable."),
]

ledger = typer.Typer(
    help="The ledger of what is known to differ: check it, explain an entry, prune it.",
    no_args_is_help=True,
)
app.add_typer(ledger, name="ledger")


@ledger.command("check")
def ledger_check(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RUNFILES]", help="Runs that together found what there is."),
    ] = None,
    ledger: LedgerFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell which entries match nothing, have run out, or were found by none of the runs."""
    from kvparity.commands.ledger import check

    do(check, runs or [], given(ledger=ledger), as_json=as_json)


@ledger.command("explain")
def ledger_explain(
    name: Annotated[str, typer.Argument(metavar="ID", help="An entry of the ledger.")],
    ledger: LedgerFile = None,
    subject: SubjectOption = None,
    reference: ReferenceOption = None,
    as_json: AsJson = False,
    _offline: Offline = False,
    _repo: Repo = None,
) -> None:
    """Tell what an entry declares and why, and show the smallest scenario that has it."""
    from kvparity.commands.ledger import explain

    typed = given(ledger=ledger, subjects=subject, references=reference)
    do(explain, name, typed, as_json=as_json)


@ledger.command("prune")
def ledger_prune(
    ledger: LedgerFile = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="As configured by default; repeatable."),
    ] = None,
    reference: ReferenceOption = None,
    level: GateLevels = None,
    kind: GateKinds = None,
    examples: GateExamples = None,
    config: ConfigFile = None,
    jobs: Jobs = None,
    as_json: AsJson = False,
    _offline: Offline = False,
    _repo: Repo = None,
) -> None:
    """Take out the entries that the gate no longer finds; everything else in the file stays."""
    from kvparity.commands.ledger import prune

    typed: dict[str, Any] = {
        "ledger": ledger,
        "subjects": subject,
        "references": reference,
        "levels": [name.value for name in level or ()],
        "kinds": kind,
        "examples": examples,
        "jobs": jobs,
    }
    do(prune, config, given(**typed), as_json=as_json)
