"""What a format is given to write: the tables, and where they come from."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from kvparity import __version__
from kvparity.subjects import Implementation
from kvparity.tables.frame import frame_of
from kvparity.tables.made import Table
from kvparity.tables.provenance import (
    Origin,
    Provenance,
    caches_text,
    column_hashes,
    row_hash,
    working_hash,
)
from kvscenarios import Scenario
from kvscenarios.loader import CORPUS

IN_CORPUS = "corpus"
"""What the provenance calls the file of a scenario that comes with kvparity."""


@dataclass(frozen=True)
class Document:
    """Tables and their provenance, on their way into a file."""

    tables: tuple[Table, ...]
    provenance: Provenance

    @cached_property
    def frame(self) -> pd.DataFrame:
        """All the tables as one frame."""
        return frame_of(self.tables)


def document(
    tables: Sequence[Table], reference: Implementation, command: str, format_: str, *, working: bool
) -> Document:
    """The tables with their provenance."""
    provenance = Provenance(
        command=command,
        reference=reference.name,
        hashes=reference.hashes,
        mlx=importlib.metadata.version("mlx"),
        tool=__version__,
        format=format_,
        working=working,
        scenarios=tuple(_origin(table, working=working) for table in tables),
    )
    return Document(tuple(tables), provenance)


def _origin(table: Table, *, working: bool) -> Origin:
    scenario = table.scenario
    return Origin(
        id=scenario.id,
        digest=scenario.digest,
        file=_file(scenario),
        caches=caches_text(scenario),
        columns=column_hashes(table.rows),
        rows=tuple(row_hash(row) for row in table.rows),
        working=tuple(working_hash(row) for row in table.rows) if working else (),
    )


def _file(scenario: Scenario) -> str:
    """The scenario's file, by a name that is the same on every machine where it can be."""
    inside = CORPUS in Path(scenario.file).resolve().parents
    return IN_CORPUS if inside else scenario.file
