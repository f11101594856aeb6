"""The formats by name: each makes a file's text, which is then sealed with its own hash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kvparity.mistakes import UsageError
from kvparity.tables import code, data, text
from kvparity.tables.document import Document
from kvparity.tables.formatnames import FormatName
from kvparity.tables.provenance import seal


def _coded(template: str) -> Callable[[Document], bytes]:
    return lambda document: code.rendered(document, code.TEMPLATES / template).encode()


_WRITERS: dict[FormatName, Callable[[Document], bytes]] = {
    FormatName.MARKDOWN: lambda document: text.markdown(document).encode(),
    FormatName.CSV: lambda document: text.csv(document).encode(),
    FormatName.JSON: lambda document: data.as_json(document).encode(),
    FormatName.HTML: _coded("html.html.j2"),
    FormatName.LATEX: lambda document: text.latex(document).encode(),
    FormatName.PYTHON: _coded("python.py.j2"),
    FormatName.RUST: _coded("rust.rs.j2"),
    FormatName.SWIFT: _coded("swift.swift.j2"),
    FormatName.SAFETENSORS: data.safetensors,
}
FORMATS = {name.value: writer for name, writer in _WRITERS.items()}
BINARY = FormatName.SAFETENSORS.value
"""The format that is no text."""
OWN = "template"
"""The format of a file that was made with a template of somebody's own."""


def written(document: Document, template: Path | None = None) -> bytes:
    """The document in its format, or through a template, as a file holds it. Raises UsageError."""
    if template is None:
        return seal(FORMATS[document.provenance.format](document))
    made = code.rendered(document, template).encode()
    try:
        return seal(made)
    except ValueError:
        raise UsageError(
            f"{template}: the template has no provenance in it, or more than one: write "
            "{{ provenance | comment('//') }} once, with the language's sign of a comment"
        ) from None
