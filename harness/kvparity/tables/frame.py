"""Tables as a pandas DataFrame, for a notebook or for whatever pandas can write."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from kvparity.tables.cells import text
from kvparity.tables.columns import COLUMNS
from kvparity.tables.made import Table


def frame_of(tables: Iterable[Table]) -> pd.DataFrame:
    """A row an operation, with the columns of `COLUMNS`: plain Python values, None for nothing.

    Tokens are a list of rows, a row a batch entry, in which None is a slot never written.
    """
    rows = [row for table in tables for row in table.rows]
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    typed: pd.DataFrame = frame.astype({"scenario": str, "op": int, "step": int, "operation": str})
    return typed


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The same frame, every cell in the words of the scenario language and nothing as ''."""
    words: pd.DataFrame = pd.DataFrame(
        {name: [text(str(name), cell) for cell in frame[name]] for name in frame}, dtype=str
    )
    return words
