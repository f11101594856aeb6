"""A run as Markdown, for a job's summary or a comment: what it comes to, and what fails where.

It is short on purpose: a platform cuts long summaries off, and the page has everything.
"""

from __future__ import annotations

import html
from collections.abc import Iterator

from kvreports.brief import failing_records, named, story
from kvreports.model import Record, Run
from kvreports.words import MEANING, plain, verdict_in_words

_NAMED = 50
"""Failing scenarios that are named."""
_TOLD = 3
"""Failing scenarios that are told step by step."""
_ESCAPED = "\\|*_`[]~!"
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "#": "&#35;"}


def shown(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no mention, no break of a table's cell."""
    return "".join(
        f"\\{char}" if char in _ESCAPED else _ENTITIES.get(char, char) for char in plain(text)
    )


def as_markdown(run: Run) -> str:
    """The run, whole."""
    parts = [
        f"## {shown(verdict_in_words(run))}",
        f"- subject: {shown(named(run.header.subject))}\n"
        f"- reference: {shown(named(run.header.reference))}",
        _counts(run),
        *_ledger(run),
        *_failures(run, failing_records(run)),
    ]
    return "\n\n".join(parts) + "\n"


def _counts(run: Run) -> str:
    rows = [
        f"| {verdict} | {run.footer.counts[verdict]} | {meaning} |"
        for verdict, meaning in MEANING.items()
        if run.footer.counts.get(verdict)
    ]
    return "\n".join(["| verdict | scenarios | meaning |", "|---|---|---|", *rows])


def _ledger(run: Run) -> Iterator[str]:
    if run.footer.ledger:
        rows = [f"- {shown(one.id)}: {shown(one.message)}" for one in run.footer.ledger]
        yield "### The ledger does not hold\n\n" + "\n".join(rows)


def _failures(run: Run, failing: list[Record]) -> Iterator[str]:
    if not failing:
        return
    rows = [
        f"| {record.verdict} | {shown(record.id)} | {shown(record.summary)} |"
        for record in failing[:_NAMED]
    ]
    more = len(failing) - _NAMED
    after = f"\n\n... and {more} more: the page has them all." if more > 0 else ""
    yield "\n".join(["| verdict | scenario | where first |", "|---|---|---|", *rows]) + after
    for record in failing[:_TOLD]:
        told = "<br>\n".join(shown(line) for line in story(run, record))
        # In a line of HTML, Markdown escapes nothing.
        name = html.escape(plain(record.id)).replace("@", _ENTITIES["@"])
        yield f"<details><summary>{name}</summary>\n\n{told}\n\n</details>"
