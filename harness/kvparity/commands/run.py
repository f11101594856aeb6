"""`kvparity run`: scenarios played on both sides, judged, reported."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator, Sequence, Sized
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from kvparity import interruptions, ledger, pool, subjects, workers
from kvparity.exitcodes import COULD_NOT_RUN
from kvparity.explain import explained
from kvparity.observe import Level
from kvparity.record import Plan
from kvparity.run import run
from kvreports import html, runfile, terminal
from kvreports.model import Run
from kvscenarios import Scenario
from kvscenarios.loader import read_corpus
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
    declared: Path | None = None,
    draft: Path | None = None,
    as_json: bool,
    out: Path,
    jobs: int | None,
    ready: ProcessPoolExecutor | None = None,
) -> int:
    """Play, judge, write the run file and the page, and say what came of it.

    `declared`: a ledger of the user's own; `draft`: where a first one is to be written; `ready`:
    workers that have been started already.
    """
    if draft is not None:
        ledger.check_draft(draft)
    held, against = subjects.resolve(subject), subjects.resolve(reference)
    whole_corpus = not selectors and keyword is None
    chosen = [] if whole_corpus else select(selectors, keyword)
    plan = Plan(
        subject=held,
        reference=against,
        levels=levels,
        ledger=ledger.between(subject, against.version, declared),
        whole_corpus=whole_corpus,
        command=("kvparity", *sys.argv[1:]),
    )
    jobs = pool.fitting(jobs, None if whole_corpus else len(chosen))
    with workers.playing(plan, jobs, ready) as play:
        # The corpus is played as it is read.
        reading = _noting(read_corpus(), chosen) if whole_corpus else chosen
        done = explained(watched(plan, reading, play), chosen, against)
    write(out, done)
    if draft is not None:
        runfile.write_whole(draft, ledger.draft(done.records))
    if as_json:
        print(terminal.as_json(done))
        tell_if_nothing(done)
    else:
        terminal.summarise(done, out / PAGE)
    return done.footer.exit_code


def tell_if_nothing(run: Run) -> None:
    """Say why the exit code is what it is where nothing was compared, to whoever reads no JSON."""
    if run.footer.exit_code == COULD_NOT_RUN:
        print("kvparity: nothing was compared", file=sys.stderr)


def played(plan: Plan, scenarios: Sequence[Scenario], jobs: int | None = None) -> Run:
    """The run by so many processes, or by as many as are worth it."""
    with workers.playing(plan, pool.fitting(jobs, len(scenarios))) as play:
        return watched(plan, scenarios, play)


def write(out: Path, run: Run) -> None:
    """The run file first: the page, and everything else, can be drawn from it again."""
    interruptions.check()
    runfile.write(out / RUN_FILE, run)
    page = html.page(run)
    interruptions.check()
    runfile.write_whole(out / PAGE, page)


def _noting(scenarios: Iterable[Scenario], noted: list[Scenario]) -> Iterator[Scenario]:
    """The scenarios, each noted as it goes by."""
    for scenario in scenarios:
        noted.append(scenario)
        yield scenario


def watched(plan: Plan, scenarios: Iterable[Scenario], play: workers.Play | None = None) -> Run:
    """The run, with progress where somebody watches."""
    gc.disable()  # a run makes little that goes in circles, and ends soon
    if not sys.stderr.isatty():
        return run(plan, scenarios, play=play)
    from rich.console import Console  # noqa: PLC0415 - heavy, and for a terminal only
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as progress:
        known = len(scenarios) if isinstance(scenarios, Sized) else None
        task = progress.add_task("playing", total=known)
        return run(plan, scenarios, lambda _record: progress.advance(task), play=play)
