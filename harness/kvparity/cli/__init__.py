"""The command line. It parses and hands over; what a command does is in `kvparity.commands`.

Nothing heavy is imported before a command runs: `--help` imports no mlx.
"""

from kvparity.cli import gate, ledger, oracle, playing, releases, schemas, searching, tables
from kvparity.cli.app import answered, app

__all__ = [
    "answered",
    "app",
    "gate",
    "ledger",
    "oracle",
    "playing",
    "releases",
    "schemas",
    "searching",
    "tables",
]
