"""What a timeline holds: how one scenario behaves at each of many releases, in their order.

Neighbouring releases that behave alike are one stretch. Stretches with the same letter behave
alike, so that a change and its undoing read A B A.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from kvreports.model import Part, Value

SCHEMA_PATH = Path(__file__).parent / "timeline.schema.json"
UNSUPPORTED = "-"
"""In place of a letter: the releases lack what the scenario needs."""


class Raise(Part):
    """An operation that raised. `step` counts the scenario's steps from 1."""

    step: int
    op: str
    raised: str
    message: str


class Stretch(Part):
    """Neighbouring releases between which nothing that can be seen at both differs."""

    letter: str = Field(description="The same for stretches that behave alike; - if unsupported.")
    releases: tuple[str, ...]
    stopped: Literal["unsupported", "crashed", "timeout"] | None = None
    why: str | None = Field(None, description="Why it stopped, and at which operation.")
    raises: tuple[Raise, ...] = ()

    @property
    def first(self) -> str:
        """The oldest release of the stretch."""
        return self.releases[0]

    @property
    def last(self) -> str:
        """The newest release of the stretch."""
        return self.releases[-1]


class Change(Part):
    """Where two neighbouring stretches first differ, and what both have there.

    `what` is `value` (something returned or held), `raised` (raised at one side only, or another
    error) or `support` (one side goes no further).
    """

    what: Literal["value", "raised", "support"]
    index: int
    step: int
    op: str
    cache: str | None = None
    field: str
    place: dict[str, int] = Field({})
    before: Value = None
    after: Value = None
    also: tuple[str, ...] = Field((), description="Other fields that differ, there or later.")


class Transition(Part):
    """From the last release of a stretch to the first of the next."""

    before: str
    after: str
    change: Change


class Visible(Part):
    """A release from which on more, or less, is there to be compared."""

    release: str
    come: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


class Timeline(Part):
    """One scenario at every release, oldest first."""

    format: Literal["kvparity-timeline"] = "kvparity-timeline"
    version: Literal[1] = 1
    tool: str
    mlx: str
    python: str
    platform: str
    id: str
    file: str
    line: int | None
    digest: str
    about: str | None
    stretches: tuple[Stretch, ...]
    transitions: tuple[Transition, ...]
    visible: tuple[Visible, ...] = ()
    unsteady: tuple[str, ...] = ()
    """Releases beside a change that do otherwise when played once more."""


def schema() -> dict[str, Any]:
    """The JSON Schema of a timeline."""
    made = Timeline.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def schema_text() -> str:
    """The schema as its file holds it."""
    return json.dumps(schema(), indent=1, sort_keys=True) + "\n"
