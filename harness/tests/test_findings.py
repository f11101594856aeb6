"""The catalogue of findings says what is found today, of everything that the ledger declares."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from types import ModuleType

import pytest
from here import PINNED_SAVES_EMPTY_CACHES

from kvoracle.releases import PINNED
from kvparity import ledger
from kvscenarios.loader import load_file

DOCS = Path(__file__).parents[2] / "docs"


@functools.cache
def writer() -> ModuleType:
    sys.path.insert(0, str(DOCS))
    try:
        import write_findings
    finally:
        sys.path.remove(str(DOCS))
    return write_findings


@pytest.fixture(scope="module")
def page() -> str:
    return (DOCS / "findings.md").read_text(encoding="utf-8")


def test_every_fault_of_mlx_lm_in_the_ledger_is_in_the_catalogue(page: str) -> None:
    declared = {
        entry.id
        for entry in ledger.load(ledger.OWN)
        if entry.why == "upstream-bug" and entry.holds_at(PINNED)
    }
    titles = {line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")}
    assert declared <= titles


def test_what_the_catalogue_says_of_the_ledger_is_what_is_played_today(page: str) -> None:
    stale = [entry.title for entry in writer().of_ledger() if entry.text() not in page]
    assert stale == [], "python docs/write_findings.py writes the page anew"


def test_what_the_catalogue_says_of_laws_is_what_is_played_today(page: str) -> None:
    entries = list(writer().of_laws())
    assert len(entries) == len(load_file(DOCS / "findings" / "laws.yaml"))
    stale = [entry.title for entry in entries if entry.text() not in page]
    # What cannot be loaded again is there not even saved.
    other = [] if PINNED_SAVES_EMPTY_CACHES else ["save-and-load: concatenate"]
    assert stale == other, "python docs/write_findings.py writes the page anew"
