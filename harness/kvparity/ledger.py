"""`divergences.yaml`: the differences that are known, each with its reason.

A difference that an entry matches is declared and passes. An entry whose differences are gone is
stale, and one that matches no scenario at all is a mistake: both fail a run of the whole corpus.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator, Field, ValidationError

from kvreports.model import LedgerProblem
from kvscenarios import Scenario, yamltree
from kvscenarios.base import Model

OWN = Path(__file__).parent / "divergences.yaml"
"""kvimpl against mlx-lm."""


class LedgerError(ValueError):
    """A ledger that is missing or malformed."""


def _release_range(text: str) -> str:
    if not text.startswith("mlx-lm"):
        raise ValueError(f"a range names mlx-lm, as in mlx-lm<0.32, not {text!r}")
    try:
        SpecifierSet(text.removeprefix("mlx-lm"))
    except InvalidSpecifier:
        raise ValueError(f"not a release range: {text!r}; write mlx-lm<0.32") from None
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("a declared divergence needs a reason in words")
    return text


class Found(NamedTuple):
    """A difference, or a fact that a side does not meet, as entries are matched with it."""

    operation: str
    field: str
    kind: str | None = None
    reference_raised: str | None = None
    subject_failed: bool = False


class Match(Model):
    """What an entry covers; what is left out covers everything."""

    scenario: str = "*"
    kind: str | None = None
    operation: str | None = None
    field: str | None = None
    reference_raises: str | None = None


class Entry(Model):
    """One declared divergence."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,79}$")]
    match: Match
    when: Annotated[str, AfterValidator(_release_range)] | None = None
    why: Literal["hardening", "upstream-bug", "by-design"]
    reason: Annotated[str, AfterValidator(_not_blank)]
    link: str | None = None

    def holds_at(self, version: str | None) -> bool:
        """Whether the entry speaks of this release of the reference."""
        if self.when is None or version is None:
            return True
        releases = SpecifierSet(self.when.removeprefix("mlx-lm"), prereleases=True)
        return releases.contains(version)

    def concerns(self, scenario: Scenario) -> bool:
        """Whether the entry's glob takes in the scenario."""
        return fnmatchcase(scenario.id, self.match.scenario)

    def covers(self, scenario: Scenario, found: Found) -> bool:
        """Whether the entry declares what was found in the scenario."""
        match = self.match
        return (
            self.concerns(scenario)
            and match.operation in (None, found.operation)
            and match.field in (None, found.field)
            and match.kind in (None, found.kind)
            and match.reference_raises in (None, found.reference_raised)
        )


class _File(Model):
    divergences: tuple[Entry, ...]


class Ledger:
    """The entries that speak of one release of the reference."""

    def __init__(self, entries: Iterable[Entry], version: str | None) -> None:
        self.entries = tuple(entry for entry in entries if entry.holds_at(version))

    def declare(self, scenario: Scenario, found: Found) -> str | None:
        """The id of the entry that declares this.

        Where the subject fails to meet what the scenario pins, an entry that blames the reference,
        or praises the subject, says nothing.
        """
        for entry in self.entries:
            if found.subject_failed and entry.why != "by-design":
                continue
            if entry.covers(scenario, found):
                return entry.id
        return None

    def entry(self, name: str | None) -> Entry | None:
        """The entry of this id; None where there is none."""
        return next((entry for entry in self.entries if entry.id == name), None)

    def problems(
        self, scenarios: Sequence[Scenario], found: Collection[str]
    ) -> Iterator[LedgerProblem]:
        """The entries that fail a run of the whole corpus, which `found` those of these ids."""
        for entry in self.entries:
            if entry.id in found:
                continue
            if any(entry.concerns(scenario) for scenario in scenarios):
                message = "declared, but nothing diverges any more: take the entry out"
                yield LedgerProblem(id=entry.id, why="stale", message=message)
            else:
                message = f"no scenario matches {entry.match.scenario!r}"
                yield LedgerProblem(id=entry.id, why="matches-nothing", message=message)


def load(path: Path) -> tuple[Entry, ...]:
    """The entries of a ledger file. Raises LedgerError."""
    try:
        tree = yamltree.read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read: {error.strerror}") from None
    except (yamltree.YamlError, UnicodeDecodeError) as error:
        line = getattr(error, "line", None)
        raise LedgerError(f"{path}{f':{line}' if line else ''}: {error}") from None
    try:
        entries = _File.model_validate(tree.data).divergences
    except ValidationError as error:
        raise LedgerError("\n".join(_mistakes(path, tree, error))) from None
    repeated = {entry.id for entry in entries if [e.id for e in entries].count(entry.id) > 1}
    if repeated:
        raise LedgerError(f"{path}: ids stand twice: {', '.join(sorted(repeated))}")
    return entries


def _mistakes(path: Path, tree: yamltree.Tree, error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False):
        loc: tuple[Any, ...] = item["loc"]
        message = str(item.get("ctx", {}).get("error", item["msg"]))
        yield f"{path}:{tree.line(loc)}: {'.'.join(str(part) for part in loc)}: {message}"
