"""A run on a terminal: placeholder until the reports are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kvreports.model import OpView, Run


def as_json(run: Run) -> str:
    """The run as one JSON object."""
    return run.model_dump_json(indent=1)


def summarise(run: Run, page: Path) -> None:
    """Print the verdicts."""
    for record in run.records:
        if record.verdict not in ("conform",):
            print(record.verdict, record.id, record.summary)
    print(run.footer.counts, page)


def table(
    name: str, about: str | None, subject: str, reference: str, ops: Sequence[OpView]
) -> None:
    """Print what both sides hold."""
    for op in ops:
        print(op.label, op.subject, op.reference)
