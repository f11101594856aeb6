"""`kvparity fuzz` as it is typed: interrupted, with a worker killed, and on a cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from distributed import LocalCluster
from typer.testing import CliRunner

from kvoracle.releases import PINNED
from kvparity.cli import app

ROOT = Path(__file__).parents[2]


@contextmanager
def fuzz(here: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "kvparity", "fuzz", "--kind", "tokens", "--json"),
            *("--reference", f"mlx-lm=={PINNED}", *words),
        ],
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group, which Ctrl-C on a terminal goes to
        # Where Hypothesis keeps what it has read in our sources, for the next process.
        env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis")},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The worker processes, once they are there; not the one that tracks what they share."""
    for _ in range(600):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        found = [
            int(child)
            for child in children
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("no worker was started")


needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")


@needs_proc
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_with_what_was_found_until_then(tmp_path: Path, jobs: str) -> None:
    with fuzz(tmp_path, "--seconds", "600", "--jobs", jobs) as process:
        wait_for_a_finding(process, tmp_path)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=100)
        assert process.returncode == 130, err
        assert json.loads(out)["interrupted"] is True
        assert err == "kvparity: interrupted: this is what was found until then\n"


def wait_for_a_finding(process: subprocess.Popen[str], here: Path) -> None:
    """Until one is remembered: mlx-lm's buffer of tokens hands out the one that it goes on with."""
    for _ in range(1200):
        if (here / ".hypothesis" / "kvparity" / "tokens-laws").exists():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("nothing was found")


@needs_proc
def test_a_killed_worker_is_told_of_beside_what_was_found(tmp_path: Path) -> None:
    with fuzz(tmp_path, "--seconds", "600", "--jobs", "2") as process:
        os.kill(workers_of(process)[0], signal.SIGKILL)
        out, err = process.communicate(timeout=100)
        assert process.returncode == 3
        assert "findings" in json.loads(out)
        assert err.startswith("kvparity: a worker died")


def result(*words: str) -> dict[str, object]:
    typed = ["fuzz", "--kind", "tokens", "--examples", "10", "--seed", "3", "--json", *words]
    found = CliRunner().invoke(app, typed)
    assert found.exit_code == 0, found.output
    told = json.loads(found.output)
    return {name: told[name] for name in ("examples", "steps", "covered", "laws")}


def test_a_cluster_of_two_workers_searches_what_one_process_does() -> None:
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
    ) as cluster:
        assert result("--scheduler", cluster.scheduler_address) == result()


def test_where_nothing_can_be_saved_nothing_is_searched(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = CliRunner().invoke(app, ["fuzz", "--save", str(tmp_path / "file"), "--seconds", "9999"])
    assert (found.exit_code, found.stderr) == (
        3,
        f"kvparity: {tmp_path / 'file'}: Not a directory\n",
    )


def test_no_scheduler_at_the_address_is_one_message() -> None:
    found = CliRunner().invoke(app, ["fuzz", "--scheduler", "nowhere"])
    assert found.exit_code == 3
    assert "no dask scheduler answers at nowhere" in found.stderr
    assert "Traceback" not in found.output


def test_a_cluster_and_workers_of_this_machine_are_not_asked_for_together() -> None:
    words = ["fuzz", "--scheduler", "tcp://127.0.0.1:1", "--jobs", "2"]
    assert CliRunner().invoke(app, words).exit_code == 2


def test_a_kind_that_the_reference_lacks_is_no_pass() -> None:
    words = ["fuzz", "--kind", "lru", "--reference", "mlx-lm==0.29.1", "--examples", "3"]
    done = CliRunner().invoke(app, [*words, "--seed", "1"])
    assert (done.exit_code, "nothing was compared" in done.stderr) == (3, True)
