"""How many deliberate faults are noticed, and by what: the corpus, or a short fuzz.

A mutant of mlx-lm's `models/cache.py` or `models/base.py` stands, loaded from memory, against the
pristine release; a mutant of kvimpl against the installed release, under our ledger. It is killed
where a scenario makes the two differ. First the corpus is tried, then a fuzz on what survived.
Survivors are listed with their line and change; `unobservable.yaml` says of some why no user can
tell them from the original, and these are left out of the percentages.

A mutant that never ends, or takes mlx down, is killed, too. Mutants are sampled evenly over
classes, with a fixed seed.

    pip install -e '.[power]'
    python benchmarks/power.py [--of reference|kvimpl] [--mutants N] [--seconds S] [--seed X]
"""

from __future__ import annotations

import argparse
import importlib
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import replace
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import yaml
from mutants import Mutant, of_kvimpl, of_reference
from pebble import ProcessExpired, ProcessPool
from rich.console import Console
from rich.progress import track

import kvimpl
from kvoracle import sources
from kvoracle.face import CLASS_NAMES, Face
from kvparity import ledger, subjects
from kvparity.campaign import Arena, Round, play_round
from kvparity.generate.starts import KINDS
from kvparity.judge import Judgement, judge
from kvparity.observe import LEVELS
from kvparity.play import InProcess
from kvparity.program import Program
from kvparity.trace import Trace
from kvscenarios import Scenario
from kvscenarios.loader import load_corpus

LIMIT = 60.0
"""Seconds after which a mutant counts as one that never ends, beside the time for the fuzz."""
MEMORY = 6 << 30
"""Bytes that a mutant may have: some grow a buffer without end."""
_TOGETHER = 32
UNOBSERVABLE = Path(__file__).with_name("unobservable.yaml")


class Lab:
    """The corpus with the reference's traces, ready to have mutants played against it."""

    def __init__(self, of: str) -> None:
        self.of = of
        self.reference = subjects.resolve(subjects.INSTALLED)
        hardened = of == "kvimpl"
        self.programs = [Program(scenario) for scenario in load_corpus()]
        self.traces: dict[str, Trace] = {}
        for first in range(0, len(self.programs), _TOGETHER):
            some = self.programs[first : first + _TOGETHER]
            traces = self.reference.driver.play_all(some, aside=hardened)
            self.traces |= {p.scenario.id: t for p, t in zip(some, traces, strict=True)}
        entries = ledger.load(ledger.OWN) if hardened else ()
        self.ledger = ledger.Ledger(entries, self.reference.version)
        pristine = subjects.resolve("kvimpl") if hardened else self.reference
        self.usual = dict(self._judged(pristine, self.programs))

    def kills(self, mutant: Mutant) -> str | None:
        """The scenario of the corpus that tells the mutant from the original."""
        subject = self.subject(mutant)
        if subject is None:
            return "does not load"
        near = _kinds(mutant)
        programs = sorted(self.programs, key=lambda program: not near & _kinds_of(program.scenario))
        for first in range(0, len(programs), _TOGETHER):
            for name, judgement in self._judged(subject, programs[first : first + _TOGETHER]):
                if judgement != self.usual[name]:
                    return name
        return None

    def fuzzed(self, mutant: Mutant, seconds: float) -> str | None:
        """What a fuzz of so many seconds finds, every other round on the kinds concerned."""
        subject = self.subject(mutant)
        assert subject is not None
        arena = Arena(subject, self.reference, self.ledger)
        own = sorted(_kinds(mutant) & set(KINDS)) or list(KINDS)
        end = time.time() + seconds
        for number in count():
            if time.time() > end:
                return None
            kinds = KINDS if number % 2 else own
            kind = kinds[number // 2 % len(kinds)]
            hostile = self.of == "kvimpl" and number % 4 > 1
            found = play_round(arena, Round(kind, number, 30, "debug", hostile, until=end))
            if found.failures:
                return next(iter(found.failures)).slug
        return None

    def subject(self, mutant: Mutant) -> subjects.Implementation | None:
        """The mutant ready to play; None where it does not even load."""
        if self.of == "reference":
            changed = replace(sources.installed(), **{mutant.stem: mutant.text.encode()})
            try:
                return subjects.of_sources(changed)
            except sources.OracleError:
                return None
        return self._of_kvimpl(mutant)

    def _of_kvimpl(self, mutant: Mutant) -> subjects.Implementation | None:
        """Kvimpl with one module changed, as a package of another name."""
        name = f"kvimpl_{abs(hash(mutant))}"
        with tempfile.TemporaryDirectory() as directory:
            package = Path(directory) / name
            shutil.copytree(Path(kvimpl.__file__).parent, package)
            (package / f"{mutant.stem}.py").write_text(mutant.text, encoding="utf-8")
            sys.path.insert(0, directory)
            try:
                module = importlib.import_module(name)
            except Exception:  # noqa: BLE001 - a mutant may raise anything
                return None
            finally:
                sys.path.remove(directory)
        return subjects.Implementation(name, None, name, {}, InProcess(Face(name, module)))

    def _judged(
        self, subject: subjects.Implementation, programs: list[Program]
    ) -> Iterator[tuple[str, Judgement]]:
        for first in range(0, len(programs), _TOGETHER):
            some = programs[first : first + _TOGETHER]
            for program, trace in zip(some, subject.driver.play_all(some), strict=True):
                name = program.scenario.id
                judgement = judge(
                    program,
                    trace,
                    self.traces[name],
                    face=subject.face,
                    levels=LEVELS,
                    ledger=self.ledger,
                )
                yield name, judgement


def _kinds(mutant: Mutant) -> set[str]:
    """The kinds of caches that the mutant is about, as far as its name tells."""
    by_class = {name: kind for kind, name in CLASS_NAMES.items()}
    kind = by_class.get(mutant.part, mutant.stem)
    return {kind, *{"standard": ["batch"], "rotating": ["batch_rotating"]}.get(kind, ())}


def _kinds_of(scenario: Scenario) -> set[str]:
    return {scenario.family, *(spec.kind for spec in scenario.specs.values())}


_labs: list[Lab] = []


def _begin(of: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    _labs.append(Lab(of))


def examine(mutant: Mutant, seconds: float) -> tuple[str, str]:
    """By what the mutant is killed, and where: corpus, fuzz, or nothing."""
    lab = _labs[-1]
    name = lab.kills(mutant)
    if name is not None:
        return "corpus", name
    slug = lab.fuzzed(mutant, seconds)
    return ("fuzz", slug) if slug else ("nothing", "")


def examined(
    mutants: list[Mutant], of: str, seconds: float, jobs: int
) -> Iterator[tuple[Mutant, str, str]]:
    """Every mutant with what kills it; one whose process dies, or never ends, is killed."""
    with ProcessPool(
        jobs, context=get_context("spawn"), initializer=_begin, initargs=(of,)
    ) as pool:
        futures: list[Any] = [
            pool.schedule(examine, (mutant, seconds), timeout=LIMIT + seconds) for mutant in mutants
        ]
        for mutant, future in zip(mutants, futures, strict=True):
            try:
                yield mutant, *future.result()
            except TookTooLong:
                yield mutant, "corpus", "never ends"
            except ProcessExpired:
                yield mutant, "corpus", "takes the process down"
            except MemoryError:
                yield mutant, "corpus", "takes all memory"


def main() -> None:
    """Mutate, kill, count, and list the survivors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--of", choices=["reference", "kvimpl"], default="reference")
    parser.add_argument("--mutants", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=20.0, help="of fuzz for each survivor")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    wish = parser.parse_args()
    reasons: dict[str, str] = yaml.safe_load(UNOBSERVABLE.read_text(encoding="utf-8")) or {}
    if wish.of == "reference":
        mutants, total = of_reference(sources.installed(), wish.mutants, wish.seed)
    else:
        mutants, total = of_kvimpl(wish.mutants, wish.seed)
    by: dict[str, int] = {"corpus": 0, "fuzz": 0, "nothing": 0, "unobservable": 0}
    console = Console(soft_wrap=True)
    work = examined(mutants, wish.of, wish.seconds, wish.jobs)
    for mutant, what, where in track(work, "mutants", len(mutants), console=Console(stderr=True)):
        reason = reasons.get(mutant.key)
        fate = "unobservable" if what == "nothing" and reason else what
        by[fate] += 1
        if what != "corpus":
            said = {"fuzz": f"fuzz only ({where})", "nothing": reason or "SURVIVES"}[what]
            console.print(f"{mutant.stem}.py:{mutant.line} {mutant.key}: {said}", markup=False)
    counted = len(mutants) - by["unobservable"]
    console.print(f"{len(mutants)} of {total} mutants, {by['unobservable']} of them unobservable")
    console.print(f"killed by the corpus:          {by['corpus'] / counted:.1%}")
    console.print(f"killed by the corpus and fuzz: {(by['corpus'] + by['fuzz']) / counted:.1%}")


if __name__ == "__main__":
    main()
