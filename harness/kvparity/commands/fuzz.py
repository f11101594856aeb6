"""`kvparity fuzz`: generated scenarios on both sides, what fails shrunk to a few steps."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from kvparity.campaign import Arena, Failure, Fingerprint, Outcome, Round, play_round, rounds
from kvparity.exitcodes import CONFORMS, DIVERGES
from kvparity.generate import intents
from kvparity.mistakes import UsageError
from kvparity.program import Program
from kvparity.views import around
from kvreports import terminal
from kvscenarios.errors import nearest
from kvscenarios.writer import as_yaml

_SECONDS = 20.0
_ROUND = 100
"""Examples in a round: after that many, another kind has its turn."""

_arena: Arena | None = None
"""A worker process's two implementations, made once."""


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
    hostile: bool


def command(wish: Wish, *, save: Path | None, as_json: bool) -> int:
    """Search until the time is up or the examples are drawn, and say what was found."""
    for kind in wish.kinds:
        if kind not in intents.KINDS:
            raise UsageError(f"no kind is called {kind!r}; {nearest(kind, intents.KINDS)}")
    arena = Arena.of(wish.subject, wish.reference)
    seed = _seed(wish)
    found, started = Outcome(), time.monotonic()
    try:
        _search(wish, arena, seed, found)
    except KeyboardInterrupt:
        print("kvparity: interrupted: this is what was found until then", file=sys.stderr)
    took = time.monotonic() - started
    failures = sorted(found.failures.values(), key=lambda failure: failure.fingerprint)
    written = {failure.fingerprint: _written(failure, save) for failure in failures}
    if as_json:
        print(json.dumps(_plain(found, failures, seed, took), indent=1))
    else:
        for failure in failures:
            _say_one(arena, failure, written[failure.fingerprint])
        print(f"subject    {arena.subject.name}")
        print(f"reference  {arena.reference.name}")
        print(f"searched   {_counts(found, took)}")
        print(f"seed       {seed}")
        print(f"{len(failures)} findings" if failures else "nothing undeclared was found")
    return DIVERGES if failures else CONFORMS


def _seed(wish: Wish) -> int:
    """The seed asked for; else any for a nightly campaign, 0 for the other profiles."""
    if wish.seed is not None:
        return wish.seed
    return secrets.randbelow(1 << 32) if wish.profile == "nightly" else 0


def _search(wish: Wish, arena: Arena, seed: int, found: Outcome) -> None:
    """Wave after wave of rounds, what came of them gathered in `found`."""
    kinds = wish.kinds or intents.KINDS
    seconds = _SECONDS if wish.seconds is None and wish.examples is None else wish.seconds
    until = None if seconds is None else time.time() + seconds
    template = Round("", 0, _ROUND, wish.profile, wish.hostile, _remembers(wish), until)
    with ExitStack() as stack:
        play = _player(wish, arena, stack)
        show = _shower(stack)
        for wave in rounds(kinds, seed, wish.examples, template):
            for outcome in play(wave, frozenset(found.failures)):
                found.take(outcome)
                show(found)
            if until is not None and time.time() > until:
                return


def _remembers(wish: Wish) -> bool:
    """Whether earlier failures are replayed: not where a seed alone is to say what is drawn."""
    return wish.profile == "nightly" and wish.seed is None


_Play = Callable[[list[Round], frozenset[Fingerprint]], Iterator[Outcome]]


def _player(wish: Wish, arena: Arena, stack: ExitStack) -> _Play:
    """How a wave is played: here, or by worker processes (spawned: mlx does not survive a fork)."""
    if wish.jobs == 1:
        return lambda wave, known: (play_round(arena, task, known) for task in wave)
    workers = stack.enter_context(
        ProcessPoolExecutor(wish.jobs, get_context("spawn"), _begin, (wish.subject, wish.reference))
    )
    return lambda wave, known: workers.map(_in_worker, wave, [known] * len(wave))


def _begin(subject: str, reference: str) -> None:
    global _arena  # noqa: PLW0603 - an initializer has nowhere else to leave what it made
    _arena = Arena.of(subject, reference)


def _in_worker(task: Round, known: frozenset[Fingerprint]) -> Outcome:
    assert _arena is not None  # noqa: S101 - narrows the type
    return play_round(_arena, task, known)


def _shower(stack: ExitStack) -> Callable[[Outcome], None]:
    """What shows how far the search is, where somebody watches."""
    if not sys.stderr.isatty():
        return lambda _found: None
    columns = SpinnerColumn(), TextColumn("{task.description}")
    progress = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
    task, started = progress.add_task("searching"), time.monotonic()

    def show(found: Outcome) -> None:
        progress.update(task, description=_counts(found, time.monotonic() - started))

    return show


def _counts(found: Outcome, took: float) -> str:
    return (
        f"{found.examples} scenarios, {found.ops} steps, {found.ops / max(took, 1e-9):.0f}/s, "
        f"{len(found.failures)} findings, {len(found.covered)} operations in a phase of a kind"
    )


def _written(failure: Failure, save: Path | None) -> Path | None:
    """Write a finding as a scenario file; where, or None where that was not asked for."""
    if save is None:
        return None
    save.mkdir(parents=True, exist_ok=True)
    path = save / f"{failure.scenario.name}.yaml"
    path.write_text(as_yaml(failure.scenario), encoding="utf-8")
    return path


def _say_one(arena: Arena, failure: Failure, path: Path | None) -> None:
    """The steps around the failure, as a table of what each side holds, and how to replay it."""
    program = Program(failure.scenario)
    judgement, theirs = arena.judged(program)
    mine = arena.subject.driver.play(program)
    index = judgement.findings[0].index if judgement.findings else 0
    ops = around(program, mine, theirs, index)
    names = arena.subject.name, arena.reference.name
    terminal.table(failure.scenario.id, failure.sentence, *names, ops)
    print(f"replay     kvparity run {path}\n" if path else as_yaml(failure.scenario))


def _plain(found: Outcome, failures: list[Failure], seed: int, took: float) -> dict[str, object]:
    """The campaign for a script to read."""
    return {
        "seed": seed,
        "examples": found.examples,
        "steps": found.ops,
        "seconds": round(took, 3),
        "covered": [
            {"kind": kind, "phase": phase, "operation": operation, "count": count}
            for (kind, phase, operation), count in sorted(found.covered.items())
        ],
        "findings": [
            {
                **failure.fingerprint._asdict(),
                "sentence": failure.sentence,
                "steps": failure.ops,
                "yaml": as_yaml(failure.scenario),
            }
            for failure in failures
        ],
    }
