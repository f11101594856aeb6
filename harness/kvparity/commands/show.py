"""`kvparity show`: a scenario's steps as a table of what each side holds."""

from __future__ import annotations

import json

from kvparity import ledger, subjects
from kvparity.judge import judge
from kvparity.observe import LEVELS
from kvparity.program import Program
from kvparity.views import op_views
from kvreports import terminal
from kvreports.words import placed, plain
from kvscenarios import Scenario, ScenarioError
from kvscenarios.errors import Problem
from kvscenarios.select import select


def command(
    selector: str, subject: str, reference: str, keyword: str | None, *, as_json: bool
) -> int:
    """Play one scenario on both sides and print what they hold after each op, and what is wrong."""
    held, against = subjects.resolve(subject), subjects.resolve(reference)
    program = Program(only(selector, keyword))
    mine = held.driver.play(program)
    theirs = against.driver.play(program, aside=held.face.typed_errors)
    ops = op_views(program, mine, theirs, range(len(program.ops)))
    if as_json:
        print(json.dumps([op.model_dump(mode="json") for op in ops], indent=1))
    else:
        scenario = program.scenario
        terminal.table(scenario.id, scenario.about, held.name, against.name, ops)
        known = ledger.between(subject, against.version)
        found = judge(program, mine, theirs, face=held.face, levels=LEVELS, ledger=known).findings
        for finding in found:
            if finding.declared is None:
                print(plain(placed(finding)))
    return 0


def only(selector: str, keyword: str | None) -> Scenario:
    """The one scenario that is meant. Raises ScenarioError where these are several."""
    found = select([selector], keyword)
    if len(found) > 1:
        names = ", ".join(scenario.id for scenario in found[:5])
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        message = f"these are {len(found)} scenarios; name one: {names}{more}"
        raise ScenarioError([Problem(message, selector)])
    return found[0]
