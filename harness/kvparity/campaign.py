"""Plays generated scenarios on both sides, and keeps the smallest of each kind of failure.

A campaign is a row of rounds. A round draws scenarios of one kind until one fails, and shrinks that
one; the next passes over what is known already, and so finds what else there is. Every round has a
seed of its own, made from the campaign's, so that rounds can be played anywhere in any order.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import hypothesis

from kvparity import ledger, subjects
from kvparity.generate import profiles
from kvparity.generate.strategies import hostile_scenarios, scenarios
from kvparity.judge import Judgement, judge
from kvparity.observe import LEVELS
from kvparity.program import Program
from kvparity.trace import Held, Trace
from kvreports.model import Finding
from kvreports.words import sentence
from kvscenarios import Scenario


class Fingerprint(NamedTuple):
    """What makes two failures one finding."""

    kind: str
    operation: str
    level: str
    field: str
    what: str

    @property
    def slug(self) -> str:
        """The fingerprint as a part of a name."""
        return f"{self.kind}-{self.operation}-{self.field}".replace("_", "-")


@dataclass(frozen=True)
class Failure:
    """A scenario that fails, the smallest known of its fingerprint, and what fails in it."""

    fingerprint: Fingerprint
    scenario: Scenario
    sentence: str
    ops: int


@dataclass(frozen=True)
class Round:
    """What to draw, how, and until when (seconds since the epoch)."""

    kind: str
    seed: int
    examples: int
    profile: str = "nightly"
    hostile: bool = False
    remember: bool = False
    until: float | None = None


@dataclass
class Outcome:
    """What came of a round, or of several. `covered` counts (kind, phase, operation)."""

    examples: int = 0
    ops: int = 0
    failures: dict[Fingerprint, Failure] = field(default_factory=dict)
    covered: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def take(self, other: Outcome) -> None:
        """Add what came of another round."""
        self.examples += other.examples
        self.ops += other.ops
        self.covered += other.covered
        for fingerprint, failure in other.failures.items():
            known = self.failures.get(fingerprint)
            if known is None or failure.ops < known.ops:
                self.failures[fingerprint] = failure


class Arena:
    """The two implementations and the ledger between them."""

    def __init__(
        self,
        subject: subjects.Implementation,
        reference: subjects.Implementation,
        entries: Collection[ledger.Entry],
    ) -> None:
        self.subject = subject
        self.reference = reference
        self.ledger = ledger.Ledger(entries, reference.version)

    @classmethod
    def of(cls, subject: str, reference: str) -> Arena:
        """The arena of two names. Raises UnknownName and Missing."""
        declared = ledger.load(ledger.OWN) if subjects.is_own(subject) else ()
        return cls(subjects.resolve(subject), subjects.resolve(reference), declared)

    def judged(self, program: Program) -> tuple[Judgement, Trace]:
        """The verdict on a program, and the reference's trace."""
        hardened = self.subject.face.typed_errors
        mine = self.subject.driver.play(program)
        theirs = self.reference.driver.play(program, aside=hardened)
        judgement = judge(
            program, mine, theirs, levels=LEVELS, typed_errors=hardened, ledger=self.ledger
        )
        return judgement, theirs


class _OutOfTime(BaseException):
    """Leaves Hypothesis at once, from wherever it is: it lets pass what is no Exception."""


class _Fails(Exception):  # noqa: N818 - tells Hypothesis that an example is interesting
    """The scenario fails in the way that this round is after."""


def play_round(arena: Arena, task: Round, known: Collection[Fingerprint] = ()) -> Outcome:
    """Draw scenarios until one fails in a way not known yet, and shrink it."""
    outcome = Outcome()
    passed: set[str] = set()

    def check(scenario: Scenario) -> None:
        if task.until is not None and time.time() > task.until:
            raise _OutOfTime
        if outcome.failures and scenario.digest in passed:
            # Shrinking comes by the same scenario often: intents that make no step fall away.
            return
        program = Program(scenario)
        judgement, trace = arena.judged(program)
        outcome.examples += 1
        outcome.ops += len(program.ops)
        outcome.covered.update(_covered(program, trace))
        found = _failure(task.kind, program, judgement)
        if found is None or found.fingerprint in known:
            passed.add(scenario.digest)
            return
        best = outcome.failures.setdefault(found.fingerprint, found)
        if len(outcome.failures) > 1:
            # Shrinking strays into other failures: they wait for a round of their own.
            del outcome.failures[found.fingerprint]
            return
        if found.ops < best.ops:
            outcome.failures[found.fingerprint] = found
        raise _Fails

    strategy = hostile_scenarios(task.kind) if task.hostile else scenarios(task.kind)
    test = hypothesis.given(strategy)(check)
    chosen = profiles.profile(task.profile, task.kind, remember=task.remember)
    test = hypothesis.settings(chosen, max_examples=task.examples)(test)
    with contextlib.suppress(_Fails, _OutOfTime):
        hypothesis.seed(task.seed)(test)()
    return outcome


def rounds(
    kinds: Collection[str], seed: int, examples: int | None, template: Round
) -> Iterator[list[Round]]:
    """Waves of rounds, one a kind, until so many examples of each are to be drawn; or for ever."""
    left, number = examples, 0
    while left is None or left > 0:
        size = template.examples if left is None else min(template.examples, left)
        yield [
            Round(
                kind,
                (seed * 1_000_003 + number) * 101 + place,
                size,
                template.profile,
                template.hostile,
                template.remember and number == 0,
                template.until,
            )
            for place, kind in enumerate(kinds)
        ]
        left = None if left is None else left - size
        number += 1


def _failure(kind: str, program: Program, judgement: Judgement) -> Failure | None:
    first = next((one for one in judgement.findings if one.declared is None), None)
    if first is None or (first.what == "stop" and first.field == "unsupported"):
        return None
    fingerprint = _fingerprint(kind, program, first)
    about = sentence(first)
    named = program.scenario.model_copy(
        update={"name": f"{fingerprint.slug}-{program.scenario.digest[:8]}", "about": about}
    )
    return Failure(fingerprint, named, f"step {first.step} ({first.op}): {about}", len(program.ops))


def _fingerprint(kind: str, program: Program, finding: Finding) -> Fingerprint:
    op = program.ops[min(finding.index, len(program.ops) - 1)]
    return Fingerprint(kind, op.name, finding.level, finding.field, finding.what)


def _covered(program: Program, trace: Trace) -> Iterator[tuple[str, str, str]]:
    """(kind, phase before it, operation) of every op on a cache that can be seen."""
    phases: dict[str, tuple[str, str]] = {}
    for op, entry in zip(program.ops, trace.entries, strict=False):
        for name in op.targets[:1]:
            if name in phases:
                yield (*phases[name], op.name)
        phases.update((name, (held.kind, _phase(held))) for name, held in entry.held.items())


def _phase(held: Held) -> str:
    if held.get("empty") is True:
        return "empty"
    size, most = held.get("size"), held.get("max_size")
    return "full" if isinstance(most, int) and size == most else "growing"
