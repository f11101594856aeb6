"""How many steps a second a fuzz plays, observes and compares in one process, and where time goes.

A step is an operation on both sides; a decode counts each of its tokens. Every kind is given
several rounds, as a campaign does, each with a seed of its own. Printed are the steps a second of
the fastest, for what else the machine does only ever slows one down, and of the median; and in the
fastest the shares of drawing (Hypothesis's own), of building scenarios and arrays out of what was
drawn, of playing both sides, and of comparing. The budgets are for kinds that are flat, which hold
keys and values and nothing else: at least 10,000 steps a second, and less than 40 percent for
drawing.

    python benchmarks/fuzz_speed.py [--examples N] [--rounds N] [--kind KIND ...]
"""

from __future__ import annotations

import argparse
import statistics
import time

from rich.console import Console
from rich.progress import track
from rich.table import Table

from kvparity.campaign import Arena, Round, play_round
from kvparity.generate.starts import KINDS
from kvparity.outcome import Outcome

_SPENT = ("drawing", "building", "playing", "judging")


def main() -> None:
    """Print a row a kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kind", action="append", choices=KINDS)
    wish = parser.parse_args()
    arena = Arena.of("kvimpl", "mlx-lm")
    play_round(arena, Round("standard", 1, 20, "debug"))  # pays for what is loaded
    table = Table("kind", "scenarios", "steps", "steps/s", "median", *_SPENT)
    kinds = wish.kind or KINDS
    for kind in track(kinds, console=Console(stderr=True), transient=True):
        tasks = (Round(kind, seed, wish.examples, "debug") for seed in range(wish.rounds))
        rounds = [timed(arena, task) for task in tasks]
        took, found = min(rounds, key=lambda one: one[0] / one[1].ops)
        shares = (f"{found.seconds[what] / took:.0%}" for what in _SPENT)
        usual = statistics.median(found.ops / seconds for seconds, found in rounds)
        speeds = (f"{found.ops / took:,.0f}", f"{usual:,.0f}")
        table.add_row(kind, str(found.examples), str(found.ops), *speeds, *shares)
    Console(width=110).print(table)
    print("budget: a flat kind >= 10,000 steps/s, drawing < 40%")


def timed(arena: Arena, task: Round) -> tuple[float, Outcome]:
    """How many seconds a round takes, and what comes of it."""
    began = time.perf_counter()
    found = play_round(arena, task)
    return time.perf_counter() - began, found


if __name__ == "__main__":
    main()
