"""A judgement in one sentence, for the line under a scenario's name."""

from __future__ import annotations

from kvparity.judge import Judgement
from kvreports.words import MEANING, sentence


def summary(judgement: Judgement) -> str:
    """What decided, where, and both sides of it."""
    if not judgement.findings:
        return MEANING["conform"]
    first = judgement.findings[0]
    return f"step {first.step} ({first.op}): {sentence(first)}"
