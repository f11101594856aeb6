"""Scenarios played by several processes, and their records in the order of the scenarios.

A worker resolves the implementations by their names, so these are to be such that any process can
have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from itertools import count, islice
from typing import NamedTuple

from kvparity import pool, subjects
from kvparity.ledger import Ledger
from kvparity.observe import Level
from kvparity.record import Plan
from kvparity.record import records as played
from kvreports.model import Record
from kvscenarios import Scenario

_CHUNK = 16
_AHEAD = 2
"""Chunks a worker has before it, so that it never waits for more."""


Play = Callable[[Iterable[Scenario]], Iterable[Record]]
"""Plays scenarios and gives their records in the order of the scenarios."""


class WorkerDied(RuntimeError):  # noqa: N818 - says what happened
    """A worker process was killed, or mlx took it down: what it played has no record."""


@contextmanager
def playing(plan: Plan, jobs: int, ready: ProcessPoolExecutor | None = None) -> Iterator[Play]:
    """What plays scenarios in so many processes, this one among them.

    The workers are those that are `ready`, or are started now. Playing raises WorkerDied and
    ScenarioError.
    """
    if jobs == 1:
        yield partial(played, plan)
        return
    wanted = _Wanted(
        next(_numbers), plan.subject.name, plan.reference.name, tuple(plan.levels), plan.ledger
    )
    workers = ready or pool.started(jobs - 1)
    try:
        yield partial(_records, workers, plan, wanted, (jobs - 1) * _AHEAD)
    except BrokenProcessPool:
        raise WorkerDied(_DIED) from None
    finally:
        # They end while the report is drawn.
        workers.shutdown(wait=False, cancel_futures=True)


class _Wanted(NamedTuple):
    """A plan as a worker can be told of it."""

    number: int
    subject: str
    reference: str
    levels: tuple[Level, ...]
    ledger: Ledger


_numbers = count()


def _records(
    workers: ProcessPoolExecutor,
    plan: Plan,
    wanted: _Wanted,
    ahead: int,
    scenarios: Iterable[Scenario],
) -> Iterator[Record]:
    read = iter(scenarios)
    chunks = iter(lambda: list(islice(read, _CHUNK)), [])
    for future in _futures(workers, plan, wanted, ahead, chunks):
        yield from future.result()


_Records = Future[list[Record]]


def _futures(
    workers: ProcessPoolExecutor,
    plan: Plan,
    wanted: _Wanted,
    ahead: int,
    chunks: Iterator[Sequence[Scenario]],
) -> Iterator[_Records]:
    """The chunks' records in order: the workers are kept busy, and this process plays besides."""
    under_way: deque[_Records] = deque()
    while True:
        busy = sum(not future.done() for future in under_way)
        under_way += [
            workers.submit(_play, wanted, chunk) for chunk in islice(chunks, ahead - busy)
        ]
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


_plans: dict[int, Plan] = {}
"""What this process plays, where it is a worker."""


def _play(wanted: _Wanted, scenarios: Sequence[Scenario]) -> list[Record]:
    plan = _plans.get(wanted.number)
    if plan is None:
        sides = subjects.resolve(wanted.subject), subjects.resolve(wanted.reference)
        plan = Plan(*sides, wanted.levels, wanted.ledger, whole_corpus=False, command=())
        _plans[wanted.number] = plan
    return list(played(plan, scenarios))
