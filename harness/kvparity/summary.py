"""A judgement in one sentence, for the line under a scenario's name."""

from __future__ import annotations

from kvparity.judge import Judgement
from kvreports.words import MEANING, placed


def summary(judgement: Judgement) -> str:
    """What decided, where, and both sides of it."""
    if not judgement.findings:
        return MEANING["conform"]
    return placed(judgement.findings[0])
