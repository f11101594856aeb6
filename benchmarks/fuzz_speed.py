"""How many steps a second a fuzz plays, observes and compares in one process, and where time goes.

A step is an operation on both sides; a decode counts each of its tokens. Printed for each kind are
steps a second and the shares of drawing (Hypothesis's own), of building scenarios and arrays out of
what was drawn, of playing both sides, and of comparing. The budgets are for the standard cache:
at least 10,000 steps a second, and less than 40 percent for drawing.

    python benchmarks/fuzz_speed.py [--examples N] [--kind KIND ...]
"""

from __future__ import annotations

import argparse
import time

from rich.console import Console
from rich.table import Table

from kvparity.campaign import Arena, Round, play_round
from kvparity.generate.starts import KINDS

_SPENT = ("drawing", "building", "playing", "judging")


def main() -> None:
    """Print a row a kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--kind", action="append", choices=KINDS)
    wish = parser.parse_args()
    arena = Arena.of("kvimpl", "mlx-lm")
    play_round(arena, Round("standard", 1, 20, "debug"))  # pays for what is loaded
    table = Table("kind", "scenarios", "steps", "steps/s", *_SPENT)
    for kind in wish.kind or KINDS:
        began = time.perf_counter()
        found = play_round(arena, Round(kind, 0, wish.examples, "debug"))
        took = time.perf_counter() - began
        shares = (f"{found.seconds[what] / took:.0%}" for what in _SPENT)
        steps = f"{found.ops / took:,.0f}"
        table.add_row(kind, str(found.examples), str(found.ops), steps, *shares)
    Console(width=110).print(table)
    print("budget: standard >= 10,000 steps/s, drawing < 40%")


if __name__ == "__main__":
    main()
