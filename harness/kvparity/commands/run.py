"""`kvparity run`: scenarios played on both sides, judged, reported."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from kvparity import ledger, subjects, workers
from kvparity.observe import Level
from kvparity.record import Plan
from kvparity.run import run
from kvreports import runfile
from kvreports.model import Run
from kvscenarios import Scenario
from kvscenarios.select import select

RUN_FILE = "run.jsonl"
PAGE = "index.html"
_MANY = 1000
"""Scenarios that the corpus has, more or less."""


def command(
    selectors: Sequence[str],
    subject: str,
    reference: str,
    keyword: str | None,
    levels: Sequence[Level],
    *,
    declared: Path | None = None,
    draft: Path | None = None,
    as_json: bool,
    out: Path,
    jobs: int | None,
) -> int:
    """Play, judge, write the run file and the page, and say what came of it.

    `declared`: a ledger of the user's own; `draft`: where a first one is to be written.
    """
    if draft is not None:
        ledger.check_draft(draft)
    held, against = subjects.resolve(subject), subjects.resolve(reference)
    whole_corpus = not selectors and keyword is None
    chosen = None if whole_corpus else select(selectors, keyword)
    plan = Plan(
        subject=held,
        reference=against,
        levels=levels,
        ledger=ledger.between(subject, against.version, declared),
        whole_corpus=whole_corpus,
        command=("kvparity", *sys.argv[1:]),
    )
    jobs = jobs or workers.usual(_MANY if chosen is None else len(chosen))
    with workers.playing(plan, jobs) as play:
        # While the workers start.
        from kvparity.explain import explained  # noqa: PLC0415
        from kvreports import html, terminal  # noqa: PLC0415

        scenarios = select(selectors, keyword) if chosen is None else chosen
        done = explained(watched(plan, scenarios, play), scenarios, against)
    runfile.write(out / RUN_FILE, done)
    runfile.write_whole(out / PAGE, html.page(done))
    if draft is not None:
        runfile.write_whole(draft, ledger.draft(done.records))
    if as_json:
        print(terminal.as_json(done))
    else:
        terminal.summarise(done, out / PAGE)
    return done.footer.exit_code


def watched(plan: Plan, scenarios: Sequence[Scenario], play: workers.Play | None = None) -> Run:
    """The run, with progress where somebody watches."""
    gc.disable()  # a run makes little that goes in circles, and ends soon
    if not sys.stderr.isatty():
        return run(plan, scenarios, play=play)
    from rich.console import Console  # noqa: PLC0415 - heavy, and for a terminal only
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("playing", total=len(scenarios))
        return run(plan, scenarios, lambda _record: progress.advance(task), play=play)
