"""`kvparity import-table`: a table traced by hand, as a scenario to hold against the reference."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from kvparity.exitcodes import CONFORMS
from kvparity.tables.hand import imported
from kvreports.runfile import write_whole
from kvreports.words import plain
from kvscenarios.writer import as_yaml


def command(path: Path, out: Path | None, *, as_json: bool) -> int:
    """Print the scenario, or write it to `out`; what it cannot pin is said on standard error.

    For a script all of it is JSON on standard output.
    """
    found = imported(path)
    text = as_yaml(*found.scenarios)
    if out is not None:
        write_whole(out, text)
    if as_json:
        told = {"yaml": text, "not_pinned": found.not_pinned, "out": out and str(out)}
        print(json.dumps(told, indent=1))
        return CONFORMS
    if found.not_pinned:
        columns = plain(", ".join(found.not_pinned))
        print(f"not pinned, for no scenario can: {columns}", file=sys.stderr)
    if out is None:
        sys.stdout.write(text)
    else:
        print(f"wrote {out}; hold it against the reference: kvparity run {out}", file=sys.stderr)
    return CONFORMS
