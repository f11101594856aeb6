"""`kvparity oracle` and `kvparity timeline` as typed: what they print and leave with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kvoracle import lock, sources, store


def kvparity(store: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kvparity", *words],
        env={**os.environ, "KVPARITY_CACHE": str(store), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that holds the installed release as one that the lock does not know."""
    here = sources.installed()
    monkeypatch.setenv(store.VARIABLE, str(tmp_path))
    store.add("99.1", store.Wheel("mlx_lm-99.1-py3-none-any.whl", here.base, here.cache))
    return tmp_path


def test_list_says_what_is_known_and_what_is_stored(stored: Path) -> None:
    rows = json.loads(kvparity(stored, "oracle", "list", "--json").stdout)
    assert [row["version"] for row in rows] == [*lock.releases(), "99.1"]
    assert [row["version"] for row in rows if row["stored"]] == ["99.1"]


def test_path_prints_where_a_release_is(stored: Path) -> None:
    done = kvparity(stored, "oracle", "path", "99.1")
    assert (done.returncode, done.stdout.strip()) == (0, str(stored / "releases" / "99.1"))
    done = kvparity(stored, "oracle", "path", "99.1", "--json")
    assert json.loads(done.stdout) == {"version": "99.1", "path": str(stored / "releases" / "99.1")}


def test_verify_leaves_with_1_where_a_release_is_damaged(stored: Path) -> None:
    assert kvparity(stored, "oracle", "verify").returncode == 0
    (stored / "releases" / "99.1" / "cache.py").write_text("damaged")
    done = kvparity(stored, "oracle", "verify", "--json")
    assert done.returncode == 1
    (row,) = json.loads(done.stdout)
    assert "cache.py is not what was released" in row["problem"]


def test_prune_removes_the_damaged(stored: Path) -> None:
    (stored / "releases" / "99.1" / "base.py").unlink()
    assert kvparity(stored, "oracle", "prune").returncode == 0
    assert not (stored / "releases" / "99.1").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["oracle", "fetch", "0.20.1", "--offline"], 3, "0.20.1 is not on this machine"),
        (["oracle", "path", "0.20.1"], 3, "`kvparity oracle fetch 0.20.1` fetches it"),
        (["timeline", "masks/which-form-of-mask", "--offline"], 3, "the network is not asked"),
        (["bisect", "masks/*", "--repo", "."], 2, "name one"),
        (["timeline", "masks/which-form-of-mask", "--from", "1.0"], 2, "no known release lies"),
        (["timeline", "masks/which-form-of-mask", "--to", "new"], 2, "'new' is no version"),
        (["show", "masks/which-form-of-mask", "--subject", "mlx-lm@main"], 3, "--repo CLONE"),
        (["show", "masks/which-form-of-mask", "--subject", "mlx-lm==0.20.1", "--offline"], 3, "not on this machine"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_message(
    words: list[str], code: int, said: str, tmp_path: Path
) -> None:
    done = kvparity(tmp_path, *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_release_in_the_store_can_be_the_reference_without_a_network(stored: Path) -> None:
    words = ["show", "masks/which-form-of-mask", "--reference", "mlx-lm==99.1", "--offline"]
    done = kvparity(stored, *words)
    assert done.returncode == 0, done.stderr
    assert "reference mlx-lm==99.1" in done.stdout


def test_a_commit_of_a_clone_can_be_the_reference(tmp_path: Path) -> None:
    here = sources.installed()
    models = tmp_path / "clone" / "mlx_lm" / "models"
    models.mkdir(parents=True)
    (models / "base.py").write_bytes(here.base)
    (models / "cache.py").write_bytes(here.cache)
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "one"],
    ):
        git = shutil.which("git") or "git"
        subprocess.run([git, "-C", str(tmp_path / "clone"), *words], check=True)
    words = ["show", "masks/which-form-of-mask", "--reference", "mlx-lm@HEAD"]
    done = kvparity(tmp_path, *words, "--repo", str(tmp_path / "clone"))
    assert done.returncode == 0, done.stderr
    assert "reference mlx-lm@" in done.stdout


def test_a_timeline_over_one_release_is_one_stretch(tmp_path: Path) -> None:
    version = sources.installed().version
    if version not in lock.releases():
        pytest.skip(f"the lock does not know the installed mlx-lm {version}")
    words = ["timeline", "masks/which-form-of-mask", "--from", version, "--to", version]
    done = kvparity(tmp_path, *words, "--json", "--offline")
    (stretch,) = json.loads(done.stdout)["stretches"]
    assert (stretch["letter"], stretch["releases"]) == ("A", [version])
