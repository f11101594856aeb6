"""The part of a page that a command writes: what stands between two marks."""

from pathlib import Path


def put(page: Path, begin: str, end: str, text: str) -> None:
    """Put the text between the marks, whatever stood there."""
    before, rest = page.read_text(encoding="utf-8").split(begin)
    after = rest.split(end)[1]
    page.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")
