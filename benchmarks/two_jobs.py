"""How much sooner two worker processes play the same rounds than one does.

Both are worker processes, each with a core to itself: what is compared is the work, and not the
start of a worker, which a round before the clock pays for. The budget is 1.9; on a machine that is
busy with something else the figure says little.

    python benchmarks/two_jobs.py [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from dataclasses import replace

from kvparity import searchers
from kvparity.campaign import Round

_EXAMPLES = 25


def rate(jobs: int, wave: list[Round]) -> float:
    """Examples a second of so many workers."""
    with searchers.processes(jobs, "kvimpl", "mlx-lm") as searcher:
        list(searcher.play([replace(task, examples=2) for task in wave[: 2 * jobs]], ()))
        began = time.perf_counter()
        examples = sum(found.examples for found in searcher.play(wave, ()))
        return examples / (time.perf_counter() - began)


def main() -> None:
    """Print both rates and their ratio, the median of three."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=16)
    rounds: int = parser.parse_args().rounds
    wave = [Round("standard", seed, _EXAMPLES, "debug") for seed in range(rounds)]
    pairs = [(rate(1, wave), rate(2, wave)) for _ in range(3)]
    one, two = (statistics.median(rates) for rates in zip(*pairs, strict=True))
    ratio = statistics.median(two / one for one, two in pairs)
    print(f"load: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"one job {one:.1f} examples/s, two jobs {two:.1f}")
    print(f"ratio {ratio:.2f} (budget >= 1.90)")


if __name__ == "__main__":
    main()
