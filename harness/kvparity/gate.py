"""What a gate plays: configured pairs, the corpus, and generated scenarios, the same in every run.

How many are generated is a number and not a time: a slow machine sees what a fast one sees.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import hypothesis

from kvparity import config, interruptions, ledger, subjects
from kvparity.campaign import Arena, Round, play_round
from kvparity.config import Config
from kvparity.generate import profiles
from kvparity.generate.starts import KINDS
from kvparity.generate.strategies import Drawn, drawn, scenario
from kvparity.outcome import Outcome
from kvparity.record import Plan
from kvreports.model import Record
from kvscenarios import Scenario
from kvscenarios.caches import CacheSpec
from kvscenarios.select import select

_SEED = 0
_WAYS = 3
"""Ways in which generated scenarios of one kind fail that are looked for, each shrunk."""
GENERATED = "generated"


def pairs(chosen: Config) -> list[tuple[str, str]]:
    """Every configured subject with every configured reference. Raises ConfigError."""
    references = config.references(chosen.references)
    return [(subject, reference) for subject in chosen.subjects for reference in references]


def plan(
    chosen: Config, pair: tuple[str, str], *, whole: bool = True, command: Sequence[str] = ()
) -> Plan:
    """How a pair is held together; `whole`, whether everything that is configured is played.

    Of a ledger that speaks of more than is played, no entry can be called stale.
    """
    subject, reference = pair
    against = subjects.resolve(reference)
    narrowed = bool(chosen.scenarios or chosen.kinds) and chosen.ledger is None
    return Plan(
        subject=subjects.resolve(subject),
        reference=against,
        levels=chosen.levels,
        ledger=ledger.between(subject, against.version, chosen.ledger),
        whole_corpus=whole and not narrowed,
        command=command,
    )


def scenarios(chosen: Config) -> list[Scenario]:
    """The configured scenarios, and the generated ones behind them."""
    declared = of_kinds(select(chosen.scenarios), chosen.kinds)
    return [*declared, *generated(chosen.kinds, chosen.examples)]


def of_kinds(scenarios: Sequence[Scenario], kinds: Collection[str]) -> list[Scenario]:
    """The scenarios whose caches are of these kinds; those without caches where none is named."""
    if not kinds:
        return list(scenarios)
    return [
        one for one in scenarios if one.specs and set(_kinds_of(one.specs.values())) <= set(kinds)
    ]


def _kinds_of(specs: Collection[CacheSpec]) -> Iterator[str]:
    for spec in specs:
        yield spec.kind
        yield from _kinds_of(getattr(spec, "caches", ()))


def generated(kinds: Collection[str], examples: int) -> list[Scenario]:
    """So many scenarios of each kind, the same in every run, each once."""
    found: dict[str, Scenario] = {}
    for kind in kinds or KINDS:
        for one in _drawn(kind, examples) if examples else ():
            name = f"{kind}-{one.digest[:8]}"
            found.setdefault(one.digest, one.model_copy(update={"name": name}))
    return list(found.values())


def _drawn(kind: str, examples: int) -> list[Scenario]:
    made: list[Scenario] = []

    def keep(what: Drawn) -> None:
        interruptions.check()
        made.append(scenario(what))

    chosen = profiles.profile("debug")  # draws, and shrinks nothing
    test = hypothesis.settings(chosen, max_examples=examples)(hypothesis.given(drawn(kind))(keep))
    hypothesis.seed(_SEED)(test)()
    return made


def smallest(arena: Arena, failing: Sequence[Record], examples: int) -> list[tuple[str, Scenario]]:
    """Of the ways in which generated scenarios fail, the kind and smallest scenario of each."""
    found = Outcome()
    for kind in dict.fromkeys(kind_of(record) for record in failing):
        for _ in range(_WAYS):
            before = len(found.failures)
            task = Round(kind, _SEED, examples, "gate")
            found.take(play_round(arena, task, found.failures))
            if len(found.failures) == before:
                break
    return [(failure.fingerprint.kind, failure.scenario) for failure in found.findings]


def kind_of(record: Record) -> str:
    """The kind that a generated scenario was drawn for."""
    return record.id.partition("/")[2].rpartition("-")[0]


def is_generated(record: Record) -> bool:
    """Whether the record is of a generated scenario."""
    return record.id.startswith(f"{GENERATED}/")
