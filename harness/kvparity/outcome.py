"""What comes of rounds: failures, of each kind the smallest, and what was counted on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from kvscenarios import Scenario

LAW, REFERENCE_LAW = "law", "reference-law"


class Fingerprint(NamedTuple):
    """What makes two failures one finding.

    A law that is broken stands in the place of the operation, and `what` says by which side.
    """

    kind: str
    operation: str
    level: str
    field: str
    what: str

    @property
    def slug(self) -> str:
        """The fingerprint as a part of a name."""
        return f"{self.kind}-{self.operation}-{self.field}".replace("_", "-")


@dataclass(frozen=True)
class Failure:
    """A scenario that fails, the smallest known of its fingerprint, and what fails in it.

    Where a law is broken, `plain` is the scenario that it should come to the same as, if there is
    one.
    """

    fingerprint: Fingerprint
    scenario: Scenario
    sentence: str
    ops: int
    plain: Scenario | None = None


@dataclass
class Outcome:
    """What came of a round, or of several.

    `covered` counts (kind, phase, operation), `laws` how often each was tried and said something;
    `seconds` says what the time went into.
    """

    examples: int = 0
    ops: int = 0
    failures: dict[Fingerprint, Failure] = field(default_factory=dict)
    covered: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    laws: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def take(self, other: Outcome) -> None:
        """Add what came of another round."""
        self.examples += other.examples
        self.ops += other.ops
        self.covered.update(other.covered)
        self.laws.update(other.laws)
        for what, spent in other.seconds.items():
            self.seconds[what] += spent
        for fingerprint, failure in other.failures.items():
            known = self.failures.get(fingerprint)
            if known is None or failure.ops < known.ops:
                self.failures[fingerprint] = failure

    @property
    def findings(self) -> list[Failure]:
        """What the subject is to answer for."""
        return self._sorted(lambda what: what != REFERENCE_LAW)

    @property
    def about_reference(self) -> list[Failure]:
        """The laws that the reference breaks: no divergence, and yet worth knowing."""
        return self._sorted(lambda what: what == REFERENCE_LAW)

    def _sorted(self, wanted: Callable[[str], bool]) -> list[Failure]:
        found = [one for one in self.failures.values() if wanted(one.fingerprint.what)]
        return sorted(found, key=lambda failure: failure.fingerprint)
