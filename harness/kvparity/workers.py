"""Scenarios played by worker processes, and their records in the order of the scenarios.

A worker is spawned, for mlx does not survive a fork once it has evaluated something; it resolves
the implementations by their names, so these are to be such that any process can have.
"""

from __future__ import annotations

import gc
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import islice
from multiprocessing import get_context

from kvparity import subjects
from kvparity.ledger import Ledger
from kvparity.observe import Level
from kvparity.record import Plan
from kvparity.record import records as played
from kvreports.model import Record
from kvscenarios import Scenario

_CHUNK = 16
_AHEAD = 2
"""Chunks a worker has before it, so that it never waits for more."""
_WORTHWHILE = 200
"""Scenarios to a process from which another one saves more time than it takes to start."""


Play = Callable[[Sequence[Scenario]], Iterable[Record]]
"""Plays scenarios and gives their records in the order of the scenarios."""


class WorkerDied(RuntimeError):  # noqa: N818 - says what happened
    """A worker process was killed, or mlx took it down: what it played has no record."""


def usual(scenarios: int) -> int:
    """How many processes a run of so many scenarios is best played by, this one among them."""
    return max(1, min(_cores(), 4, scenarios // _WORTHWHILE))


def _cores() -> int:
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return own or 1


@contextmanager
def playing(plan: Plan, jobs: int) -> Iterator[Play]:
    """What plays scenarios in so many processes, this one among them; the others start at once.

    Playing raises WorkerDied and ScenarioError.
    """
    if jobs == 1:
        yield partial(played, plan)
        return
    wanted = plan.subject.name, plan.reference.name, tuple(plan.levels), plan.ledger
    with ProcessPoolExecutor(jobs - 1, get_context("spawn"), _begin, wanted) as pool:
        try:
            for _ in range(jobs - 1):
                pool.submit(_play, ())
            yield partial(_records, pool, plan, (jobs - 1) * _AHEAD)
        except BrokenProcessPool:
            raise WorkerDied(_DIED) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _records(
    pool: ProcessPoolExecutor, plan: Plan, ahead: int, scenarios: Sequence[Scenario]
) -> Iterator[Record]:
    starts = range(0, len(scenarios), _CHUNK)
    chunks = iter([scenarios[start : start + _CHUNK] for start in starts])
    for future in _futures(pool, plan, ahead, chunks):
        yield from future.result()


_Records = Future[list[Record]]


def _futures(
    pool: ProcessPoolExecutor, plan: Plan, ahead: int, chunks: Iterator[Sequence[Scenario]]
) -> Iterator[_Records]:
    """The chunks' records in order: the workers are kept busy, and this process plays besides."""
    under_way: deque[_Records] = deque()
    while True:
        busy = sum(not future.done() for future in under_way)
        under_way += [pool.submit(_play, chunk) for chunk in islice(chunks, ahead - busy)]
        chunk = next(chunks, None)
        if chunk is None:
            yield from under_way
            return
        under_way.append(Future())
        under_way[-1].set_result(list(played(plan, chunk)))
        while under_way and under_way[0].done():
            yield under_way.popleft()


_DIED = (
    "a worker process died: it was killed, or an operation took mlx down with it\n"
    "nothing was written; with `--jobs 1 -k NAME` scenarios are played apart from others"
)


_plans: list[Plan] = []
"""What this process plays, where it is a worker."""


def _begin(subject: str, reference: str, levels: tuple[Level, ...], declared: Ledger) -> None:
    """Make this process ready to play; Ctrl-C is for the process that asked to deal with."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # a worker lives for seconds, and hands over what it makes
    sides = subjects.resolve(subject), subjects.resolve(reference)
    _plans.append(Plan(*sides, levels, declared, whole_corpus=False, command=()))


def _play(scenarios: Sequence[Scenario]) -> list[Record]:
    return list(played(_plans[-1], scenarios))
