"""A ledger at one release of the reference: what it declares, and what a run shows of it."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Iterator, Sequence

from packaging.version import Version

from kvoracle.releases import PINNED
from kvparity.ledger.entries import Entry, Found
from kvreports.model import LedgerProblem
from kvscenarios import Scenario


class Ledger:
    """The entries that speak of one release of the reference.

    `known` are entries about the reference alone: where it misses what a scenario pins, whatever
    the subject, they say that this is no news.
    """

    def __init__(
        self, entries: Iterable[Entry], version: str | None, known: Iterable[Entry] = ()
    ) -> None:
        self.entries = tuple(entry for entry in entries if entry.holds_at(version))
        self._known = tuple(entry for entry in known if entry.holds_at(version))
        self._version = version

    @property
    def of_the_past(self) -> bool:
        """Whether the reference is older than the release that the corpus speaks of."""
        return self._version is not None and Version(self._version) < Version(PINNED)

    def declare(self, scenario: Scenario, found: Found) -> Entry | None:
        """The entry that declares this.

        Where the subject fails to meet what the scenario pins, an entry that blames the reference,
        or praises the subject, says nothing.
        """
        for entry in self.entries:
            if found.subject_failed and entry.why != "by-design":
                continue
            if entry.covers(scenario, found):
                return entry
        return None

    def known(self, scenario: Scenario, found: Found) -> Entry | None:
        """The entry that says of the reference what was found there."""
        return next((entry for entry in self._known if entry.covers(scenario, found)), None)

    def problems(
        self,
        ids: Sequence[str],
        found: Collection[str],
        today: datetime.date | None = None,
    ) -> Iterator[LedgerProblem]:
        """The entries that fail a run of all scenarios of these ids, which `found` some entries.

        An entry for some releases cannot be stale where the reference has no release.
        """
        today = today or datetime.datetime.now(datetime.timezone.utc).date()
        for entry in self.entries:
            idle = list(entry.idle_globs(ids))
            if idle:
                message = f"no scenario matches {' or '.join(map(repr, idle))}"
                yield LedgerProblem(id=entry.id, why="matches-nothing", message=message)
            elif entry.id not in found and not (entry.when and self._version is None):
                message = f"declared, but nothing diverges{self._here()}: {self._cure(entry)}"
                yield LedgerProblem(id=entry.id, why="stale", message=message)
            if entry.until is not None and today > entry.until:
                message = f"declared until {entry.until}, which has passed"
                yield LedgerProblem(id=entry.id, why="expired", message=message)

    def _here(self) -> str:
        return f" at mlx-lm {self._version}" if self._version else " any more"

    def _cure(self, entry: Entry) -> str:
        if self._version is None:
            return "take the entry out"
        when = f" ({', '.join(entry.when)})" if entry.when else ""
        return f"take the entry out, or narrow its `when`{when}"
