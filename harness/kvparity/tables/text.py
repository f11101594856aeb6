"""Tables as Markdown and CSV."""

from __future__ import annotations

from collections.abc import Iterator

from kvparity.tables.document import Document
from kvparity.tables.frame import as_text
from kvparity.tables.reading import Reading, reading
from kvreports.words import plain


def csv(document: Document) -> str:
    """Every column; the provenance in comment lines before the heading."""
    comments = "".join(f"# {line}\n" for line in document.provenance.lines())
    frame = as_text(document.frame)
    if not document.provenance.working:
        frame = frame.drop(columns="working")
    frame = frame.map(lambda cell: plain(cell, keep="\n"))
    body: str = frame.to_csv(index=False, lineterminator="\n")
    return comments + body


def markdown(document: Document) -> str:
    """A section a scenario, and the provenance at the end."""
    parts = [line for table in document.tables for line in _section(reading(table))]
    return "\n".join([*parts, "```text", *document.provenance.lines(), "```", ""])


def _section(one: Reading) -> Iterator[str]:
    scenario = one.table.scenario
    yield f"## {scenario.id}"
    yield ""
    if scenario.about:
        yield from (_escaped(" ".join(scenario.about.split())), "")
    yield from (f"Caches: `{one.caches}`", "")
    yield _grid(one)
    yield ""
    if one.throughout:
        yield from ("In every row: " + "; ".join(one.throughout) + ".", "")
    yield from _working(one)


def _grid(one: Reading) -> str:
    from tabulate import tabulate  # noqa: PLC0415 - for this format alone

    rows = [[_escaped(cell) for cell in row] for row in one.cells()]
    return tabulate(rows, one.columns, tablefmt="pipe", disable_numparse=True, stralign="left")


def _working(one: Reading) -> Iterator[str]:
    for row in one.table.rows:
        if row["working"]:
            tokens = f" {row['tokens']}" if row["tokens"] else ""
            yield from (f"### {row['op']}. {row['operation']}{tokens}", "")
            yield from ("```text", *(plain(str(line)) for line in row["working"]), "```", "")


def _escaped(text: str) -> str:
    """The text as one cell, or one line, of Markdown."""
    return plain(text).replace("|", "\\|").replace("<", "&lt;")
