"""`kvparity import-table`: a table traced by hand, as a scenario to hold against the reference."""

from __future__ import annotations

import sys
from pathlib import Path

from kvparity.exitcodes import CONFORMS
from kvparity.tables.hand import imported
from kvreports.runfile import write_whole
from kvreports.words import plain
from kvscenarios.writer import as_yaml


def command(path: Path, out: Path | None) -> int:
    """Print the scenario, or write it to `out`; what it cannot pin is said on standard error."""
    found = imported(path)
    text = as_yaml(*found.scenarios)
    if found.not_pinned:
        columns = plain(", ".join(found.not_pinned))
        print(f"not pinned, for no scenario can: {columns}", file=sys.stderr)
    if out is None:
        sys.stdout.write(text)
    else:
        write_whole(out, text)
        print(f"wrote {out}; hold it against the reference: kvparity run {out}", file=sys.stderr)
    return CONFORMS
