"""Compiled code is kept, and never trusted further than its hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvoracle import compiled, store


def kept(cache: Path) -> Path:
    (found,) = (cache / "compiled").iterdir()
    return found


def test_kept_code_runs_as_the_source_does(empty_store: Path) -> None:
    compiled.code(b"x = 40 + 2", "<one>")
    namespace: dict[str, object] = {}
    exec(compiled.code(b"x = 40 + 2", "<one>"), namespace)  # noqa: S102 - the code above
    assert namespace["x"] == 42
    assert kept(empty_store).is_file()


@pytest.mark.parametrize("content", [b"", b"\0" * 200])
def test_damaged_code_is_compiled_anew(content: bytes, empty_store: Path) -> None:
    compiled.code(b"x = 1", "<one>")
    kept(empty_store).write_bytes(content)
    assert compiled.code(b"x = 1", "<one>").co_filename == "<one>"
    assert kept(empty_store).read_bytes() != content


def test_a_store_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(store.VARIABLE, str(tmp_path / "file"))
    assert compiled.code(b"x = 1", "<one>").co_filename == "<one>"
