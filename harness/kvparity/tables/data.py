"""Tables as JSON."""

from __future__ import annotations

import json

from kvparity.tables.columns import COLUMNS
from kvparity.tables.document import Document


def as_json(document: Document) -> str:
    """One object: the provenance, the columns with what each holds, and the rows."""
    rows = [
        {**row, "working": row["working"] and [str(line) for line in row["working"]]}
        for table in document.tables
        for row in table.rows
    ]
    provenance = document.provenance.model_dump(mode="json")
    content = {"provenance": provenance, "columns": COLUMNS, "rows": rows}
    return json.dumps(content, indent=1) + "\n"
