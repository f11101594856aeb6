"""What the short reports share: which scenarios fail, who was held against whom, how to repeat it.

Nothing is escaped here: each report does that in its own way.
"""

from __future__ import annotations

import shlex

from kvreports.model import Implementation, Record, Run
from kvreports.words import MEANING, failing_verdicts, in_words

LEVELS = ("returned", "state", "internals")


def failing_records(run: Run) -> list[Record]:
    """The records that a gate does not let through, worst verdict first, else as they were run."""
    order = {verdict: place for place, verdict in enumerate(MEANING)}
    failing = [record for record in run.records if record.verdict in set(failing_verdicts())]
    return sorted(failing, key=lambda record: order[record.verdict])


def named(one: Implementation) -> str:
    """An implementation's name, and its version where the name does not say it."""
    return f"{one.name} {one.version}" if one.version and one.version not in one.name else one.name


def again(run: Run, record: Record) -> str:
    """The command that plays one scenario again, on the same two sides at the same levels."""
    name = record.id.partition("/")[2]
    words = ["kvparity", "run", record.file, "-k", name]
    words += ["--subject", run.header.subject.name, "--reference", run.header.reference.name]
    if set(run.header.levels) != set(LEVELS):
        words += [word for level in run.header.levels for word in ("--level", level)]
    return shlex.join(words)


def story(run: Run, record: Record) -> list[str]:
    """One failing scenario, a line each: what only it would catch, its steps, both sides, again."""
    first = record.first
    lines = [record.about] if record.about else []
    for number, step in enumerate(record.steps, 1):
        here = first is not None and first.step == number
        lines.append(f"step {number}: {step}{'   <- here' if here else ''}")
        if here:
            break
    if first is not None:
        lines.append(f"subject {first.field}: {in_words(first.subject)}")
        lines.append(f"reference {first.field}: {in_words(first.reference)}")
        if first.expected is not None:
            lines.append(f"pinned {first.field}: {in_words(first.expected)}")
    return [*lines, f"again: {again(run, record)}"]
