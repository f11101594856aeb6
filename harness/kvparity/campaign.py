"""Plays generated scenarios on both sides, and keeps the smallest of each kind of failure.

A campaign is a row of rounds. A round draws scenarios of one kind until one fails, and shrinks that
one; the next passes over what is known already, and so finds what else there is. Some rounds hold
the two sides against each other, others hold each of them against the laws of caches. Every round
has a seed of its own, made from the campaign's, so that rounds can be played anywhere in any order.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import hypothesis
from hypothesis import strategies as st

from kvparity import garbage, interruptions, ledger, subjects
from kvparity.generate import profiles
from kvparity.generate.strategies import Drawn, drawn, scenario
from kvparity.judge import Judgement, judge
from kvparity.laws.checking import HARDENED, LAWS, Breach, Trial, Tried, tries
from kvparity.observe import LEVELS
from kvparity.outcome import LAW, REFERENCE_LAW, Failure, Fingerprint, Outcome
from kvparity.program import Program
from kvparity.trace import Held, Trace
from kvreports.model import Finding
from kvreports.words import sentence
from kvscenarios import Scenario

_COLLECTED = 64
"""Scenarios after which garbage is collected: Hypothesis makes some that goes in circles."""
_LAWS_SHARE = 5
"""One scenario is tried against the laws for so many that are held against the other side."""


@dataclass(frozen=True)
class Round:
    """What to draw, how, until when (seconds since the epoch); `laws`, whether laws are tried.

    `remember`: keep failing examples; `replay`: try first those that were kept before.
    """

    kind: str
    seed: int
    examples: int
    profile: str = "nightly"
    hostile: bool = False
    remember: bool = False
    replay: bool = False
    until: float | None = None
    laws: bool = False

    @property
    def memory(self) -> str:
        """Under which name failing examples are kept: one for all that are drawn alike.

        Read as another strategy's they would mean something else, pass, and be forgotten.
        """
        if self.laws:
            return f"{self.kind}-laws"
        return f"{self.kind}-hostile" if self.hostile else self.kind


class Arena:
    """The two implementations and the ledger between them."""

    def __init__(
        self,
        subject: subjects.Implementation,
        reference: subjects.Implementation,
        declared: ledger.Ledger,
    ) -> None:
        self.subject = subject
        self.reference = reference
        self.ledger = declared

    @classmethod
    def of(cls, subject: str, reference: str) -> Arena:
        """The arena of two names. Raises UnknownName and Missing."""
        held, against = subjects.resolve(subject), subjects.resolve(reference)
        return cls(held, against, ledger.between(subject, against.version))

    def played(self, program: Program) -> tuple[Trace, Trace]:
        """The traces of subject and reference."""
        theirs = self.reference.driver.play(program, aside=self.subject.face.typed_errors)
        return self.subject.driver.play(program), theirs

    def judged(self, program: Program) -> tuple[Judgement, Trace]:
        """The verdict on a program, and the reference's trace."""
        traces = self.played(program)
        return self.judgement(program, traces), traces[1]

    def judgement(self, program: Program, traces: tuple[Trace, Trace]) -> Judgement:
        """The verdict on a program's two traces."""
        face = self.subject.face
        return judge(program, *traces, face=face, levels=LEVELS, ledger=self.ledger)


class _OutOfTime(KeyboardInterrupt):
    """Leaves Hypothesis at once, from wherever it is, and without the example being remembered."""


class _Fails(Exception):  # noqa: N818 - tells Hypothesis that an example is interesting
    """The scenario fails in the way that this round is after."""


def play_round(
    arena: Arena,
    task: Round,
    known: Collection[Fingerprint] = (),
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Draw scenarios until one fails in a way not known yet, and shrink it.

    `stopped` is asked before every scenario whether to leave with what there is.
    """
    outcome, began = Outcome(), time.perf_counter()
    passed: set[str] = set()
    fails = _breaks_a_law if task.laws else _differs

    def check(what: Any) -> None:
        interruptions.check()
        if stopped() or (task.until is not None and time.time() > task.until):
            raise _OutOfTime
        at = time.perf_counter()
        made = scenario(what.drawn if task.laws else what)
        outcome.seconds["building"] += time.perf_counter() - at
        steps = None
        if outcome.failures:
            # Shrinking comes by the same scenario often: intents that make no step fall away.
            steps = repr((what[1:3], made.specs, made.steps))
            if steps in passed:
                return
        if outcome.examples % _COLLECTED == _COLLECTED - 1:
            garbage.collect()  # here: what is passed over above is not counted
        found = fails(arena, what, made, outcome, known)
        if found is None:
            if steps is not None:
                passed.add(steps)
            return
        _take(outcome, found)

    # In this order: a seed takes the database away from the settings that it finds.
    test = hypothesis.seed(task.seed)(hypothesis.given(_strategy(task))(check))
    test = hypothesis.settings(_settings(task), max_examples=task.examples)(test)
    with garbage.seldom_collected(), contextlib.suppress(_Fails, _OutOfTime):
        test()
    spent = time.perf_counter() - began
    outcome.seconds["drawing"] = spent - sum(outcome.seconds.values())
    return outcome


def _take(outcome: Outcome, found: Failure) -> None:
    """Keep a failure, if it is the one that the round is after. Raises what tells Hypothesis so."""
    best = outcome.failures.setdefault(found.fingerprint, found)
    if len(outcome.failures) > 1:
        # Shrinking strays into other failures: they wait for a round of their own.
        del outcome.failures[found.fingerprint]
        return
    if found.fingerprint.field == "timeout":
        raise _OutOfTime  # to shrink it would be to wait for every smaller one
    if found.ops < best.ops:
        outcome.failures[found.fingerprint] = found
    raise _Fails


def _settings(task: Round) -> hypothesis.settings:
    chosen = profiles.profile(task.profile)
    if not task.remember:
        return chosen
    return profiles.remembering(chosen, task.memory, replay=task.replay)


def _strategy(task: Round) -> st.SearchStrategy[Any]:
    return tries(task.kind) if task.laws else drawn(task.kind, wrong=task.hostile)


def _differs(
    arena: Arena,
    what: Drawn,
    made: Scenario,
    outcome: Outcome,
    known: Collection[Fingerprint],
) -> Failure | None:
    """The failure of a scenario in which the sides differ, unless it is known."""
    began = time.perf_counter()
    program = Program(made)
    built = time.perf_counter()
    traces = arena.played(program)
    played = time.perf_counter()
    judgement = arena.judgement(program, traces)
    found = _failure(what.kind, program, judgement)
    outcome.examples += 1
    outcome.ops += len(program.ops)
    outcome.covered.update(_covered(program, traces[1]))
    outcome.seconds["building"] += built - began
    outcome.seconds["playing"] += played - built
    outcome.seconds["judging"] += time.perf_counter() - played
    return None if found is None or found.fingerprint in known else found


def _breaks_a_law(
    arena: Arena,
    what: Tried,
    made: Scenario,
    outcome: Outcome,
    known: Collection[Fingerprint],
) -> Failure | None:
    """The failure of a side that breaks a law, unless it is known.

    What the reference breaks alike is the reference's: only a hardened subject promises better.
    """
    began = time.perf_counter()
    outcome.examples += 1
    try:
        for side, name in ((arena.subject, LAW), (arena.reference, REFERENCE_LAW)):
            sought = next(iter(outcome.failures), None)
            if sought is not None and sought.what != name:
                continue
            trial = Trial(made, what.choice, side.driver)
            laws = _promised(arena) if name == LAW else LAWS
            try:
                for breach in trial.breaches(laws if sought is None else (sought.operation,)):
                    found = _of_law(breach, name)
                    if found.fingerprint in known:
                        continue
                    if name == LAW and _breaks_alike(arena, what, made, breach):
                        continue
                    return found
            finally:
                outcome.ops += trial.ops
                outcome.laws.update(trial.said)
        return None
    finally:
        outcome.seconds["laws"] += time.perf_counter() - began


def _breaks_alike(arena: Arena, what: Tried, made: Scenario, breach: Breach) -> bool:
    """Whether the reference breaks the law, too, in the same kind and field of the scenario."""
    if arena.subject.face.typed_errors:
        return False
    theirs = Trial(made, what.choice, arena.reference.driver).breaches((breach.law,))
    return any(_way(one) == _way(breach) for one in theirs)


def _way(breach: Breach) -> tuple[str, str, str]:
    return breach.law, breach.broken.kind, breach.broken.field


def _promised(arena: Arena) -> list[str]:
    """The laws that the subject is to keep: those of hardened caches, if it is one of them."""
    hardened = arena.subject.face.typed_errors
    return [law for law in LAWS if hardened or law not in HARDENED]


def _of_law(breach: Breach, what: str) -> Failure:
    broken = breach.broken
    fingerprint = Fingerprint(broken.kind, breach.law, "law", broken.field, what)
    about = f"{breach.law}: {broken.sentence}"
    side = "the reference, " if what == REFERENCE_LAW else ""
    named, plain = _named(breach.scenario, fingerprint, about), breach.plain
    if plain is not None:
        plain = _called(plain, f"{named.name}-plain", f"What {named.name} should come to.")
    said = f"step {broken.step + 1}: {side}{about}"
    return Failure(fingerprint, named, said, len(Program(breach.scenario).ops), plain)


def _named(made: Scenario, fingerprint: Fingerprint, about: str) -> Scenario:
    return _called(made, f"{fingerprint.slug}-{made.digest[:8]}", about)


def _called(made: Scenario, name: str, about: str) -> Scenario:
    return made.model_copy(update={"name": name, "about": about})


def rounds(
    kinds: Collection[str],
    seed: int,
    examples: int | None,
    template: Round,
    laws: Collection[str] = (),
) -> Iterator[list[Round]]:
    """Waves of rounds until so many examples of each kind are to be drawn; or for ever.

    A round of each kind, and behind them one of each that is to be held against the laws.
    """
    left, number = examples, 0
    while left is None or left > 0:
        size = template.examples if left is None else min(template.examples, left)
        first = replace(template, examples=size, replay=number == 0)
        wave = [replace(first, kind=kind) for kind in kinds]
        fewer = max(1, size // _LAWS_SHARE)
        lawful = replace(first, examples=fewer, laws=True)
        wave += [replace(lawful, kind=kind) for kind in kinds if kind in laws]
        start = (seed * 1_000_003 + number) * 101
        yield [replace(one, seed=start + place) for place, one in enumerate(wave)]
        left = None if left is None else left - size
        number += 1


def _failure(kind: str, program: Program, judgement: Judgement) -> Failure | None:
    first = next((one for one in judgement.findings if one.declared is None), None)
    if first is None or (first.what == "stop" and first.field == "unsupported"):
        return None
    fingerprint = _fingerprint(kind, program, first)
    about = sentence(first)
    named = _named(program.scenario, fingerprint, about)
    return Failure(fingerprint, named, f"step {first.step} ({first.op}): {about}", len(program.ops))


def _fingerprint(kind: str, program: Program, finding: Finding) -> Fingerprint:
    op = program.ops[min(finding.index, len(program.ops) - 1)]
    return Fingerprint(kind, op.name, finding.level, finding.field, finding.what)


def _covered(program: Program, trace: Trace) -> Counter[tuple[str, str, str]]:
    """(kind, phase before it, operation) of every op on a cache that can be seen."""
    found: Counter[tuple[str, str, str]] = Counter()
    before: dict[str, Held] = {}
    for op, entry in zip(program.ops, trace.entries, strict=False):
        held = before.get(op.targets[0]) if op.targets else None
        if held is not None:
            found[held.kind, _phase(held), op.name] += 1
        elif not op.targets:
            found["functions", "", op.name] += 1
        before = {**before, **entry.held} if op.token is not None else entry.held
    return found


def _phase(held: Held) -> str:
    if held.get("empty") is True:
        return "empty"
    size, most = held.get("size"), held.get("max_size")
    return "full" if isinstance(most, int) and size == most else "growing"
