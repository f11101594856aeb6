"""A store of its own for each test, and one real release from the package index for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvoracle import fetch, store


@pytest.fixture
def empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(store.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv("KVPARITY_OFFLINE", raising=False)
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> store.Wheel:
    """mlx-lm 0.19.1 as the package index has it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(store.VARIABLE, str(tmp_path_factory.mktemp("download")))
        return fetch.download("0.19.1")[0]
