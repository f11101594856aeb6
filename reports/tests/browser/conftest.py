"""The page in a real browser, opened from disk: `tox -e browser`.

Needs the extra `[browser]` and a Chromium, as Debian's packages have one; the conftest.py above
leaves this directory out of the suite.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from kvreports.html import page as page_of
from kvreports.model import Era, Run, TraceLine

Opened = Callable[..., Any]


def _texts(tab: Any, selector: str) -> list[str]:
    """What a reader sees of the elements."""
    return [" ".join(text.split()) for text in tab.locator(selector).all_inner_texts()]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    assert found, "no Chromium on this machine (Debian: apt-get install chromium)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def usual(chromium: Any) -> Any:
    """A screen of the usual size, in the light."""
    return chromium.new_context()


@pytest.fixture
def opened(chromium: Any, usual: Any, tmp_path: Path) -> Iterator[Opened]:
    """Opens a run's page at an address on it. What is asked of any network, and errors, are kept."""
    made: list[Any] = []

    def open_(run: Run, address: str = "", **options: Any) -> Any:
        path = tmp_path / "index.html"
        path.write_text(options.pop("source", None) or page_of(run), encoding="utf-8")
        context = chromium.new_context(**options) if options else usual
        tab = context.new_page()
        made.append(context if options else tab)
        tab.requests, tab.errors = [], []
        tab.on("request", lambda request: tab.requests.append(request.url))
        tab.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.on("console", lambda message: tab.errors.append(message.text))
        tab.on("dialog", lambda dialog: tab.errors.append("a dialog"))
        tab.texts = partial(_texts, tab)
        tab.listed = tab.locator(".scenarios .id").all_text_contents
        tab.heading = lambda: tab.texts(".stepper h3")[0]
        tab.goto(path.as_uri() + address)
        return tab

    yield open_
    for thing in made:
        thing.close()


@pytest.fixture
def drawn(opened: Opened) -> Opened:
    """Opens a page and waits until its scripts have drawn it."""

    def draw(run: Run, address: str = "", **options: Any) -> Any:
        tab = opened(run, address, **options)
        tab.wait_for_selector("#app:not([hidden])")
        return tab

    return draw


@pytest.fixture
def told(case: Callable[[str], Run]) -> Run:
    """A declared difference with all that explains one."""
    run = case("offset only")
    declared = {"declared": "an-entry", "why": "by-design", "reason": "The port counts so."}
    record = run.records[0].model_copy(
        update={
            "findings": (run.records[0].findings[0].model_copy(update=declared),),
            "trace": (TraceLine(file="cache.py", line=7, text="self.offset += 1 = 9"),),
            "eras": (
                Era(letter="A", releases=("0.30.0", "0.31.0")),
                Era(letter="B", releases=("0.32.0",), change="offset: 0.31.0 8, 0.32.0 9"),
            ),
            "snippet": "print('a script')\n",
        }
    )
    return run.model_copy(update={"records": (record, *run.records[1:])})


@pytest.fixture
def two_kinds(case: Callable[[str], Run], run_of: Any, record_of: Any) -> Run:
    """Two failures of different kinds and levels, and a scenario that conforms."""
    failing = case("offset only").records[0]
    other = case("mask").records[0].model_copy(update={"id": "ring/masks", "kinds": ("standard",)})
    return run_of(failing, other, record_of("two", operations=("trim",), kinds=("chunked",)))
