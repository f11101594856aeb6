"""Takes the pictures in docs/report.md of a real run: mlx-lm's caches with six mistakes in them.

Needs the extra `[browser]` and a Chromium.

    python docs/shoot_report.py           # docs/images
    python docs/shoot_report.py --all DIR # every kind of divergence, three widths, light and dark
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from playwright.sync_api import Browser, sync_playwright

from kvoracle.releases import PINNED
from kvparity import ledger, subjects
from kvparity.explain import explained
from kvparity.observe import LEVELS
from kvparity.record import Plan
from kvparity.run import run
from kvreports import html
from kvscenarios.select import select

HERE = Path(__file__).parent
KINDS = {
    "ring": "rotating/ring-then-prefill",
    "mask": "masks/standard-every-window@window=6",
    "offset": "concatenate/append",
    "raised": "chunked/trim-stops-at-the-start-of-the-chunk@n=4,taken=3,offset=3",
    "batch": "batch/rows-that-come-and-go",
    "quantized": "quantized/restored-in-every-fill@last=2",
}
"""A scenario for each mistake in wrong_caches.py."""
WIDTHS = {"phone": 390, "tablet": 820, "desktop": 1280}


class Shot(NamedTuple):
    """A picture: its file, the address on the page, and the reader's screen."""

    file: Path
    address: str
    width: int
    scheme: str
    whole: bool


def drawn() -> str:
    """The page of the wrong caches over the whole corpus."""
    sys.path.insert(0, str(HERE))
    subject = subjects.resolve("python:wrong_caches")
    reference = subjects.resolve(f"mlx-lm=={PINNED}")
    command = ("kvparity", "run", "--subject", "python:wrong_caches")
    plan = Plan(subject, reference, LEVELS, ledger.Ledger((), None), True, command)
    scenarios = select([], None)
    return html.page(explained(run(plan, scenarios), scenarios, reference))


def pictures() -> Iterator[Shot]:
    """Those of the docs."""
    images = HERE / "images"
    yield Shot(images / "overview.png", "", 1280, "light", whole=False)
    ring = f"#scenario={KINDS['ring']}"
    yield Shot(images / "ring.png", ring, 1280, "dark", whole=False)
    yield Shot(images / "phone.png", ring, 390, "light", whole=False)


def every(directory: Path) -> Iterator[Shot]:
    """Every kind of divergence at every width, light and dark, from top to bottom."""
    for (kind, name), (size, width), scheme in product(
        KINDS.items(), WIDTHS.items(), ("light", "dark")
    ):
        file = directory / f"{kind}-{size}-{scheme}.png"
        yield Shot(file, f"#scenario={name}", width, scheme, whole=True)


def shoot(browser: Browser, page: str, shot: Shot) -> None:
    """Take one picture; of a scenario from where it begins."""
    options: Any = {"viewport": {"width": shot.width, "height": 1000}, "color_scheme": shot.scheme}
    tab = browser.new_page(**options)
    tab.goto(page + shot.address)
    tab.wait_for_selector(".stage")
    if shot.address and not shot.whole:
        tab.evaluate("document.querySelector('.detail').scrollIntoView()")
    shot.file.parent.mkdir(parents=True, exist_ok=True)
    tab.screenshot(path=shot.file, full_page=shot.whole)
    tab.close()
    print(shot.file)


def main() -> None:
    """Draw the page, open it, take the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--all", type=Path, metavar="DIR", help="every kind, width and scheme")
    directory = parser.parse_args().all
    with TemporaryDirectory() as temporary, sync_playwright() as playwright:
        path = Path(temporary) / "index.html"
        path.write_text(drawn(), encoding="utf-8")
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for shot in every(directory) if directory else pictures():
            shoot(browser, path.as_uri(), shot)
        browser.close()


if __name__ == "__main__":
    main()
