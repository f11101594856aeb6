"""`kvparity schema`: the published JSON Schemas, printed or written to their files."""

from __future__ import annotations

import sys

from kvreports import runfile
from kvscenarios import schema as scenarios


def command(which: str, *, write: bool) -> int:
    """Print the schema, or write it to its file."""
    if which == "run":
        text, path = runfile.schema_text(), runfile.SCHEMA_PATH
    else:
        text, path = scenarios.schema_text(), scenarios.PATH
    if write:
        runfile.write_whole(path, text)
        print(f"wrote {path}", file=sys.stderr)
    else:
        sys.stdout.write(text)
    return 0
