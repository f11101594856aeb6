"""An operation that never ends is left, is a verdict, and takes nothing else along."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import planted
import pytest

import kvimpl
from kvoracle.face import Face
from kvparity import patience, subjects
from kvparity.campaign import Arena, Round, play_round
from kvparity.ledger import Ledger
from kvparity.observe import LEVELS
from kvparity.play import InProcess
from kvparity.record import Plan
from kvparity.run import run
from kvscenarios.loader import load_text

ALARM = signal.getsignal(signal.SIGALRM)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(patience, "LONG", 0.8)
    monkeypatch.setattr(patience, "SHORT", 0.5)
    monkeypatch.setattr(patience, "_lost", [])
    yield
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == ALARM


def spin(seconds: float = 20.0) -> None:
    """As good as for ever."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def test_what_does_not_get_on_is_left() -> None:
    with pytest.raises(patience.TookTooLong), patience.limited(lambda: 1):
        spin()


def test_what_gets_on_takes_as_long_as_it_will() -> None:
    with patience.limited(time.monotonic):
        spin(2.5)


def test_what_swallows_the_first_interruption_is_interrupted_again() -> None:
    def stubborn() -> None:
        with suppress(BaseException):
            spin()
        spin()

    with pytest.raises(patience.TookTooLong), patience.limited(lambda: 1):
        stubborn()


def test_after_one_that_never_ended_the_next_is_left_sooner() -> None:
    with pytest.raises(patience.TookTooLong), patience.limited(lambda: 1):
        spin()
    with patience.limited(lambda: 1):
        assert signal.getitimer(signal.ITIMER_REAL)[1] == pytest.approx(patience.SHORT)


def test_somebody_elses_timer_is_left_alone() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _frame: heard.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    try:
        with patience.limited(lambda: 1):
            spin(0.5)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(heard) > 1


def test_another_thread_than_the_main_one_has_no_limit() -> None:
    ended: list[bool] = []

    def work() -> None:
        with patience.limited(lambda: 1):
            spin(0.4)
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == [True]


class NeverTrims(kvimpl.RotatingKVCache):
    """Of two tokens it does not get rid."""

    begun = 0

    def trim(self, n: int) -> int:
        if n == 2 and not self.empty():
            NeverTrims.begun += 1
            spin()
        return super().trim(n)


class NeverMade(kvimpl.RotatingKVCache):
    """It looks for room without end."""

    def __init__(self, max_size: int, keep: int = 0) -> None:
        super().__init__(max_size, keep)
        spin()


class NeverRead(kvimpl.RotatingKVCache):
    """It says how much it holds as long as that is less than three."""

    def size(self) -> int:
        if self.offset > 2:
            spin()
        return super().size()


def subject(cls: type) -> subjects.Implementation:
    face = Face("hangs", planted.module(planted.Fault("", frozenset(), {"RotatingKVCache": cls})))
    return subjects.Implementation("hangs", None, "planted", {}, InProcess(face))


SCENARIOS = """
family: mine
scenarios:
  - {name: before, cache: {kind: rotating, max_size: 8}, steps: [{update: [1, 2]}, {trim: 1}]}
  - {name: two, cache: {kind: rotating, max_size: 8}, steps: [{update: [1, 2, 3]}, {trim: 2}]}
  - {name: behind, cache: {kind: rotating, max_size: 8}, steps: [{update: [1, 2]}, {trim: 1}]}
"""


@pytest.mark.parametrize(
    ("cls", "verdicts", "said"),
    [
        (NeverTrims, ["conform", "timeout", "conform"], (2, "trim 2")),
        (NeverRead, ["conform", "timeout", "conform"], (1, "update [1, 2, 3]")),
        (NeverMade, ["timeout"] * 3, (1, "update [1, 2, 3]")),
    ],
)
def test_what_never_ends_is_a_verdict_of_its_scenario_alone(
    cls: type, verdicts: list[str], said: tuple[int, str]
) -> None:
    plan = Plan(
        subject(cls),
        subjects.resolve("mlx-lm"),
        LEVELS,
        Ledger((), None),
        whole_corpus=False,
        command=(),
    )
    records = run(plan, load_text(SCENARIOS)).records
    assert [record.verdict for record in records] == verdicts
    [finding] = [one for one in records[1].findings if one.what == "stop"]
    assert (finding.field, finding.side, finding.step, finding.op) == ("timeout", "subject", *said)


def test_a_fuzz_does_not_shrink_what_never_ends() -> None:
    arena = Arena(subject(NeverTrims), subjects.resolve("mlx-lm"), Ledger((), None))
    NeverTrims.begun = 0
    found = play_round(arena, Round("rotating", 0, 100, "gate"))
    assert [failure.fingerprint.field for failure in found.failures.values()] == ["timeout"]
    assert NeverTrims.begun == 1
