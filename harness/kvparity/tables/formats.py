"""The formats by name: each makes a file's text, which is then sealed with its own hash."""

from __future__ import annotations

from collections.abc import Callable

from kvparity.tables import data, text
from kvparity.tables.document import Document
from kvparity.tables.provenance import seal

FORMATS: dict[str, Callable[[Document], str]] = {
    "markdown": text.markdown,
    "csv": text.csv,
    "json": data.as_json,
}


def written(document: Document) -> bytes:
    """The document in its format, as a file holds it."""
    return seal(FORMATS[document.provenance.format](document).encode())
