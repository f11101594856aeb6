"""`kvparity import-table`: a table traced by hand, as a scenario to hold against the reference."""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from kvparity.exitcodes import CONFORMS
from kvparity.mistakes import UsageError
from kvparity.tables.hand import Imported, imported
from kvreports.runfile import write_whole
from kvreports.words import plain
from kvscenarios.loader import MAX_FILE_BYTES
from kvscenarios.writer import as_yaml


def command(path: Path, out: Path | None, *, as_json: bool) -> int:
    """Print the scenario, or write it to `out`; what it cannot pin is said on standard error.

    For a script all of it is JSON on standard output.
    """
    if out is not None and out.exists() and path.exists() and out.samefile(path):
        raise UsageError(f"{out}: is the table itself; write the scenario to another file")
    found = imported(path)
    text = as_yaml(*found.scenarios)
    size = len(text.encode())
    if size > MAX_FILE_BYTES:
        raise UsageError(
            f"{path}: its {len(found.scenarios)} scenarios come to {size} bytes, and a file of "
            f"scenarios holds {MAX_FILE_BYTES}: take in fewer at a time"
        )
    if out is not None:
        write_whole(out, text)
    if as_json:
        print(json.dumps(_told(found, text, out), indent=1))
        return CONFORMS
    for line in _said(found):
        print(plain(line), file=sys.stderr)
    if out is None:
        sys.stdout.write(text)
    else:
        print(f"wrote {out}; hold it against the reference: kvparity run {out}", file=sys.stderr)
    return CONFORMS


def _told(found: Imported, text: str, out: Path | None) -> dict[str, object]:
    return {
        "yaml": text,
        "not_pinned": [dataclasses.asdict(one) for one in found.not_pinned],
        "left_out": [str(one) for one in found.left_out],
        "out": out and str(out),
    }


def _said(found: Imported) -> Iterator[str]:
    """What the scenarios do not say of the table."""
    for problem in found.left_out:
        yield f"left out: {problem}"
    if found.not_pinned:
        columns = [f"{one.column} ({_lines(one.lines)})" for one in found.not_pinned]
        yield f"not pinned, for no scenario can: {', '.join(columns)}"


def _lines(numbers: Sequence[int]) -> str:
    """Lines in few words: `line 3`, `lines 3-7, 9`."""
    runs = []
    for _, run in itertools.groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0]):
        lines = [line for _, line in run]
        runs.append(f"{lines[0]}-{lines[-1]}" if len(lines) > 1 else str(lines[0]))
    return f"{'line' if len(numbers) == 1 else 'lines'} {', '.join(runs)}"
