"""What the formats of a table are called: for the command line, which loads none of them."""

from __future__ import annotations

from enum import Enum


class FormatName(str, Enum):
    """The formats of a table."""

    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"
    HTML = "html"
    LATEX = "latex"
    PYTHON = "python"
    RUST = "rust"
    SWIFT = "swift"
    SAFETENSORS = "safetensors"
