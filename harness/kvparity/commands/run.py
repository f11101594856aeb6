"""`kvparity run`: scenarios played on both sides, judged, reported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from kvparity import ledger, subjects, workers
from kvparity.observe import Level
from kvparity.record import Plan
from kvparity.run import run
from kvreports import html, runfile, terminal
from kvreports.model import Run
from kvscenarios import Scenario
from kvscenarios.select import select

RUN_FILE = "run.jsonl"
PAGE = "index.html"


def command(
    selectors: Sequence[str],
    subject: str,
    reference: str,
    keyword: str | None,
    levels: Sequence[Level],
    *,
    as_json: bool,
    out: Path,
    jobs: int | None,
) -> int:
    """Play, judge, write the run file and the page, and say what came of it."""
    held, against = subjects.resolve(subject), subjects.resolve(reference)
    scenarios = select(selectors, keyword)
    declared = ledger.load(ledger.OWN) if subjects.is_own(subject) else ()
    plan = Plan(
        subject=held,
        reference=against,
        levels=levels,
        ledger=ledger.Ledger(declared, against.version),
        whole_corpus=not selectors and keyword is None,
        command=("kvparity", *sys.argv[1:]),
    )
    done = played(plan, scenarios, jobs)
    runfile.write(out / RUN_FILE, done)
    runfile.write_whole(out / PAGE, html.page(done))
    if as_json:
        print(terminal.as_json(done))
    else:
        terminal.summarise(done, out / PAGE)
    return done.footer.exit_code


def played(plan: Plan, scenarios: Sequence[Scenario], jobs: int | None = None) -> Run:
    """The run, by as many workers as are worth it, with progress where somebody watches."""
    jobs = jobs or workers.usual(len(scenarios))
    if not sys.stderr.isatty():
        return run(plan, scenarios, jobs=jobs)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("playing", total=len(scenarios))
        return run(plan, scenarios, lambda _record: progress.advance(task), jobs=jobs)
