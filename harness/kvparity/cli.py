"""The command line. It parses and hands over; what a command does is in `kvparity.commands`.

Nothing heavy is imported before a command runs: `--help` imports no mlx.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

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

REPORT = Path("kvparity-report")


class LevelName(str, Enum):
    """The levels at which fields are compared."""

    RETURNED = "returned"
    STATE = "state"
    INTERNALS = "internals"


class Over(str, Enum):
    """What a timeline goes over."""

    MLX_LM = "mlx-lm"
    MLX = "mlx"


class Profile(str, Enum):
    """How a fuzz campaign searches."""

    NIGHTLY = "nightly"
    GATE = "gate"
    DEBUG = "debug"


class SchemaName(str, Enum):
    """The published JSON Schemas."""

    SCENARIO = "scenario"
    RUN = "run"
    TIMELINE = "timeline"


Selectors = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PATHS or GLOBS]",
        help="Scenario files, directories, or globs over the corpus such as 'rotating/*'. "
        "The whole corpus where none is given.",
    ),
]
Keyword = Annotated[
    str | None, typer.Option("-k", metavar="NAME", help="Only scenarios whose name contains this.")
]
Subject = Annotated[
    str, typer.Option(metavar="NAME", help="What is under test: kvimpl, mlx-lm, python:PKG.MODULE.")
]
Reference = Annotated[str, typer.Option(metavar="NAME", help="What it is held against.")]
Versions = Annotated[list[str], typer.Argument(metavar="VERSION...", help="Such as 0.31.3.")]


def _stay_offline(wanted: bool) -> None:
    if wanted:
        os.environ["KVPARITY_OFFLINE"] = "1"


def _use_clone(repo: Path | None) -> None:
    if repo is not None:
        os.environ["KVPARITY_REPO"] = str(repo)


Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        callback=_stay_offline,
        expose_value=False,
        help="Never ask the network (also: KVPARITY_OFFLINE=1).",
    ),
]
Repo = Annotated[
    Path | None,
    typer.Option(
        "--repo",
        metavar="CLONE",
        callback=_use_clone,
        expose_value=False,
        help="A clone of mlx-lm, for mlx-lm@COMMIT (also: KVPARITY_REPO).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for a script to read.")]


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
    _offline: Offline = False,
    _repo: Repo = None,
) -> None:
    """Hold a subject against a reference over scenarios, and write the report."""
    from kvparity.commands.run import command

    levels = tuple(name.value for name in level or LevelName)
    _do(command, selectors or [], subject, reference, keyword, levels, as_json=as_json, out=out)


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
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Worker processes.")] = 1,
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
        subject, reference, tuple(kind or ()), seconds, examples, seed, profile.value, jobs, hostile
    )
    _do(module.command, wish, save=save, as_json=as_json)


@app.command("list")
def list_(selectors: Selectors = None, keyword: Keyword = None, as_json: AsJson = False) -> None:
    """Name the scenarios, with what only they would catch."""
    from kvparity.commands.list import command

    _do(command, selectors or [], keyword, as_json=as_json)


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

    _do(command, scenario, subject, reference, keyword, as_json=as_json)


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

    _do(command, scenario, repo, good, bad, keyword=keyword, machine=as_json, out=out)


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

    _do(command, old, new, selectors or [], keyword, fuzz=fuzz, as_json=as_json, out=out)


@app.command()
def check(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A file, or a name.")],
    subject: Subject = "kvimpl",
    reference: Reference = "mlx-lm",
    keyword: Keyword = None,
    _offline: Offline = False,
    _repo: Repo = None,
) -> None:
    """Judge scenarios by exit code for `git bisect run`: 0 good, 1 bad, 125 cannot be judged."""
    from kvparity.commands.check import command

    _do(command, scenario, subject, reference, keyword=keyword)


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
    as_json: AsJson = False,
    _offline: Offline = False,
) -> None:
    """Show a scenario's behaviour at every release of mlx-lm, and what changed where."""
    from kvparity.commands.timeline import command, over_mlx

    if over is Over.MLX:
        _do(over_mlx, scenario, keyword, reference, mlx or [], as_json=as_json)
    _do(command, scenario, keyword, first, last, as_json=as_json)


@app.command()
def schema(
    which: Annotated[SchemaName, typer.Argument(help="Which one.")] = SchemaName.SCENARIO,
    write: Annotated[
        bool, typer.Option("--write", help="Write it to its file in the source tree.")
    ] = False,
) -> None:
    """Print a JSON Schema: of scenario files, of the lines of a run file, or of a timeline."""
    from kvparity.commands.schema import command

    _do(command, which.value, write=write)


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

    _do(command, names or [], subject, tokens, as_json=as_json)


oracle = typer.Typer(
    help="The store of mlx-lm's releases: fetch them, check them, lock new ones.",
    no_args_is_help=True,
)
app.add_typer(oracle, name="oracle")


@oracle.command("list")
def oracle_list(as_json: AsJson = False) -> None:
    """Name the known releases, and say which are on this machine."""
    from kvparity.commands.oracle import list_

    _do(list_, as_json=as_json)


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

    _do(fetch_, versions or [], everything=everything)


@oracle.command("verify")
def oracle_verify(as_json: AsJson = False) -> None:
    """Hold every release in the store against its hashes; 1 where one is damaged."""
    from kvparity.commands.oracle import verify

    _do(verify, as_json=as_json)


@oracle.command("path")
def oracle_path(
    version: Annotated[str | None, typer.Argument(metavar="VERSION")] = None,
) -> None:
    """Print where the store is, or where a release is in it."""
    from kvparity.commands.oracle import path

    _do(path, version)


@oracle.command("prune")
def oracle_prune() -> None:
    """Remove damaged releases, and what killed downloads left behind."""
    from kvparity.commands.oracle import prune

    _do(prune)


@oracle.command("lock")
def oracle_lock(versions: Versions, _offline: Offline = False) -> None:
    """Add releases to the lock in the source tree, as the package index has them."""
    from kvparity.commands.oracle import lock_

    _do(lock_, versions)


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


def _do(command: Callable[..., int], *args: Any, **options: Any) -> None:
    """Run a command and leave with its exit code; a user's mistake is one clear message."""
    try:
        code = command(*args, **options)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - told apart there
        from kvparity.mistakes import exit_code_of

        code = exit_code_of(error)
    sys.stdout.flush()
    _answered.append(code)
    raise typer.Exit(code)


_answered: list[int] = []
"""The exit code, once a command has come to its end or has dealt with an interruption."""


def main() -> None:
    """Run the command line; Ctrl-C before a command is under way leaves with 130, too."""
    interruptions = []

    def interrupt(number: int, _frame: object) -> None:
        interruptions.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        app()
    except SystemExit:
        if not interruptions or _answered:
            raise
    except KeyboardInterrupt:
        print("kvparity: interrupted", file=sys.stderr)
    sys.exit(INTERRUPTED)
