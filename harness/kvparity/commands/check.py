"""`kvparity check`: one scenario's verdict as an exit code, for `git bisect run`."""

from __future__ import annotations

import sys

from kvparity import ledger, subjects
from kvparity.exitcodes import CANNOT_JUDGE, CONFORMS, DIVERGES
from kvparity.observe import LEVELS
from kvparity.record import Plan
from kvparity.run import run
from kvreports.model import PASSING
from kvscenarios.select import select

_NOT_JUDGED = {"unsupported", "lacking", "crashed", "timeout", "reference-moved", "hand-differs"}


def command(selector: str, subject: str, reference: str, *, keyword: str | None) -> int:
    """0 where the subject conforms, 1 where it diverges, 125 where that cannot be told."""
    scenarios = select([selector], keyword)
    try:
        held, against = subjects.resolve(subject), subjects.resolve(reference)
    except subjects.Missing as error:
        print(f"kvparity: cannot judge: {error}", file=sys.stderr)
        return CANNOT_JUDGE
    declared = ledger.between(subject, against.version)
    plan = Plan(held, against, LEVELS, declared, whole_corpus=False, command=())
    verdicts = set()
    for record in run(plan, scenarios).records:
        print(f"{record.verdict} {record.id}: {record.summary}")
        verdicts.add(record.verdict)
    if verdicts - PASSING - _NOT_JUDGED:
        return DIVERGES
    return CANNOT_JUDGE if verdicts & _NOT_JUDGED else CONFORMS
