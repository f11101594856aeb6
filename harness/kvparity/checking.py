"""One scenario checked at a time, for tests: it passes in silence, or raises with a table."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from dataclasses import dataclass

import pytest

from kvparity import config, ledger, subjects
from kvparity.observe import Level
from kvparity.record import Plan, records
from kvreports.model import PASSING, Record
from kvreports.terminal import table
from kvscenarios import Scenario


class DivergenceError(AssertionError):
    """A scenario that a gate would not let through; its text is the table of where it parts."""


@dataclass(frozen=True)
class Checking:
    """Two sides, how closely they are compared, and what is known to differ between them."""

    subject: subjects.Implementation
    reference: subjects.Implementation
    levels: tuple[Level, ...]
    ledger: ledger.Ledger

    @classmethod
    def configured(
        cls, subject: str | None = None, reference: str | None = None, ledger: str | None = None
    ) -> Checking:
        """The sides as configured, but for what is given. Raises pytest.UsageError."""
        given = {"subjects": subject, "references": reference, "ledger": ledger}
        try:
            return _configured({name: value for name, value in given.items() if value is not None})
        except _MISTAKES as error:
            raise pytest.UsageError(f"kvparity: {error}") from None

    def check(self, scenario: Scenario) -> None:
        """Play the scenario on both sides. Raises DivergenceError; skips what is unsupported."""
        __tracebackhide__ = True
        plan = Plan(
            self.subject, self.reference, self.levels, self.ledger, whole_corpus=False, command=()
        )
        (record,) = records(plan, [scenario])
        if record.verdict == "unsupported":
            pytest.skip(record.summary)
        if record.verdict not in PASSING:
            raise DivergenceError(self._told(record))

    def _told(self, record: Record) -> str:
        with redirect_stdout(io.StringIO()) as text:
            print(f"{record.verdict}: {record.summary}\n")
            table(record.id, record.about, self.subject.name, self.reference.name, record.ops)
        return text.getvalue()


_MISTAKES = (
    config.ConfigError,
    ledger.LedgerError,
    subjects.UnknownName,
    subjects.Missing,
)


def _configured(given: dict[str, str]) -> Checking:
    chosen = config.load(None, given)
    subject, reference = chosen.subjects[0], config.references(chosen.references)[0]
    against = subjects.resolve(reference)
    declared = ledger.between(subject, against.version, chosen.ledger)
    return Checking(subjects.resolve(subject), against, chosen.levels, declared)
