"""Scenarios played by several processes: the same records, and what happens when one dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kvparity import ledger, pool, searchers, subjects, workers
from kvparity.observe import LEVELS
from kvparity.record import Plan
from kvscenarios import ScenarioError, load_text
from kvscenarios.select import select

FRAGILE = """
import multiprocessing, os, signal
from kvimpl import *
import kvimpl

class KVCache(kvimpl.KVCache):
    def update_and_fetch(self, keys, values):
        if multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().update_and_fetch(keys, values)
"""


def plan() -> Plan:
    sides = subjects.resolve("kvimpl"), subjects.resolve("mlx-lm")
    declared = ledger.Ledger(ledger.load(ledger.OWN), sides[1].version)
    return Plan(*sides, LEVELS, declared, whole_corpus=False, command=())


@pytest.mark.parametrize("jobs", [2, 4])
def test_several_processes_give_the_records_that_one_gives(jobs):
    scenarios = select(["rotating/trim*", "chunked/*"], None)
    with workers.playing(plan(), 1) as play:
        alone = list(play(scenarios))
    with workers.playing(plan(), jobs) as play:
        assert list(play(scenarios)) == alone


def test_a_mistake_that_a_worker_finds_is_the_mistake_that_is_reported():
    text = "family: f\nscenarios:\n"
    for index in range(48):
        token = 99_999_999 if index == 20 else 1
        text += f"  - {{name: s{index}, cache: {{kind: standard}}, steps: [decode: [{token}]]}}\n"
    with (
        workers.playing(plan(), 2) as play,
        pytest.raises(ScenarioError, match="token 99999999 cannot be told apart"),
    ):
        list(play(load_text(text)))


@pytest.mark.parametrize(
    ("wanted", "scenarios", "cores", "processes"),
    [
        (None, 10, 8, 1),
        (None, 400, 8, 2),
        (None, 400, 1, 1),
        (None, 9000, 64, 4),
        (3, 400, 1, 3),
        (64, 2, 8, 2),
        (64, None, 8, 64),
    ],
)
def test_processes_are_started_where_they_save_time(
    monkeypatch, wanted, scenarios, cores, processes
):
    monkeypatch.setattr(pool, "_cores", lambda: cores)
    assert pool.fitting(wanted, scenarios) == processes


def test_a_worker_that_dies_is_said_and_nothing_is_written(tmp_path):
    (tmp_path / "fragile.py").write_text(FRAGILE)
    done = subprocess.run(
        [sys.executable, "-m", "kvparity", "run", "standard/*", "--subject", "python:fragile",
         "--jobs", "2", "--out", "report"],
        cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith("kvparity: a worker process died: it was killed")
    assert not (tmp_path / "report").exists()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize(
    "started",
    [lambda: pool.started(2), lambda: searchers.processes(2, "kvimpl", "mlx-lm")],
    ids=["of a run", "of a search"],
)
def test_workers_are_deaf_to_ctrl_c_from_their_first_moment_on(started):
    with started():
        for pid in children():
            assert hears_of_ctrl_c(pid) is False
    assert hears_of_ctrl_c(os.getpid()) is True


ORPHANS = """
import os, signal
from kvparity import pool

if __name__ == "__main__":
    workers = pool.started(2)
    [workers.submit(os.getpid).result() for _ in range(2)]
    print(*workers._processes, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_workers_do_not_outlive_their_parent(tmp_path):
    (tmp_path / "orphans.py").write_text(ORPHANS)
    with (tmp_path / "pids").open("wb") as told:  # no pipe: orphans would keep it open
        done = subprocess.run(
            [sys.executable, "orphans.py"], cwd=tmp_path, stdout=told, stderr=told, check=False
        )
    pids = (tmp_path / "pids").read_bytes().split()
    assert (done.returncode, len(pids)) == (-signal.SIGKILL, 2), pids
    until = time.monotonic() + 30
    while any(map(running, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(running, pids))


def running(pid: bytes) -> bool:
    try:
        return b"Z (zombie)" not in Path(f"/proc/{int(pid)}/status").read_bytes()
    except FileNotFoundError:
        return False


def children() -> list[int]:
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert len(found) > 2  # the workers, and who keeps track of what they share
    return [int(pid) for pid in found]


def hears_of_ctrl_c(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    masks = dict(line.split(":") for line in lines if line.startswith(("SigBlk", "SigIgn")))
    return not any(int(mask, 16) >> (signal.SIGINT - 1) & 1 for mask in masks.values())
