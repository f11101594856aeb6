"""The formats by name: each makes a file's text, which is then sealed with its own hash."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from kvparity.mistakes import UsageError
from kvparity.tables import code, data, text
from kvparity.tables.document import Document
from kvparity.tables.provenance import seal

FORMATS: dict[str, Callable[[Document], str]] = {
    "markdown": text.markdown,
    "csv": text.csv,
    "json": data.as_json,
    "python": partial(code.rendered, path=code.TEMPLATES / "python.py.j2"),
    "swift": partial(code.rendered, path=code.TEMPLATES / "swift.swift.j2"),
    "rust": partial(code.rendered, path=code.TEMPLATES / "rust.rs.j2"),
}


OWN = "template"
"""The format of a file that was made with a template of somebody's own."""


def written(document: Document, template: Path | None = None) -> bytes:
    """The document in its format, or through a template, as a file holds it. Raises UsageError."""
    if template is None:
        return seal(FORMATS[document.provenance.format](document).encode())
    data = code.rendered(document, template).encode()
    try:
        return seal(data)
    except ValueError:
        raise UsageError(
            f"{template}: the template has no provenance in it, or more than one: write "
            "{{ provenance | comment('//') }} once, with the language's sign of a comment"
        ) from None
