"""Tables as they are made: scenarios played on one implementation, everything seen of them kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from kvparity.program import Program
from kvparity.subjects import Implementation, Missing
from kvparity.tables.rows import Row, program_of, rows
from kvparity.tables.working import working
from kvparity.trace import Trace
from kvscenarios import Scenario
from kvscenarios.steps import DEFAULT_CACHE


@dataclass(frozen=True)
class Table:
    """What one implementation does in one scenario: `rows`, and the index of each row's op."""

    program: Program
    trace: Trace
    rows: tuple[Row, ...]
    indices: tuple[int, ...]

    @property
    def scenario(self) -> Scenario:
        """The scenario that was played."""
        return self.program.scenario

    @cached_property
    def several(self) -> bool:
        """Whether a row has to say which cache it shows: any but a scenario's only one."""
        return bool({row["cache"] for row in self.rows} - {DEFAULT_CACHE, None})


def make(scenarios: Sequence[Scenario], reference: Implementation, *, trace: bool) -> list[Table]:
    """The tables. With `trace`, each row has the lines that its operation ran.

    An input that is to be refused is played on a copy, as in a run against a hardened subject.
    Raises Missing where the reference cannot play a scenario to its end.
    """
    return [_made(program_of(scenario), reference, trace=trace) for scenario in scenarios]


def _made(program: Program, reference: Implementation, *, trace: bool) -> Table:
    played = reference.driver.play(program, aside=True)
    if played.stop is not None:
        op = program.ops[min(played.stop.index, len(program.ops) - 1)]
        raise Missing(
            f"{reference.name} cannot play {program.scenario.id}, step {op.index + 1} "
            f"({program.label(op)}): {played.stop.message}"
        )
    found = list(rows(program, played))
    if trace:
        lines = list(working(reference.face, program, range(len(program.ops))))
        found = [(index, {**row, "working": lines[index]}) for index, row in found]
    return Table(
        program, played, tuple(row for _, row in found), tuple(index for index, _ in found)
    )
