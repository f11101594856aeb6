"""`kvparity table`: expected tables, printed or written to a file."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from kvparity import subjects
from kvparity.exitcodes import CONFORMS
from kvparity.tables.document import document
from kvparity.tables.formats import written
from kvparity.tables.made import make
from kvreports.runfile import write_whole
from kvscenarios.select import select


def command(
    selectors: Sequence[str], reference: str, format_: str, *, trace: bool, out: Path | None
) -> int:
    """Play the scenarios on the reference and print their tables, or write them to `out`."""
    played = subjects.resolve(reference)
    tables = make(select(selectors), played, trace=trace)
    typed = shlex.join(["kvparity", *sys.argv[1:]])
    data = written(document(tables, played, typed, format_, working=trace))
    if out is None:
        sys.stdout.write(data.decode())
    else:
        write_whole(out, data.decode())
        print(f"wrote {out}", file=sys.stderr)
    return CONFORMS
