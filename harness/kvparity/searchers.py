"""Who plays the rounds of a campaign: this process, worker processes, or the workers of a cluster.

Workers of either sort stand behind the executor interface of the standard library. A worker is
told the names of the implementations, and makes them once. A worker process is spawned, for mlx
does not survive a fork, and has a core to itself where the system lets one choose.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import active_children, get_context
from threading import Event, Lock
from typing import Any, NamedTuple, NoReturn

from hypothesis.errors import HypothesisDeprecationWarning

from kvparity import interruptions
from kvparity.campaign import Arena, Round, play_round
from kvparity.mistakes import UsageError
from kvparity.outcome import Fingerprint, Outcome
from kvparity.pool import become_worker
from kvparity.subjects import Missing
from kvparity.workers import WorkerDied

_CONNECTING = 10
"""Seconds to wait for a scheduler."""
_DIED = (
    "a worker died: it was killed, or an operation took mlx down with it\n"
    "what it was about to find is lost; what was found before is told above"
)


class Searcher(NamedTuple):
    """Plays a wave of rounds, passing over what is known; `stop` calls it to an end.

    Playing raises WorkerDied.
    """

    play: Callable[[list[Round], Collection[Fingerprint]], Iterator[Outcome]]
    stop: Callable[[], None]


@contextmanager
def here(arena: Arena) -> Iterator[Searcher]:
    """Rounds played in this process; one that is stopped says what it has found so far."""
    stopped = Event()

    def play(wave: list[Round], known: Collection[Fingerprint]) -> Iterator[Outcome]:
        return (play_round(arena, task, known, stopped.is_set) for task in wave)

    yield Searcher(play, stopped.set)


@contextmanager
def processes(jobs: int, subject: str, reference: str) -> Iterator[Searcher]:
    """Rounds played by so many worker processes; those under way say what they have found."""
    spawn = get_context("spawn")
    stopped, cores = spawn.Event(), spawn.SimpleQueue()
    for core in _cores(jobs):
        cores.put(core)
    pool = ProcessPoolExecutor(jobs, spawn, _begin, (stopped, cores))
    try:
        try:
            with interruptions.held_back():
                for _ in range(jobs):
                    pool.submit(_nothing)  # each has one more worker started
        except BrokenExecutor:
            raise WorkerDied(_DIED) from None
        yield Searcher(_played_by(pool, subject, reference), stopped.set)
    except WorkerDied:
        # A worker that was only being started then is missed by the pool, and would wait for ever.
        for worker in active_children():
            worker.terminate()
        raise
    finally:
        stopped.set()
        pool.shutdown(cancel_futures=True)


def _nothing() -> None:
    """What a worker is started for."""


@contextmanager
def cluster(address: str, subject: str, reference: str) -> Iterator[Searcher]:
    """Rounds played by the workers of a dask scheduler; those under way are left to it.

    Raises UsageError where dask is not installed, and Missing where nobody answers.
    """
    try:
        from distributed import Client, KilledWorker  # noqa: PLC0415 - an extra, slow to import
    except ImportError:
        raise UsageError("--scheduler needs dask: pip install 'kvparity[distributed]'") from None
    try:
        client: Any = Client(  # type: ignore[no-untyped-call]  # dask has few types
            address, timeout=_CONNECTING, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise Missing(f"no dask scheduler answers at {address}: {error}") from error
    with client:
        executor = client.get_executor(retries=0, pure=False)
        try:
            yield Searcher(_played_by(executor, subject, reference, KilledWorker), _interrupted)
        finally:
            executor.shutdown(wait=False)


def _interrupted() -> NoReturn:
    raise KeyboardInterrupt


def _cores(jobs: int) -> list[int | None]:
    """A core for each of the workers; None where there are too few, or none can be chosen."""
    if not hasattr(os, "sched_getaffinity"):
        return [None] * jobs
    allowed = sorted(os.sched_getaffinity(0))
    return [*allowed[:jobs]] if len(allowed) >= jobs else [None] * jobs


def _played_by(
    executor: Executor, subject: str, reference: str, *lost: type[Exception]
) -> Callable[[list[Round], Collection[Fingerprint]], Iterator[Outcome]]:
    """What has rounds played by an executor, which raises one of `lost` where a worker is gone."""
    gone: tuple[type[Exception], ...] = (BrokenExecutor, CancelledError, *lost)

    def play(wave: list[Round], known: Collection[Fingerprint]) -> Iterator[Outcome]:
        given = subject, reference, frozenset(known)
        try:
            under_way = [executor.submit(_play, task, *given) for task in wave]
            for future in under_way:
                yield future.result()
        except gone:
            raise WorkerDied(_DIED) from None

    return play


_stopped: Callable[[], bool] = Event().is_set
"""Whether this worker is to come to an end."""
_one_at_a_time = Lock()
"""A cluster's worker may have several threads; an implementation is played by one at a time."""


def _begin(stopped: Any, cores: Any) -> None:
    """Make this process a worker; Ctrl-C is for the process that asked to deal with."""
    global _stopped  # noqa: PLW0603 - an initializer has nowhere else to leave what it was given
    become_worker()
    core = cores.get()
    if core is not None:
        os.sched_setaffinity(0, {core})
    _stopped = stopped.is_set


@cache
def _arena(subject: str, reference: str) -> Arena:
    # A cluster's worker draws random numbers of its own beside Hypothesis, which sees that.
    warnings.filterwarnings(
        "ignore", "Do not use the `random` module", HypothesisDeprecationWarning
    )
    return Arena.of(subject, reference)


def _play(task: Round, subject: str, reference: str, known: Collection[Fingerprint]) -> Outcome:
    with _one_at_a_time:
        return play_round(_arena(subject, reference), task, known, _stopped)
