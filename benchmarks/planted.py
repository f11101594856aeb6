"""How soon a fuzz finds each of the planted faults, and to how few steps it shrinks them.

The faults are those of the suite (`harness/tests/planted.py`). A fault is looked for among the
scenarios of its kind, hostile ones where it is about what must be refused, against the installed
mlx-lm and against the laws, round after round as `kvparity fuzz --kind KIND` does. Printed are the
seconds and scenarios to the first failure, and the steps that are left of it; the budget is 2
seconds each, and 6 steps in the median.

    python benchmarks/planted.py [--seed X]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from kvoracle.face import CLASS_NAMES, Face
from kvparity import subjects
from kvparity.campaign import Arena, Round, play_round, rounds
from kvparity.laws import checking
from kvparity.ledger import Ledger
from kvparity.outcome import Fingerprint
from kvparity.play import InProcess

sys.path.insert(0, str(Path(__file__).parent.parent / "harness" / "tests"))

import planted

_EXAMPLES, _ROUND = 400, 25
_KINDS = {name: kind for kind, name in CLASS_NAMES.items()}


def kind_of(fault: planted.Fault) -> str:
    """The kind of scenarios that the fault is looked for in."""
    name = next(iter(fault.replaced))
    return _KINDS.get(name) or ("prompt" if "prompt" in name else "masks")


def arena(name: str, reference: subjects.Implementation) -> Arena:
    """Our caches with the fault in them, against the reference."""
    driver = InProcess(Face(name, planted.module(planted.FAULTS[name])))
    return Arena(
        subjects.Implementation(name, None, "planted", {}, driver), reference, Ledger((), None)
    )


def first(name: str, reference: subjects.Implementation, seed: int) -> tuple[float, int, int]:
    """(seconds, scenarios, steps after shrinking) of the first failure; no steps where none is."""
    fault = planted.FAULTS[name]
    sides, kind = arena(name, reference), kind_of(fault)
    template = Round("", 0, _ROUND, "debug", hostile=fault.glob.startswith("input"))
    began, examples = time.perf_counter(), 0
    known: set[Fingerprint] = set()  # what the reference breaks is no finding, and found but once
    for wave in rounds([kind], seed, _EXAMPLES, template, checking.KINDS):
        for task in wave:
            found = play_round(sides, task, known)
            examples += found.examples
            if found.findings:
                took = time.perf_counter() - began
                shrunk = play_round(sides, replace(task, profile="gate"), known).findings
                return took, examples, min(len(one.scenario.steps) for one in shrunk)
            known |= set(found.failures)
    return time.perf_counter() - began, examples, 0


def main() -> None:
    """Print a row a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    seed: int = parser.parse_args().seed
    reference = subjects.resolve(subjects.INSTALLED)
    first("trim_returns_what_was_asked", reference, seed)  # the first one pays for what is loaded
    table = Table("fault", "kind", "seconds", "scenarios", "steps")
    rows = {name: first(name, reference, seed) for name in planted.FAULTS}
    for name, (took, examples, steps) in rows.items():
        shown = str(steps) if steps else "not found"
        table.add_row(name, kind_of(planted.FAULTS[name]), f"{took:.2f}", str(examples), shown)
    Console(width=120).print(table)
    found = [row for row in rows.values() if row[2]]
    print(f"found: {len(found)} of {len(rows)}")
    print(f"longest: {max(took for took, *_ in found):.2f} s (budget 2)")
    print(f"steps, median: {statistics.median(steps for *_, steps in found)} (budget 6)")


if __name__ == "__main__":
    main()
