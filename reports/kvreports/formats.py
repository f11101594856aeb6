"""The forms in which a run can be told, by name; what each needs is imported when it is needed."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path

from kvreports.model import Run

_DRAWN = {
    "json": ("kvreports.terminal", "as_json"),
    "markdown": ("kvreports.markdown", "as_markdown"),
    "html": ("kvreports.html", "page"),
    "junit": ("kvreports.junit", "as_junit"),
    "github": ("kvreports.github", "as_annotations"),
    "sarif": ("kvreports.sarif", "as_sarif"),
}
FORMATS = ("terminal", *_DRAWN)


def as_format(run: Run, name: str, page: Path) -> str:
    """The run in this form. `page`: what the terminal's form names as having everything."""
    if name == "terminal":
        from kvreports.terminal import summarise  # noqa: PLC0415 - rich, for this form alone

        with redirect_stdout(io.StringIO()) as printed:
            summarise(run, page)
        return printed.getvalue()
    module, function = _DRAWN[name]
    text = str(getattr(import_module(module), function)(run))
    return text if text.endswith("\n") else text + "\n"
