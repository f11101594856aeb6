"""What one entry of a ledger says: which differences it declares, at which releases, and why."""

from __future__ import annotations

import datetime
import importlib.metadata
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator, BeforeValidator, Field

from kvscenarios import Scenario
from kvscenarios.base import Model
from kvscenarios.errors import shown

GENERATED = "generated/"
WHYS = ("hardening", "upstream-bug", "by-design")


def _release_range(text: str) -> str:
    name = "mlx-lm" if text.startswith("mlx-lm") else "mlx"
    if not text.startswith(name):
        raise ValueError(f"a range names mlx-lm or mlx, as in mlx-lm<0.32, not {text!r}")
    try:
        SpecifierSet(text.removeprefix(name))
    except InvalidSpecifier:
        raise ValueError(f"not a release range: {text!r}; write {name}<0.32") from None
    return text


@cache
def _mlx() -> str:
    return importlib.metadata.version("mlx")


def _not_blank(text: Any) -> Any:
    if text is None or (isinstance(text, str) and not text.strip()):
        raise ValueError("a declared divergence needs a reason in words")
    return text


def _known_why(text: Any) -> Any:
    if text not in WHYS:
        raise ValueError(f"why is one of {', '.join(WHYS)}, not {text!r}")
    return text


def _day(value: Any) -> Any:
    if value is None or isinstance(value, datetime.date):
        return value
    try:
        return datetime.date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"not a day: {shown(value)}; write one such as 2030-01-31") from None


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str | int) else value


def _as_text(value: Any) -> Any:
    """A value as reports say it: `true`, `nothing`, `0`."""
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)


class Found(NamedTuple):
    """A difference, or a fact that a side does not meet, as entries are matched with it.

    `kind` is that of the cache that the field belongs to, or that the operation is about.
    `reference` is what the reference has, in words.
    """

    operation: str
    field: str
    kind: str | None = None
    reference_raised: str | None = None
    reference: str | None = None
    subject_failed: bool = False


Words = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1), BeforeValidator(_several)
]
"""One word or a list of them, any of which will do."""


class Match(Model):
    """What an entry covers; what is left out covers everything.

    `scenario` and `reference` (what the reference has, in words) are globs.
    """

    scenario: Words = ("*",)
    kind: Words | None = None
    operation: Words | None = None
    field: Words | None = None
    reference_raises: Words | None = None
    reference: Annotated[str, BeforeValidator(_as_text)] | None = None

    def takes(self, found: Found) -> bool:
        """Whether all but the scenario fits what was found."""
        return (
            _any(self.operation, found.operation)
            and _any(self.field, found.field)
            and _any(self.kind, found.kind)
            and _any(self.reference_raises, found.reference_raised)
            and (self.reference is None or fnmatchcase(found.reference or "", self.reference))
        )


def _any(words: tuple[str, ...] | None, word: str | None) -> bool:
    return words is None or word in words


def _of_mlx_lm(text: str) -> bool:
    return text.startswith("mlx-lm")


def _range(text: str, name: str) -> SpecifierSet:
    return SpecifierSet(text.removeprefix(name), prereleases=True)


class Entry(Model):
    """One declared divergence.

    With `spreads`, what follows from the difference in the same scenario is declared with it.
    After the date of `until`, the entry fails the run, whatever it declares.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")]
    match: Match
    when: Annotated[
        tuple[Annotated[str, AfterValidator(_release_range)], ...], BeforeValidator(_several)
    ] = ()
    spreads: bool = False
    why: Annotated[Literal["hardening", "upstream-bug", "by-design"], BeforeValidator(_known_why)]
    reason: Annotated[str, BeforeValidator(_not_blank)]
    link: str | None = None
    until: Annotated[datetime.date | None, BeforeValidator(_day)] = None

    def holds_at(self, version: str | None) -> bool:
        """Whether the entry speaks of this release of the reference, under the mlx that is here."""
        fits = all(_range(one, "mlx").contains(_mlx()) for one in self.when if not _of_mlx_lm(one))
        return fits and self.speaks_of(version)

    def speaks_of(self, version: str | None) -> bool:
        """Whether the entry speaks of this release, under some mlx; always where there is none."""
        ranges = [_range(one, "mlx-lm") for one in self.when if _of_mlx_lm(one)]
        return version is None or all(one.contains(version) for one in ranges)

    def concerns(self, scenario: Scenario) -> bool:
        """Whether one of the entry's globs takes in the scenario."""
        return any(fnmatchcase(scenario.id, glob) for glob in self.match.scenario)

    def covers(self, scenario: Scenario, found: Found) -> bool:
        """Whether the entry declares what was found in the scenario."""
        return self.match.takes(found) and self.concerns(scenario)

    def idle_globs(self, ids: Sequence[str]) -> Iterator[str]:
        """The entry's globs that no scenario of these ids matches.

        Which scenarios will be generated nobody knows.
        """
        for glob in self.match.scenario:
            if not glob.startswith(GENERATED) and not any(fnmatchcase(name, glob) for name in ids):
                yield glob
