"""A judgement in one sentence, for the line under a scenario's name."""

from __future__ import annotations

from kvparity.judge import Judgement
from kvreports.model import (
    Finding,
    ListValue,
    MaskArray,
    NumberArray,
    RaisedValue,
    TokenArray,
    Value,
)

_WIDTH = 72


def summary(judgement: Judgement) -> str:
    """What decided, where, and both sides of it."""
    if not judgement.findings:
        return "both sides agree in every step"
    first = judgement.findings[0]
    where = f"step {first.step} ({first.op})"
    if first.what == "stop":
        return f"{where}: {first.side} {first.field}: {first.message}"
    if first.what in {"fact", "promise"}:
        actual = first.subject if first.side == "subject" else first.reference
        return f"{where}: {first.message}: expected {_text(first.expected)}, got {_text(actual)}"
    at = _place(first)
    sides = f"subject {_text(first.subject)}, reference {_text(first.reference)}"
    return f"{where}: {first.message}{at}: {sides}"


def _place(finding: Finding) -> str:
    if not finding.place:
        return ""
    return " at " + ", ".join(f"{axis} {index}" for axis, index in finding.place.items())


def _text(value: Value) -> str:
    """A value in a few words."""
    if isinstance(value, TokenArray):
        rows = ["[" + ", ".join(map(str, row)) + "]" for row in value.rows]
        return _short(rows[0] if len(rows) == 1 else "[" + ", ".join(rows) + "]")
    if isinstance(value, MaskArray):
        return _short(" ".join(value.rows) or "an empty mask")
    if isinstance(value, NumberArray):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, RaisedValue):
        return _short(f"raised {value.raised}: {value.message}")
    if isinstance(value, ListValue):
        return _short("[" + ", ".join(_text(item) for item in value.items) + "]")
    return _short("nothing" if value is None else str(value))


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
