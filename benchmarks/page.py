"""The page of a large run in a browser: its size, how soon it is drawn, how smoothly it scrolls.

Budget: 5,000 scenarios with 200 divergences open in under 2 s, in a file of less than 10 MB. Needs
the extra `[browser]` and a Chromium.

    python benchmarks/page.py
"""

from __future__ import annotations

import shutil
import statistics
import sys
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from kvoracle.releases import PINNED
from kvparity import ledger, subjects
from kvparity.explain import explained
from kvparity.observe import LEVELS
from kvparity.record import Plan
from kvparity.run import run
from kvreports import html
from kvreports.model import PASSING, Record, Run
from kvscenarios.select import select

SCENARIOS, DIVERGENCES = 5000, 200
SECONDS, MEGABYTES = 2, 10
WRONG = Path(__file__).parents[1] / "docs"
FRAMES = """async () => {
  const list = document.querySelector(".list") || document.body;
  list.querySelector("li:last-child button")?.click();
  await new Promise((done) => setTimeout(done, 500));
  const took = [];
  for (let frame = 0; frame < 120; frame++) {
    const started = performance.now();
    list.scrollTop += 400;
    window.scrollBy(0, 20);
    await new Promise(requestAnimationFrame);
    took.push(performance.now() - started);
  }
  return took.sort((a, b) => a - b);
}"""


def real() -> Run:
    """mlx-lm's caches with six mistakes in them against mlx-lm's, over the whole corpus."""
    sys.path.insert(0, str(WRONG))
    subject, reference = (
        subjects.resolve("python:wrong_caches"),
        subjects.resolve(f"mlx-lm=={PINNED}"),
    )
    plan = Plan(subject, reference, LEVELS, ledger.Ledger((), None), True, ("kvparity", "run"))
    scenarios = select([], None)
    return explained(run(plan, scenarios), scenarios, reference)


def enlarged(small: Run) -> Run:
    """As many scenarios as the budget says, each under a name of its own."""
    failing = [one for one in small.records if one.verdict not in PASSING]
    passing = [one for one in small.records if one.verdict == "conform"]
    records = [*_many(failing, DIVERGENCES), *_many(passing, SCENARIOS - DIVERGENCES)]
    counts: dict[str, int] = {}
    for one in records:
        counts[one.verdict] = counts.get(one.verdict, 0) + 1
    footer = small.footer.model_copy(update={"scenarios": len(records), "counts": counts})
    return small.model_copy(update={"records": tuple(records), "footer": footer})


def _many(some: list[Record], count: int) -> list[Record]:
    taken = islice(cycle(some), count)
    return [one.model_copy(update={"id": f"{one.id}-{at}"}) for at, one in enumerate(taken)]


def main() -> None:
    """Draw, open, scroll, and print what it took."""
    text = html.page(enlarged(real()))
    with TemporaryDirectory() as directory, sync_playwright() as playwright:
        path = Path(directory) / "index.html"
        path.write_text(text, encoding="utf-8")
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        if len(sys.argv) > 1:
            Path(sys.argv[1]).write_text(text)
        took = []
        for _ in range(5):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            tab.goto(path.as_uri())
            tab.wait_for_selector(".stage")
            took.append(tab.evaluate("performance.getEntriesByName('drawn')[0].startTime / 1000"))
        frames = tab.evaluate(FRAMES)
        tab.set_content("<p>A page of a few lines.</p>" * 500)
        plain = tab.evaluate(FRAMES)
        browser.close()
    size, drawn = len(text.encode()) / 1e6, statistics.median(took)
    frame, bare = statistics.median(frames), statistics.median(plain)
    print(f"{SCENARIOS} scenarios, {DIVERGENCES} divergences")
    print(f"size {size:.2f} MB (budget {MEGABYTES}): ratio {size / MEGABYTES:.2f}")
    print(f"drawn after {drawn:.2f} s (budget {SECONDS}): ratio {drawn / SECONDS:.2f}")
    print(f"a frame while scrolling {frame:.0f} ms, of a page of bare lines {bare:.0f} ms")


if __name__ == "__main__":
    main()
