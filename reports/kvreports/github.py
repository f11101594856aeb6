"""A run as annotations of a GitHub workflow: a line of standard output each.

GitHub keeps ten errors of a step. So that none gets lost unsaid, the tenth says how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator

from kvreports.brief import again, failing_records
from kvreports.model import Run
from kvreports.words import plain, verdict_in_words

_KEPT = 10


def as_annotations(run: Run) -> str:
    """An error for each failing scenario and ledger entry; a notice where there is none."""
    lines = list(_errors(run))
    if len(lines) > _KEPT:
        more = len(lines) - _KEPT + 1
        lines[_KEPT - 1 :] = [_command("error", f"{more} more fail: see the report", title="more")]
    if not lines:
        lines = [_command("notice", verdict_in_words(run), title="kvparity")]
    return "\n".join(lines) + "\n"


def _errors(run: Run) -> Iterator[str]:
    for record in failing_records(run):
        place = {"file": record.file}
        if record.line:
            place["line"] = str(record.line)
        message = f"{record.summary}\n{again(run, record)}"
        yield _command("error", message, **place, title=f"{record.verdict}: {record.id}")
    for problem in run.footer.ledger:
        yield _command("error", problem.message, title=f"ledger: {problem.id}")


def _command(kind: str, message: str, **properties: str) -> str:
    """A workflow command, escaped as GitHub's own toolkit does it."""
    named = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {named}::{_data(message)}"


def _data(text: str) -> str:
    text = plain(text, keep="\n")
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(plain(text)).replace(":", "%3A").replace(",", "%2C")
