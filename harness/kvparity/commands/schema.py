"""`kvparity schema`: the published JSON Schemas, printed or written to their files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from kvreports import runfile, timeline
from kvscenarios import schema as scenarios

_SCHEMAS: dict[str, Callable[[], tuple[str, Path]]] = {
    "scenario": lambda: (scenarios.schema_text(), scenarios.PATH),
    "run": lambda: (runfile.schema_text(), runfile.SCHEMA_PATH),
    "timeline": lambda: (timeline.schema_text(), timeline.SCHEMA_PATH),
}


def command(which: str, *, write: bool) -> int:
    """Print the schema, or write it to its file."""
    text, path = _SCHEMAS[which]()
    if write:
        runfile.write_whole(path, text)
        print(f"wrote {path}", file=sys.stderr)
    else:
        sys.stdout.write(text)
    return 0
