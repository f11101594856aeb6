"""`kvparity bisect`: the commit of mlx-lm with which a scenario's behaviour changed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from kvoracle import lock
from kvoracle.commits import Clone
from kvparity.bisect.history import between
from kvparity.bisect.report import Outcome, as_json, as_markdown
from kvparity.bisect.search import Answer, first_bad
from kvparity.bisect.trial import EndsError, Trials
from kvparity.commands.show import only
from kvparity.everyrelease import EveryRelease
from kvparity.exitcodes import CONFORMS
from kvparity.program import Program
from kvreports import runfile


def command(
    selector: str,
    repo: Path,
    good: str | None,
    bad: str | None,
    *,
    keyword: str | None,
    machine: bool,
    out: Path | None,
) -> int:
    """Find the commit and print the block; nothing is checked out, and nothing sent anywhere."""
    program = Program(only(selector, keyword))
    clone = Clone(repo)
    if good is None:
        good, bad = last_change(program, bad)
    first, last = clone.commit(good), clone.commit(bad or "HEAD")
    history = between(clone, first, last)
    trials = Trials(clone, program)
    ends = trials.ends(first, last)
    console = Console(stderr=True)

    def trial(commit: str) -> Answer:
        answer = trials.judge(ends, commit)
        if not machine:
            console.print(f"{commit[:12]} {answer}", highlight=False)
        return answer

    found = first_bad(history, last, trial)
    outcome = Outcome(program.scenario, first, last, ends, found)
    words = ("kvparity", *sys.argv[1:])
    block = as_markdown(outcome, clone, program, words)
    if out is not None:
        runfile.write_whole(out, block)
    print(json.dumps(as_json(outcome, clone, program), indent=1) if machine else block)
    return CONFORMS


def last_change(program: Program, bad: str | None) -> tuple[str, str]:
    """The tags of the releases around the scenario's last change. Raises EndsError."""
    transitions = EveryRelease(lock.releases()).timeline(program).transitions
    if not transitions:
        raise EndsError(
            "this scenario does the same at every known release: name two commits between which "
            "it changed, with --good and --bad"
        )
    return f"v{transitions[-1].before}", bad or f"v{transitions[-1].after}"
