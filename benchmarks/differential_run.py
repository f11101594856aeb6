"""What holding two caches against each other costs, over driving both of them bare.

A differential run drives subject and reference, observes everything after every step, and compares.
A bare drive calls `update_and_fetch` and evaluates what it returns, as a decode loop does. Both are
given inputs painted beforehand, in one process, in turn, with Python's collector kept still, as a
run keeps it; the median ratio of the rounds is printed.
An ArraysCache has no update of its own (a model puts in what it computed), and so no bare drive.

    python benchmarks/differential_run.py [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import mlx.core as mx
from rich.console import Console
from rich.table import Table

from kvparity import ledger, subjects
from kvparity.garbage import seldom_collected
from kvparity.judge import judge
from kvparity.observe import LEVELS
from kvparity.operations import make
from kvparity.program import Program
from kvscenarios import load_text

SHORT = "[{update: 0..15}, {decode: 16..79}, {update: 80..87}, {decode: 88..151}]"
LONG = "[{update: 0..15}, {decode: 16..271}, {update: 272..287}, {decode: 288..415}]"
DIMS = "head_dim: 32, value_head_dim: 64"
PAIR = "{kind: list, caches: [{kind: standard}, {kind: rotating, max_size: 64}]}"
ON_BOTH = (
    "[{on: cache.0, update: 0..15}, {on: cache.0, decode: 16..79}, {on: cache.1, decode: 0..79}]"
)
CASES = {
    "standard": ("{kind: standard}", SHORT, 0.85),
    "standard, across 256 tokens": ("{kind: standard}", LONG, 0.85),
    "rotating": ("{kind: rotating, max_size: 64, keep: 4}", LONG, 0.85),
    "concatenate": ("{kind: concatenate}", LONG, 1.2),
    "chunked": ("{kind: chunked, chunk_size: 64}", LONG, 1.2),
    "quantized": (
        "{kind: quantized, group_size: 32, head_dim: 32, value_head_dim: 64}",
        SHORT,
        1.2,
    ),
    "batch": ("{kind: batch, left_padding: [1, 0]}", SHORT, 1.2),
    "batch_rotating": ("{kind: batch_rotating, max_size: 64, left_padding: [1, 0]}", LONG, 1.2),
    "list": (PAIR, ON_BOTH, 1.2),
}


def program(cache: str, steps: str) -> Program:
    """A scenario of this cache and these steps."""
    text = f"family: b\nscenarios:\n  - name: b\n    cache: {cache}\n    steps: {steps}\n"
    return Program(load_text(text)[0])


def differential(
    program: Program, subject: subjects.Implementation, reference: subjects.Implementation
) -> None:
    """Drive both, observe all, compare."""
    traces = subject.driver.play(program), reference.driver.play(program, aside=True)
    verdict = judge(
        program, *traces, face=subject.face, levels=LEVELS, ledger=ledger.Ledger((), None)
    ).verdict
    assert verdict == "conform", verdict


def bare(program: Program, implementation: subjects.Implementation) -> None:
    """Drive one side, evaluating each step, and look at nothing."""
    cache = make(implementation.face, program.scenario.specs["cache"])
    children = implementation.face.children(cache)
    inputs = program.inputs()
    mx.eval(inputs)
    for op, given in zip(program.ops, inputs, strict=True):
        target = children[int(op.targets[0][-1])] if children else cache
        mx.eval(target.update_and_fetch(*given))


def seconds(work: Callable[[], None]) -> float:
    """How long the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print a row a kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds: int = parser.parse_args().rounds
    subject, reference = subjects.resolve("kvimpl"), subjects.resolve("mlx-lm")
    table = Table("kind", "bare drives, us a step", "differential run", "ratio", "budget")
    for kind, (cache, steps, budget) in CASES.items():
        plan = program(cache, steps)
        ratios, drives, runs = [], [], []
        with seldom_collected():
            for _ in range(rounds + 1):
                drive = seconds(lambda plan=plan: (bare(plan, subject), bare(plan, reference)))
                run = seconds(lambda plan=plan: differential(plan, subject, reference))
                ratios.append(run / drive)
                drives.append(drive / len(plan.ops) * 1e6)
                runs.append(run / len(plan.ops) * 1e6)
        figures = (statistics.median(numbers[1:]) for numbers in (drives, runs, ratios))
        drive, run, ratio = figures
        table.add_row(kind, f"{drive:.1f}", f"{run:.1f}", f"{ratio:.2f}", f"<= {budget:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
