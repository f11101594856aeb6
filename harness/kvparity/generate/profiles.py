"""Hypothesis profiles of a campaign: how it searches. What it searches for is elsewhere.

Each names its parent: with `CI` set, a profile without one inherits Hypothesis's own `ci` profile,
which keeps no examples. The time that one example takes is nobody's fault here, so none has a
deadline, and none is called unhealthy.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

DATABASE = Path(".hypothesis") / "kvparity"
"""Where failing examples are remembered, a directory a kind; relative to where one works."""


def _in_a_directory(kind: str) -> ExampleDatabase:
    return DirectoryBasedExampleDatabase(DATABASE / kind)


database: Callable[[str], ExampleDatabase] = _in_a_directory
"""What remembers a kind's failing examples; put another one here to share them."""

_BASE = settings(
    settings.get_profile("default"),
    deadline=None,
    database=None,
    print_blob=False,
    verbosity=Verbosity.quiet,
    report_multiple_bugs=False,
    phases=(Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
NAMES = ("nightly", "gate", "debug")

settings.register_profile("kvparity-gate", _BASE, derandomize=True, max_examples=100)
settings.register_profile("kvparity-nightly", _BASE, max_examples=250)
settings.register_profile(
    "kvparity-debug", _BASE, derandomize=True, max_examples=50, phases=(Phase.generate,)
)


def profile(name: str, kind: str, *, remember: bool = False) -> settings:
    """The settings of a profile; `remember`: replay a kind's earlier failures, and keep new ones.

    A run that is to be repeated from its seed alone must not remember.
    """
    found = settings.get_profile(f"kvparity-{name}")
    if not remember:
        return found
    return settings(found, database=database(kind))
