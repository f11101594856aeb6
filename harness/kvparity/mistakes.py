"""What a user got wrong, said in one message; what is our fault keeps its traceback."""

from __future__ import annotations

import errno
import os
import sys
from typing import TextIO

from kvoracle.sources import OracleError
from kvparity.bisect.trial import EndsError
from kvparity.config import ConfigError
from kvparity.exitcodes import COULD_NOT_RUN, INTERRUPTED, USAGE
from kvparity.ledger import LedgerError
from kvparity.subjects import Missing, UnknownName
from kvparity.workers import WorkerDied
from kvreports.runfile import RunFileError
from kvreports.words import plain
from kvscenarios import ScenarioError


class UsageError(ValueError):
    """A command was asked for what it cannot do."""


_UNWRITABLE = {errno.ENOSPC, errno.EPIPE, errno.EFBIG, errno.EDQUOT, errno.EIO}
_USAGE = (ScenarioError, LedgerError, ConfigError, UnknownName, EndsError, UsageError)
_MISSING = (Missing, OracleError, RunFileError, WorkerDied)


def exit_code_of(error: BaseException) -> int:
    """Say what went wrong on standard error, and return the exit code for it.

    Raises the error again where it is none of the user's.
    """
    if isinstance(error, KeyboardInterrupt):
        _say("interrupted")
        return INTERRUPTED
    if isinstance(error, SystemExit):
        # No command of ours ends so: it was an implementation, wherever it came to be called.
        _say(f"an implementation called exit({error.code!r}): what came of it cannot be told")
        return COULD_NOT_RUN
    if isinstance(error, _USAGE):
        _say(str(error))
        return USAGE
    if isinstance(error, _MISSING):
        _say(str(error))
        return COULD_NOT_RUN
    if isinstance(error, OSError) and error.filename is not None:
        _say(f"{error.filename}: {error.strerror}")
        return COULD_NOT_RUN
    if isinstance(error, FileNotFoundError):
        _say("the directory that this is run in is not there any more")
        return COULD_NOT_RUN
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        _say(f"standard output: {error.strerror}")
        _give_up(sys.stdout)
        return COULD_NOT_RUN
    raise error


def _say(message: str) -> None:
    try:
        for line in message.splitlines():
            print(f"kvparity: {plain(line)}", file=sys.stderr)
    except OSError:  # where this is full, too, the exit code says it
        _give_up(sys.stderr)


def _give_up(stream: TextIO) -> None:
    """Let what is left go nowhere: Python would try once more to write it, as it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
