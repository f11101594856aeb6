"""Expected tables: what a reference does in a scenario, operation by operation, to go on with.

`table` gives a pandas DataFrame, to a notebook or to whatever pandas can write; `kvparity table`
writes the same in nine formats, with its provenance, and can tell later whether it still holds.
Nothing here judges: a table says what the reference does, not what is right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvparity.tables.columns import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from kvscenarios import Scenario

__all__ = ["COLUMNS", "as_text", "table"]


def table(
    *scenarios: str | Scenario, reference: str = "mlx-lm", trace: bool = False
) -> pd.DataFrame:
    """A row an operation, with the columns of `COLUMNS`.

    `scenarios` are names, globs or files as on the command line, or scenarios as loaded. Cells are
    plain Python: tokens a list of rows (a row a batch entry, None for a slot never written), shapes
    a list, None for nothing. With `trace`, `working` holds the lines of `cache.py` and `base.py`
    that the operation ran. `frame.attrs["provenance"]` says what was played.

    Raises ScenarioError for scenarios that cannot be read, subjects.UnknownName and
    subjects.Missing for a reference that is not to be had or cannot play them.
    """
    from kvparity import subjects  # noqa: PLC0415 - mlx and pandas wait until a table is made
    from kvparity.tables.document import document  # noqa: PLC0415
    from kvparity.tables.made import make  # noqa: PLC0415
    from kvscenarios import Scenario  # noqa: PLC0415
    from kvscenarios.select import select  # noqa: PLC0415

    played = subjects.resolve(reference)
    found = [
        scenario
        for one in scenarios
        for scenario in ([one] if isinstance(one, Scenario) else select([one]))
    ]
    tables = make(found, played, trace=trace)
    made = document(tables, played, "kvparity.tables.table", "dataframe", working=trace)
    frame = made.frame
    frame.attrs["provenance"] = made.provenance.model_dump(mode="json", exclude={"content"})
    return frame


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """The same frame, every cell in the words of the scenario language and nothing as ''.

    For parquet and the like, whose columns hold one type each.
    """
    from kvparity.tables import frame as frames  # noqa: PLC0415

    return frames.as_text(frame)
