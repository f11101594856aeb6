"""`kvparity fuzz`: generated scenarios on both sides, what fails shrunk to a few steps."""

from __future__ import annotations

import errno
import json
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from kvparity import searchers
from kvparity.campaign import Arena, Round, rounds
from kvparity.exitcodes import CONFORMS, COULD_NOT_RUN, DIVERGES, INTERRUPTED
from kvparity.generate.starts import KINDS
from kvparity.laws import checking
from kvparity.mistakes import UsageError
from kvparity.outcome import Failure, Fingerprint, Outcome
from kvparity.program import Program
from kvparity.views import around
from kvparity.workers import WorkerDied
from kvreports import terminal
from kvreports.runfile import write_whole
from kvreports.words import plain
from kvscenarios.errors import nearest
from kvscenarios.writer import as_yaml

_SECONDS = 20.0
_ROUND = 25
"""Examples in a round: after that many, another kind has its turn."""


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    subject: str
    reference: str
    kinds: tuple[str, ...]
    seconds: float | None
    examples: int | None
    seed: int | None
    profile: str
    jobs: int
    scheduler: str | None
    hostile: bool


def command(wish: Wish, *, save: Path | None, as_json: bool) -> int:
    """Search until the time is up or the examples are drawn, and say what was found."""
    for kind in wish.kinds:
        if kind not in KINDS:
            raise UsageError(f"no kind is called {kind!r}; {nearest(kind, KINDS)}")
    if wish.scheduler is not None and wish.jobs > 1:
        raise UsageError("--jobs is for this machine, --scheduler for a cluster: give one of them")
    if save is not None and save.exists() and not save.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(save))
    arena = Arena.of(wish.subject, wish.reference)
    seed = _seed(wish)
    found, started = Outcome(), time.monotonic()
    ended = _searched(wish, arena, seed, found)
    took = time.monotonic() - started
    written = {one.fingerprint: _written(one, save) for one in found.failures.values()}
    if as_json:
        print(json.dumps(_plain(found, seed, took, interrupted=ended is not None), indent=1))
    else:
        for failure in found.findings:
            _say_one(arena, failure, written[failure.fingerprint])
        _say_of_reference(arena, found.about_reference, written)
        _say_all(arena, found, seed, took)
    return _exit_code(found, ended)


def _searched(wish: Wish, arena: Arena, seed: int, found: Outcome) -> BaseException | None:
    """Search, and return what ended that before its time."""
    try:
        return KeyboardInterrupt() if _search(wish, arena, seed, found) else None
    except (KeyboardInterrupt, WorkerDied) as error:
        return error


def _exit_code(found: Outcome, ended: BaseException | None) -> int:
    """Say what ended the search before its time, and leave as it wants."""
    if isinstance(ended, WorkerDied):
        for line in str(ended).splitlines():
            print(f"kvparity: {line}", file=sys.stderr)
        return COULD_NOT_RUN
    if ended is not None:
        print("kvparity: interrupted: this is what was found until then", file=sys.stderr)
        return INTERRUPTED
    if not found.covered and not found.findings:
        why = "no scenario could be played" if found.examples else "there was no time"
        print(f"kvparity: nothing was compared: {why}", file=sys.stderr)
        return COULD_NOT_RUN
    return DIVERGES if found.findings else CONFORMS


def _seed(wish: Wish) -> int:
    """The seed asked for; else any for a nightly campaign, 0 for the other profiles."""
    if wish.seed is not None:
        return wish.seed
    return secrets.randbelow(1 << 32) if wish.profile == "nightly" else 0


def _search(wish: Wish, arena: Arena, seed: int, found: Outcome) -> bool:
    """Wave after wave of rounds, what came of them gathered in `found`; whether interrupted."""
    kinds = wish.kinds or KINDS
    seconds = _SECONDS if wish.seconds is None and wish.examples is None else wish.seconds
    until = None if seconds is None else time.time() + seconds
    template = Round(
        "", 0, _ROUND, wish.profile, hostile=wish.hostile, remember=_remembers(wish), until=until
    )
    with ExitStack() as stack:
        searcher = stack.enter_context(_searcher(wish, arena))
        interruptions = stack.enter_context(_heeded(searcher.stop))
        show = stack.enter_context(_shown())
        for wave in rounds(kinds, seed, wish.examples, template, checking.KINDS):
            for outcome in searcher.play(wave, frozenset(found.failures)):
                found.take(outcome)
                show(found)
            if interruptions or (until is not None and time.time() > until):
                break
        return bool(interruptions)


def _remembers(wish: Wish) -> bool:
    """Whether earlier failures are replayed: not where a seed alone is to say what is drawn."""
    return wish.profile == "nightly" and wish.seed is None


def _searcher(wish: Wish, arena: Arena) -> AbstractContextManager[searchers.Searcher]:
    if wish.scheduler is not None:
        return searchers.cluster(wish.scheduler, wish.subject, wish.reference)
    if wish.jobs > 1:
        return searchers.processes(wish.jobs, wish.subject, wish.reference)
    return searchers.here(arena)


@contextmanager
def _heeded(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Ctrl-C asks the search to stop, and is noted; a second one is an interruption at once."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def handle(number: int, _frame: object) -> None:
        noted.append(number)
        if len(noted) > 1:
            raise KeyboardInterrupt
        stop()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _shown() -> Iterator[Callable[[Outcome], None]]:
    """What shows how far the search is, where somebody watches."""
    if not sys.stderr.isatty():
        yield lambda _found: None
        return
    columns = SpinnerColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task, started = progress.add_task("searching"), time.monotonic()
        yield lambda found: progress.update(
            task, description=_counts(found, time.monotonic() - started)
        )


def _counts(found: Outcome, took: float) -> str:
    return (
        f"{found.examples} scenarios, {found.ops} steps, {found.ops / max(took, 1e-9):.0f}/s, "
        f"{len(found.findings)} findings, {len(found.covered)} operations in a phase of a kind"
    )


def _written(failure: Failure, save: Path | None) -> Path | None:
    """Write a finding as a scenario file; where, or None where that was not asked for."""
    if save is None:
        return None
    save.mkdir(parents=True, exist_ok=True)
    path = save / f"{failure.scenario.name}.yaml"
    write_whole(path, as_yaml(failure.scenario))
    if failure.plain is not None:
        write_whole(save / f"{failure.plain.name}.yaml", as_yaml(failure.plain))
    return path


def _say_one(arena: Arena, failure: Failure, path: Path | None) -> None:
    """The steps around the failure, as a table of what each side holds, and how to replay it."""
    program = Program(failure.scenario)
    mine, theirs = arena.played(program)
    judgement = arena.judgement(program, (mine, theirs))
    index = judgement.findings[0].index if judgement.findings else len(program.ops) - 1
    ops = around(program, mine, theirs, index)
    names = arena.subject.name, arena.reference.name
    terminal.table(failure.scenario.id, failure.sentence, *names, ops)
    if path is None:
        print(plain(_as_yaml(failure), keep="\n"))
        return
    print(
        f"replay     kvparity show {path}" if failure.plain else f"replay     kvparity run {path}"
    )
    if failure.plain is not None:
        print(f"to come to the same as  {path.with_name(failure.plain.name)}.yaml")
    print()


def _as_yaml(failure: Failure) -> str:
    """The scenario, and the one that it should have come to the same as."""
    if failure.plain is None:
        return as_yaml(failure.scenario)
    return f"{as_yaml(failure.scenario)}\n# should come to the same as\n{as_yaml(failure.plain)}"


def _say_of_reference(
    arena: Arena, failures: list[Failure], written: dict[Fingerprint, Path | None]
) -> None:
    """The laws that the reference breaks, a line each: they are no divergence."""
    if not failures:
        return
    print(f"laws that the reference, {arena.reference.name}, breaks:")
    for failure in failures:
        print(plain(f"  {failure.fingerprint.kind}: {failure.sentence}"))
        path = written[failure.fingerprint]
        if path is not None:
            print(f"    {path}")


def _say_all(arena: Arena, found: Outcome, seed: int, took: float) -> None:
    findings = found.findings
    print(f"subject    {arena.subject.name}")
    print(f"reference  {arena.reference.name}")
    print(f"searched   {_counts(found, took)}")
    print(f"laws       {found.laws.total()} times tried")
    print(f"seed       {seed}")
    print(f"{len(findings)} findings" if findings else "nothing undeclared was found")


def _plain(found: Outcome, seed: int, took: float, *, interrupted: bool) -> dict[str, object]:
    """The campaign for a script to read."""
    return {
        "seed": seed,
        "examples": found.examples,
        "steps": found.ops,
        "seconds": round(took, 3),
        "interrupted": interrupted,
        "spent": {what: round(spent, 3) for what, spent in sorted(found.seconds.items())},
        "laws": dict(sorted(found.laws.items())),
        "covered": [
            {"kind": kind, "phase": phase, "operation": operation, "count": count}
            for (kind, phase, operation), count in sorted(found.covered.items())
        ],
        "findings": [_one_plain(failure) for failure in found.findings],
        "about_reference": [_one_plain(failure) for failure in found.about_reference],
    }


def _one_plain(failure: Failure) -> dict[str, object]:
    return {
        **failure.fingerprint._asdict(),
        "sentence": failure.sentence,
        "steps": failure.ops,
        "yaml": as_yaml(failure.scenario),
        "plain": None if failure.plain is None else as_yaml(failure.plain),
    }
