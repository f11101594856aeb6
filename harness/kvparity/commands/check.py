"""`kvparity check`: one scenario's verdict as an exit code, for `git bisect run`."""

from __future__ import annotations

import json
import sys

from kvparity import ledger, subjects
from kvparity.exitcodes import CANNOT_JUDGE, CONFORMS, DIVERGES
from kvparity.observe import LEVELS
from kvparity.record import Plan
from kvparity.run import run
from kvreports.model import PASSING, Record
from kvreports.words import plain
from kvscenarios import ScenarioError
from kvscenarios.select import select

_NOT_JUDGED = {"unsupported", "lacking", "crashed", "timeout", "reference-moved", "hand-differs"}


def command(
    selector: str, subject: str, reference: str, *, keyword: str | None, as_json: bool
) -> int:
    """0 where the subject conforms, 1 where it diverges, 125 where that cannot be told.

    A commit may be older than the scenario, or than the language that it is written in.
    """
    try:
        records = _judged(selector, subject, reference, keyword)
    except (subjects.Missing, ScenarioError) as error:
        for line in str(error).splitlines():
            print(f"kvparity: cannot judge: {plain(line)}", file=sys.stderr)
        return CANNOT_JUDGE
    if as_json:
        print(json.dumps([_row(record) for record in records], indent=1))
    else:
        for record in records:
            print(plain(f"{record.verdict} {record.id}: {record.summary}"))
    verdicts = {record.verdict for record in records}
    if verdicts - PASSING - _NOT_JUDGED:
        return DIVERGES
    return CANNOT_JUDGE if verdicts & _NOT_JUDGED else CONFORMS


def _row(record: Record) -> dict[str, str]:
    return {"id": record.id, "verdict": record.verdict, "summary": record.summary}


def _judged(selector: str, subject: str, reference: str, keyword: str | None) -> tuple[Record, ...]:
    held, against = subjects.resolve(subject), subjects.resolve(reference)
    scenarios = select([selector], keyword)
    declared = ledger.between(subject, against.version)
    plan = Plan(held, against, LEVELS, declared, whole_corpus=False, command=())
    return run(plan, scenarios).records
