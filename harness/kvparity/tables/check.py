"""Whether a table still holds: its scenarios are played again, and compared by their hashes.

Stale and edited are two things. A stale table is as it was written, and the reference now does
something else; an edited one is not as it was written, whatever the reference does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kvparity import subjects
from kvparity.subjects import Missing
from kvparity.tables.cells import text
from kvparity.tables.columns import COLUMNS, OUTCOMES
from kvparity.tables.document import IN_CORPUS, Document, document
from kvparity.tables.edits import Edit, Edits, edits
from kvparity.tables.files import content, without_bom
from kvparity.tables.made import Table, make
from kvparity.tables.provenance import (
    Origin,
    Provenance,
    column_hashes,
    find,
    is_whole,
    row_hash,
    working_hash,
)
from kvparity.tables.rows import Row
from kvscenarios import Scenario, ScenarioError
from kvscenarios.loader import CORPUS, load_files
from kvscenarios.select import select


@dataclass(frozen=True)
class Moved:
    """A row that is not what it was: `changes` are (column, was, now), where what was is known."""

    scenario: str
    op: int
    step: int
    operation: str
    changes: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a table. `lines_moved` are the ops that ran other lines than it cites."""

    file: str
    made_at: str
    checked_at: str
    rows: int
    edited: bool
    moved: tuple[Moved, ...]
    lines_moved: tuple[str, ...]
    scenarios_changed: tuple[str, ...]
    edits: tuple[Edit, ...] = ()
    edits_more: int = 0
    edits_unshown: str = ""

    @property
    def stale(self) -> bool:
        """Whether the reference does something else now, or the scenario asks for it."""
        return bool(self.moved or self.lines_moved or self.scenarios_changed)

    @property
    def holds(self) -> bool:
        """Whether the table is as it was written, and still what the reference does."""
        return not self.stale and not self.edited


def check(path: Path, reference: str | None, selectors: Sequence[str]) -> Outcome:
    """Hold a table against the reference, or against the one that it was made at.

    `selectors` say where its scenarios are, if they are no longer where they were.

    Raises NotATable, OSError, UnknownName, ScenarioError for what is no regular file, and Missing
    for a scenario or a reference that is not to be had.
    """
    data = without_bom(content(path))
    made_of = find(data)
    now = subjects.resolve(reference or made_of.reference)
    scenarios = [_scenario(one, path, selectors) for one in made_of.scenarios]
    tables = make(scenarios, now, trace=made_of.working)
    edited = not is_whole(data, made_of)
    before = _before(made_of, scenarios)
    moved = [
        row
        for table, one in zip(tables, made_of.scenarios, strict=True)
        for row in _moved(table, one, _rows_before(one, before))
    ]
    changed = tuple(
        scenario.id
        for scenario, one in zip(scenarios, made_of.scenarios, strict=True)
        if scenario.digest != one.digest
    )
    found = edits(data, None if changed else before, made_of.format) if edited else Edits()
    return Outcome(
        file=str(path),
        made_at=made_of.reference,
        checked_at=now.name,
        rows=sum(len(one.rows) for one in made_of.scenarios),
        edited=edited,
        moved=tuple(moved),
        lines_moved=tuple(_lines_moved(tables, made_of)),
        scenarios_changed=changed,
        edits=found.places,
        edits_more=found.more,
        edits_unshown=found.unshown,
    )


def _scenario(one: Origin, path: Path, selectors: Sequence[str]) -> Scenario:
    """The scenario of a table, found by its name."""
    if selectors:
        found = select(selectors)
    elif one.file == IN_CORPUS:
        found = load_files(sorted((CORPUS / one.id.partition("/")[0]).glob("*.yaml")))
    else:
        found = _load(one, path)
    for scenario in found:
        if scenario.id == one.id:
            return scenario
    raise Missing(f"{path} is a table of {one.id}, and there is no such scenario in {one.file}")


def _load(one: Origin, path: Path) -> list[Scenario]:
    """The scenarios of a file, as named from here or from where the table is."""
    for file in (Path(one.file), path.parent / one.file, path.parent / Path(one.file).name):
        if file.is_file():
            return load_files([file])
    raise Missing(
        f"{path} is a table of {one.id} in {one.file}, which is not here; name it: "
        f"kvparity table --check {path} FILE"
    )


def _before(made_of: Provenance, scenarios: Sequence[Scenario]) -> Document | None:
    """The table as it was made, where that can be made again."""
    with suppress(Missing, ScenarioError):
        reference = subjects.resolve(made_of.reference)
        tables = make(scenarios, reference, trace=made_of.working)
        made = document(tables, reference, made_of.command, made_of.format, working=made_of.working)
        same = made.provenance.model_copy(update={"mlx": made_of.mlx, "tool": made_of.tool})
        return Document(made.tables, same)
    return None


def _rows_before(one: Origin, before: Document | None) -> tuple[Row, ...] | None:
    """The rows as they were made, where making them again gives the same."""
    for table in before.tables if before else ():
        if table.scenario.id == one.id and column_hashes(table.rows) == one.columns:
            return table.rows
    return None


def _moved(table: Table, one: Origin, was: Sequence[Row] | None) -> Iterator[Moved]:
    """The rows of one scenario that are not what they were."""
    hashes = column_hashes(table.rows)
    columns = _moved_columns(hashes, one.columns)
    if not columns and len(table.rows) == len(one.rows):
        return
    if was is None and hashes.keys() != one.columns.keys():
        # Which rows, cannot be told: their hashes are over other columns.
        said = tuple((name, "another", "as it is now") for name in columns)
        yield Moved(table.scenario.id, 0, 0, "some of its rows", said)
        return
    for index in range(max(len(table.rows), len(one.rows))):
        now = table.rows[index] if index < len(table.rows) else None
        before = was[index] if was and index < len(was) else None
        if now is None:
            shown = before or {"op": index + 1, "step": 0, "operation": ""}
            yield _row(table, shown, ("operation", _operation(shown), "no longer there"))
        elif index >= len(one.rows):
            yield _row(table, now, ("operation", "not there", _operation(now)))
        elif before is not None:
            changes = tuple(_changes(before, now, columns))
            if changes:
                yield _row(table, now, *changes)
        elif row_hash(now) != one.rows[index]:
            yield _row(table, now)


def _moved_columns(now: Mapping[str, str], was: Mapping[str, str]) -> list[str]:
    """The columns whose cells are others; one that a side lacks altogether is not compared."""
    return [
        name
        for name in COLUMNS
        if now.get(name) != was.get(name) and (name in OUTCOMES or (name in now and name in was))
    ]


def _row(table: Table, row: Row, *changes: tuple[str, str, str]) -> Moved:
    return Moved(table.scenario.id, row["op"], row["step"], _operation(row), changes)


def _changes(was: Row, now: Row, columns: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for name in columns:
        if was[name] != now[name]:
            yield name, text(name, was[name]) or "nothing", text(name, now[name]) or "nothing"


def _operation(row: Row) -> str:
    tokens = text("tokens", row.get("tokens"))
    return f"{row['operation']} {tokens}".strip()


def _lines_moved(tables: Sequence[Table], made_of: Provenance) -> Iterator[str]:
    """The ops whose lines are others."""
    for table, one in zip(tables, made_of.scenarios, strict=True):
        for row, lines in zip(table.rows, one.working, strict=False):
            if working_hash(row) != lines:
                yield f"{table.scenario.id} op {row['op']}"
