"""Hypothesis profiles of a campaign: how it searches. What it searches for is elsewhere.

Each names its parent: with `CI` set, a profile without one inherits Hypothesis's own `ci` profile,
which keeps no examples. The time that one example takes is nobody's fault here, so none has a
deadline, and none is called unhealthy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase

DATABASE = Path(".hypothesis") / "kvparity"
"""Where failing examples are remembered, a directory a name; relative to where one works."""


def _in_a_directory(name: str) -> ExampleDatabase:
    return DirectoryBasedExampleDatabase(DATABASE / name)


database: Callable[[str], ExampleDatabase] = _in_a_directory
"""What remembers failing examples, by the name they have; put another one here to share them."""

_ON_THE_WAY = (b".secondary", b".pareto")
"""How Hypothesis's keys end where examples are that have given way to smaller ones, or are odd."""

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


def profile(name: str) -> settings:
    """The settings of a profile, which remember nothing: a seed alone says what they draw."""
    return settings.get_profile(f"kvparity-{name}")


class _Smallest(ExampleDatabase):
    """Keeps the smallest example of a failure in another database, and none of those before it.

    Every campaign shrinks its own way: of a fault that stays, ever more of them would gather.
    """

    def __init__(self, kept: ExampleDatabase) -> None:
        super().__init__()
        self._kept = kept

    def save(self, key: bytes, value: bytes) -> None:
        if not key.endswith(_ON_THE_WAY):
            self._kept.save(key, value)

    def fetch(self, key: bytes) -> Iterable[bytes]:
        return self._kept.fetch(key)

    def delete(self, key: bytes, value: bytes) -> None:
        self._kept.delete(key, value)


def remembering(chosen: settings, name: str, *, replay: bool) -> settings:
    """The same settings, with failing examples kept under this name.

    `replay` tries first those that were kept before, and forgets which of them pass now. A campaign
    that goes on must not: what it has found passes from then on, and would be forgotten.
    """
    phases = [phase for phase in chosen.phases if replay or phase is not Phase.reuse]
    return settings(chosen, database=_Smallest(database(name)), phases=phases)
