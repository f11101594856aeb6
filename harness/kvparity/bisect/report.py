"""What a bisection found, as a block to paste into an issue."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from kvoracle.commits import Clone
from kvparity.bisect.history import Commit, described
from kvparity.bisect.search import Found
from kvparity.bisect.trial import Ends
from kvparity.compare import place
from kvparity.program import Program
from kvparity.snippets import snippet
from kvparity.views import viewed
from kvreports.model import Value
from kvreports.words import in_words
from kvscenarios import Scenario

_MOST_SUSPECTS = 8


@dataclass(frozen=True)
class Outcome:
    """A bisection's ends and what lies between them."""

    scenario: Scenario
    good: str
    bad: str
    ends: Ends
    found: Found


def as_markdown(outcome: Outcome, clone: Clone, program: Program, command: Sequence[str]) -> str:
    """The block: the commit, the first difference, its hunk, a script and the command."""
    commits = [described(clone, sha) for sha in outcome.found.suspects]
    culprit = outcome.found.culprit is not None
    parts = [
        _headline(outcome, commits),
        _difference(outcome, program),
        *([_patch(commits[0])] if culprit else []),
        "To see it with nothing but mlx-lm installed:",
        f"```python\n{snippet(outcome.scenario)}```",
        f"Found by `{shlex.join(command)}`",
    ]
    return "\n\n".join(parts) + "\n"


def as_json(outcome: Outcome, clone: Clone, program: Program) -> dict[str, object]:
    """The same for a script to read."""
    difference = outcome.ends.difference
    commits = [described(clone, sha) for sha in outcome.found.suspects]
    return {
        "scenario": outcome.scenario.id,
        "digest": outcome.scenario.digest,
        "good": outcome.good,
        "bad": outcome.bad,
        "culprit": outcome.found.culprit,
        "suspects": [
            {"sha": c.sha, "date": c.date, "author": c.author, "title": c.title, "link": c.link}
            for c in commits
        ],
        "trials": [{"sha": sha, "answer": answer} for sha, answer in outcome.found.trials],
        "difference": {
            "operation": program.label(program.ops[difference.index]),
            "step": program.ops[difference.index].index + 1,
            "cache": difference.cache,
            "field": difference.field,
            "place": place(difference.subject, difference.reference),
            "good": in_words(_shown(difference.reference, difference.field, program), None),
            "bad": in_words(_shown(difference.subject, difference.field, program), None),
        },
        "script": snippet(outcome.scenario),
    }


def _headline(outcome: Outcome, commits: Sequence[Commit]) -> str:
    name = outcome.scenario.id
    if outcome.found.culprit is not None:
        return f"**`{name}` changed with {_commit(commits[0])}**"
    shown = [f"- {_commit(commit)}" for commit in commits[:_MOST_SUSPECTS]]
    more = len(commits) - len(shown)
    shown += [f"- and {more} more"] if more > 0 else []
    return (
        f"**`{name}` changed with one of {len(commits)} commits**, which cannot be told apart: "
        "those between them do not load, or fail in another way.\n\n" + "\n".join(shown)
    )


def _commit(commit: Commit) -> str:
    where = f"[{commit.sha[:12]}]({commit.link})" if commit.link else commit.sha[:12]
    return f"{where} ({commit.date}, {commit.author}): {commit.title}"


def _difference(outcome: Outcome, program: Program) -> str:
    difference = outcome.ends.difference
    op = program.ops[difference.index]
    at = ", ".join(
        f"{axis} {n}" for axis, n in place(difference.subject, difference.reference).items()
    )
    on = f" of `{difference.cache}`" if difference.cache else ""
    rows = [
        ("before", in_words(_shown(difference.reference, difference.field, program), None)),
        ("after", in_words(_shown(difference.subject, difference.field, program), None)),
    ]
    table = "\n".join(f"| {side} | `{value}` |" for side, value in rows)
    first = f"The first difference is in step {op.index + 1}, `{program.label(op)}`: "
    return f"{first}{difference.field}{on}{f' at {at}' if at else ''}.\n\n| | |\n|---|---|\n{table}"


def _shown(value: object, field: str, program: Program) -> Value:
    return viewed(value, field, program.paint)


def _patch(commit: Commit) -> str:
    return f"```diff\n{commit.patch}\n```"
