"""What one scenario costs at every release of mlx-lm, with the sources at hand.

Two figures a scenario: with the releases still to be loaded, in a process that has imported
everything else, and with them loaded. The median over fresh processes is printed.

    python benchmarks/timeline.py [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

from kvoracle import lock
from kvparity.everyrelease import EveryRelease
from kvparity.program import Program
from kvscenarios.select import select

BUDGET = 0.3
SCENARIOS = (
    "rotating/ring-then-prefill",
    "masks/causal-with-a-window",
    "quantized/masks",
    "batch_rotating/members-with-a-pinned-prefix@order=a-b,last=7",
)


def once(name: str) -> tuple[float, float]:
    """Seconds for the scenario: loading every release first, and with them loaded."""
    program = Program(select([name], None)[0])
    start = time.perf_counter()
    every = EveryRelease(lock.releases())
    every.timeline(program)
    loaded = time.perf_counter()
    every.timeline(program)
    return loaded - start, time.perf_counter() - loaded


def main() -> None:
    """Print a row a scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--once", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        print(json.dumps(once(given.once)))
        return
    table = Table("scenario", "from sources, s", "loaded, s", "budget, s")
    for name in SCENARIOS:
        command = [sys.executable, __file__, "--once", name]
        runs = [
            json.loads(subprocess.check_output(command, text=True))  # noqa: S603 - this script
            for _ in range(given.rounds)
        ]
        cold, warm = (statistics.median(column) for column in zip(*runs, strict=True))
        table.add_row(name, f"{cold:.3f}", f"{warm:.3f}", f"<= {BUDGET}")
    Console().print(table)


if __name__ == "__main__":
    main()
