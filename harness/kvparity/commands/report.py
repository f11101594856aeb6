"""`kvparity report` and `kvparity diff`: what run files tell, drawn later or held together."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kvparity.exitcodes import CONFORMS, DIVERGES
from kvreports import runfile
from kvreports.diff import as_text, diff
from kvreports.formats import as_format
from kvreports.model import Run

_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The file that GitHub shows as a job's summary; others may have written to it already."""


def command(path: Path, form: str, out: Path | None) -> int:
    """Draw a run file; the exit code is the run's own."""
    run = runfile.read(path)
    if out is not None:
        runfile.write_whole(out, as_format(run, form, path))
    elif form == "github":
        annotate(run)
    else:
        sys.stdout.write(as_format(run, form, path))
    return run.footer.exit_code


def annotate(run: Run) -> None:
    """Print annotations, and add to the job's summary where there is one."""
    sys.stdout.write(as_format(run, "github", Path()))
    summary = os.environ.get(_SUMMARY)
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(as_format(run, "markdown", Path()) + "\n")


def compare(old: Path, new: Path, *, as_json: bool) -> int:
    """Tell what changed between two runs; 1 where something fails that did not fail before."""
    found = diff(runfile.read(old), runfile.read(new))
    print(found.model_dump_json(indent=1) if as_json else as_text(found))
    return DIVERGES if found.worse else CONFORMS
