"""Writes the catalogue in `docs/findings.md`: what was found about mlx-lm.

    python docs/write_findings.py

It is made of the ledger's entries that say `upstream-bug`, each with the smallest scenario of the
corpus that shows it, and of `docs/findings/laws.yaml`. Every entry is played at every release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from marked import put

from kvoracle import lock
from kvoracle.releases import PINNED, release
from kvparity import ledger, subjects
from kvparity.judge import judge
from kvparity.laws.checking import SAYS, Breach, Trial
from kvparity.laws.twins import Choice
from kvparity.observe import LEVELS
from kvparity.program import Program
from kvparity.trace import Trace
from kvreports.model import Finding
from kvreports.words import sentence
from kvscenarios import Scenario
from kvscenarios.loader import load_file
from kvscenarios.select import select
from kvscenarios.writer import as_yaml

HERE = Path(__file__).parent
PAGE = HERE / "findings.md"
BEGIN, END = "<!-- findings: begin -->", "<!-- findings: end -->"


@dataclass(frozen=True)
class Entry:
    """One finding: its title, what should be, what happens, in which scenario, and where else."""

    title: str
    should: str
    happens: str
    scenario: Scenario
    shows_at: Callable[[str], bool]

    def text(self) -> str:
        """The entry, but for the releases."""
        yaml = as_yaml(self.scenario).strip()
        return (
            f"### {self.title}\n\n{self.should}\n\nHappens: {self.happens}\n\n```yaml\n{yaml}\n```"
        )


@cache
def implementation(version: str) -> subjects.Implementation:
    """A release of mlx-lm."""
    return subjects.of_sources(release(version))


@cache
def own_trace(program: Program) -> Trace:
    """A program on kvimpl."""
    return subjects.resolve(subjects.KVIMPL).driver.play(program)


def declared(program: Program, entry: ledger.Entry, version: str) -> Finding | None:
    """What the entry declares in the scenario at a release, the first if there is more."""
    theirs = implementation(version).driver.play(program, aside=True)
    known = ledger.Ledger([entry.model_copy(update={"when": ()})], None)
    own = subjects.resolve(subjects.KVIMPL).face
    found = judge(program, own_trace(program), theirs, face=own, levels=LEVELS, ledger=known)
    return next((one for one in found.findings if one.declared == entry.id), None)


def of_ledger() -> Iterator[Entry]:
    """The ledger's findings about mlx-lm."""
    corpus = select([])
    for entry in ledger.load(ledger.OWN):
        if entry.why != "upstream-bug" or not entry.holds_at(PINNED):
            continue
        programs = [Program(one) for one in corpus if entry.concerns(one)]
        for program in sorted(programs, key=lambda one: (len(one.ops), one.scenario.id)):
            found = declared(program, entry, PINNED)
            if found is not None:
                yield Entry(
                    entry.id,
                    entry.reason.strip(),
                    f"step {found.step} ({found.op}): {sentence(found)}",
                    program.scenario,
                    lambda version, p=program, e=entry: declared(p, e, version) is not None,
                )
                break


def breach(law: str, scenario: Scenario, version: str) -> Breach | None:
    """How a release breaks the law in the scenario, if it does."""
    trial = Trial(scenario, Choice(0, 0), implementation(version).driver)
    return next(trial.breaches([law]), None)


def of_laws() -> Iterator[Entry]:
    """The laws that mlx-lm breaks."""
    for scenario in load_file(HERE / "findings" / "laws.yaml"):
        law, _, kind = scenario.name.partition("@")
        found = breach(law, scenario, PINNED)
        if found is None:
            raise SystemExit(f"{scenario.name}: the law holds")
        shown = found.scenario.model_copy(update={"name": f"{law}-of-{kind}", "family": "laws"})
        yield Entry(
            f"{law}: {kind}",
            f"The law: {SAYS[law]}.\n\n{scenario.about}",
            f"step {found.broken.step + 1}: {found.broken.sentence}",
            shown,
            lambda version, la=law, sc=scenario: breach(la, sc, version) is not None,
        )


def since(entry: Entry, versions: Sequence[str]) -> str:
    """The releases that show it: all from one on, and maybe some before."""
    shows = [version for version in versions if entry.shows_at(version)]
    first = next(i for i, v in enumerate(versions) if set(versions[i:]) <= set(shows))
    earlier = [version for version in shows if version not in versions[first:]]
    text = f"Since {versions[first]}" + (", the oldest that is known" if first == 0 else "")
    return f"{text}; earlier in {earlier[0]} ... {earlier[-1]}." if earlier else f"{text}."


def catalogue() -> str:
    """All entries, as Markdown."""
    versions = list(lock.releases())
    parts = ["## Declared in the ledger"]
    parts += [f"{entry.text()}\n\n{since(entry, versions)}" for entry in of_ledger()]
    parts += ["## Laws"]
    parts += [f"{entry.text()}\n\n{since(entry, versions)}" for entry in of_laws()]
    return "\n\n".join(parts)


def main() -> None:
    """Put the catalogue where the page has one."""
    put(PAGE, BEGIN, END, f"\n\n{catalogue()}\n\n")


if __name__ == "__main__":
    main()
