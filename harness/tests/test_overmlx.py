"""A scenario is played under another mlx, which is really the one that plays it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kvoracle import store
from kvoracle.sources import OracleError
from kvparity import overmlx
from kvparity.program import Program
from kvparity.subjects import resolve
from kvparity.timeline import first_difference
from kvscenarios import load_text

OTHER = "0.29.1"
SCENARIO = load_text(
    "family: f\nscenarios:\n  - name: ring\n    cache: {kind: rotating, max_size: 4, keep: 1}\n"
    "    steps: [{decode: 0..5}, {update: [6, 7]}]\n"
)[0]


def test_the_child_plays_under_the_mlx_that_was_asked_for() -> None:
    (played,) = overmlx.played(SCENARIO, "mlx-lm", [OTHER], print)
    python = store.root() / "mlx" / OTHER / "bin" / "python"
    said = subprocess.run(
        [python, "-c", "import mlx.core as mx; print(mx.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == OTHER
    here = resolve("mlx-lm").driver.play(Program(SCENARIO))
    assert len(played.trace.entries) == 7
    assert first_difference(here, played.trace) is None


def test_a_version_that_there_is_not_is_told_and_leaves_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KVPARITY_CACHE", str(tmp_path))
    with pytest.raises(OracleError, match=r"no environment with mlx 0\.0\.99 could be made"):
        overmlx.played(SCENARIO, "mlx-lm", ["0.0.99"], print)
    assert not list(tmp_path.rglob("0.0.99"))


def test_offline_makes_no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVPARITY_CACHE", str(tmp_path))
    monkeypatch.setenv("KVPARITY_OFFLINE", "1")
    with pytest.raises(OracleError, match="this is offline"):
        overmlx.played(SCENARIO, "mlx-lm", [OTHER], print)
