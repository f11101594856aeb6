"""`kvparity check`: one scenario's verdict as an exit code, for `git bisect run`."""

from __future__ import annotations

import sys

from kvparity import ledger, subjects
from kvparity.exitcodes import CANNOT_JUDGE, CONFORMS, DIVERGES
from kvparity.observe import LEVELS
from kvparity.record import Plan
from kvparity.run import run
from kvreports.model import PASSING
from kvreports.words import plain
from kvscenarios import ScenarioError
from kvscenarios.select import select

_NOT_JUDGED = {"unsupported", "lacking", "crashed", "timeout", "reference-moved", "hand-differs"}


def command(selector: str, subject: str, reference: str, *, keyword: str | None) -> int:
    """0 where the subject conforms, 1 where it diverges, 125 where that cannot be told.

    A commit may be older than the scenario, or than the language that it is written in.
    """
    try:
        return _judged(selector, subject, reference, keyword)
    except (subjects.Missing, ScenarioError) as error:
        for line in str(error).splitlines():
            print(f"kvparity: cannot judge: {plain(line)}", file=sys.stderr)
        return CANNOT_JUDGE


def _judged(selector: str, subject: str, reference: str, keyword: str | None) -> int:
    held, against = subjects.resolve(subject), subjects.resolve(reference)
    scenarios = select([selector], keyword)
    declared = ledger.between(subject, against.version)
    plan = Plan(held, against, LEVELS, declared, whole_corpus=False, command=())
    verdicts = set()
    for record in run(plan, scenarios).records:
        print(plain(f"{record.verdict} {record.id}: {record.summary}"))
        verdicts.add(record.verdict)
    if verdicts - PASSING - _NOT_JUDGED:
        return DIVERGES
    return CANNOT_JUDGE if verdicts & _NOT_JUDGED else CONFORMS
