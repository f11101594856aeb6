"""The store holds whole releases or none, whatever is killed, damaged or done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kvoracle import lock, releases, sources, store
from kvoracle.sources import OracleError

KILLED = """
import pathlib, sys, time
from kvoracle import store
def rename(self, target):
    print("about to rename", flush=True)
    time.sleep(600)
pathlib.Path.rename = rename
store.add("9.9.9", store.Wheel("w.whl", b"base", b"cache"))
"""
MANY = """
import sys
from kvoracle import store
print("ready", flush=True)
sys.stdin.readline()
for patch in range(200):
    store.add(f"9.9.{patch}", store.Wheel("w.whl", b"base" * 1000, b"cache" * 1000))
"""


def python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.usefixtures("empty_store")
def test_a_release_from_the_index_is_stored_as_the_lock_has_it(wheel: store.Wheel) -> None:
    store.add("0.19.1", wheel)
    found = store.read("0.19.1")
    assert found is not None
    assert found.hashes == lock.releases()["0.19.1"].hashes
    assert wheel.name == lock.releases()["0.19.1"].wheel


@pytest.mark.usefixtures("empty_store")
def test_a_release_with_the_same_files_needs_no_network(
    wheel: store.Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add("0.19.1", wheel)
    monkeypatch.setenv(releases.OFFLINE, "1")
    assert releases.release("0.19.2").cache == wheel.cache
    assert store.versions() == ["0.19.1", "0.19.2"]


@pytest.mark.usefixtures("empty_store")
def test_what_is_not_the_release_is_not_stored(wheel: store.Wheel) -> None:
    with pytest.raises(OracleError, match=r"cache\.py is not what was released: sha256 expected"):
        store.add("0.19.1", replace(wheel, cache=wheel.cache + b"#"))
    assert store.versions() == []


@pytest.mark.usefixtures("empty_store")
def test_a_download_killed_in_the_middle_leaves_no_entry() -> None:
    with python(KILLED) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "about to rename\n"
        os.kill(process.pid, signal.SIGKILL)
    assert store.versions() == []
    (left,) = store.root().iterdir()
    os.utime(left, (0, 0))
    assert store.prune() == [left]
    store.add("9.9.9", store.Wheel("w.whl", b"base", b"cache"))
    assert store.versions() == ["9.9.9"]


@pytest.mark.usefixtures("empty_store")
def test_what_another_process_is_still_writing_is_not_pruned() -> None:
    with store.workspace() as fresh:
        assert store.prune() == []
        assert fresh.is_dir()


@pytest.mark.usefixtures("empty_store")
def test_two_processes_may_store_the_same_releases_at_once() -> None:
    with python(MANY) as one, python(MANY) as other:
        for process in (one, other):
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in (one, other):
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
    assert (one.returncode, other.returncode) == (0, 0)
    assert len(store.versions()) == 200
    assert list(store.problems()) == []
    assert len(list(store.root().iterdir())) == 200


def _cut(entry: Path) -> None:
    (entry / "cache.py").write_bytes(b"class KVCache: ...")


def _remove(entry: Path) -> None:
    (entry / "base.py").unlink()


def _garble(entry: Path) -> None:
    (entry / "meta.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_cut, "cache.py is not what was released: sha256 expected"),
        (_remove, "is damaged: FileNotFoundError"),
        (_garble, "is damaged: JSONDecodeError"),
    ],
)
@pytest.mark.usefixtures("empty_store")
def test_a_damaged_entry_is_told_and_pruned(
    damage: Callable[[Path], None], said: str, wheel: store.Wheel
) -> None:
    store.add("0.19.1", wheel)
    damage(store.path("0.19.1"))
    with pytest.raises(OracleError) as caught:
        releases.release("0.19.1")
    assert said in str(caught.value)
    assert "`kvparity oracle prune` removes it" in str(caught.value)
    assert store.prune() == [store.path("0.19.1")]
    assert store.versions() == []


@pytest.mark.usefixtures("empty_store")
def test_an_unknown_version_is_told_with_the_nearest() -> None:
    with pytest.raises(OracleError, match=r"is not on the package index; the nearest there: 0\.19"):
        releases.release("0.19.99")


@pytest.mark.parametrize("text", ["latest", "0.1 --index-url=x", "", "-1"])
def test_what_is_no_version_never_reaches_pip(text: str) -> None:
    with pytest.raises(OracleError, match="is no version"):
        releases.fetched(text)


@pytest.mark.usefixtures("empty_store")
def test_offline_says_what_is_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(releases.OFFLINE, "1")
    with pytest.raises(OracleError, match=r"0\.20\.1 is not on this machine, and the network is"):
        releases.release("0.20.1")


@pytest.mark.usefixtures("empty_store")
def test_an_installed_release_that_was_edited_is_not_that_release(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = sources.installed()
    if here.version not in lock.releases():
        pytest.skip(f"the lock does not know the installed mlx-lm {here.version}")
    assert releases.at_hand(here.version) == here
    edited = replace(here, cache=here.cache + b"# edited\n")
    monkeypatch.setattr(releases, "installed", lambda: edited)
    assert releases.at_hand(here.version) is None
