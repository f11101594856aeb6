"""`kvparity list`: the scenarios by name."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from kvreports.words import plain
from kvscenarios import Scenario
from kvscenarios.select import select


def command(selectors: Sequence[str], keyword: str | None, *, as_json: bool) -> int:
    """Print a line a scenario, or JSON."""
    scenarios = select(selectors, keyword)
    if as_json:
        print(json.dumps([_row(scenario) for scenario in scenarios], indent=1))
        return 0
    width = max((len(scenario.id) for scenario in scenarios), default=0)
    for scenario in scenarios:
        print(plain(f"{scenario.id:<{width}}  {scenario.about or ''}".rstrip()))
    print(f"{len(scenarios)} scenarios", file=sys.stderr)
    return 0


def _row(scenario: Scenario) -> dict[str, Any]:
    return {
        "id": scenario.id,
        "file": scenario.file,
        "line": scenario.line,
        "digest": scenario.digest,
        "about": scenario.about,
        "source": scenario.source,
        "kinds": sorted({spec.kind for spec in scenario.specs.values()}),
        "operations": list(dict.fromkeys(step.op for step in scenario.steps)),
    }
