"""A run as an HTML page: placeholder until the reports are drawn."""

from __future__ import annotations

from kvreports.model import Run


def page(run: Run) -> str:
    """The page."""
    return run.header.tool
