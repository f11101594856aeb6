"""Tables as Markdown, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from kvparity.tables import cells
from kvparity.tables.document import Document
from kvparity.tables.frame import as_text
from kvparity.tables.reading import Reading, reading
from kvparity.tables.rows import Row
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
            yield from (f"### {_escaped(_heading(row))}", "")
            yield from ("```text", *(plain(str(line)) for line in row["working"]), "```", "")


def latex(document: Document) -> str:
    """A section a scenario, each with a table over as many pages as it takes (booktabs, longtable).

    The provenance stands in comments.
    """
    comments = "".join(f"% {line}\n" for line in document.provenance.lines())
    packages = "% needs \\usepackage{booktabs,longtable}\n"
    return comments + packages + "".join(_in_latex(reading(table)) for table in document.tables)


def _in_latex(one: Reading) -> str:
    scenario = one.table.scenario
    frame = pd.DataFrame([list(map(plain, row)) for row in one.cells()], columns=list(one.columns))
    grid: str = frame.to_latex(index=False, escape=True, longtable=True)
    said = [*([scenario.about] if scenario.about else []), f"Caches: {one.caches}"]
    said += [f"In every row: {'; '.join(one.throughout)}."] if one.throughout else []
    parts = [f"\n\\section*{{{_for_latex(scenario.id)}}}", *map(_for_latex, said), grid]
    for row in one.table.rows:
        if row["working"]:
            lines = "\n".join(plain(str(line)) for line in row["working"])
            parts.append(f"\\subsection*{{{_for_latex(_heading(row))}}}")
            parts.append(f"\\begin{{verbatim}}\n{lines}\n\\end{{verbatim}}")
    return "\n\n".join(parts) + "\n"


def _for_latex(words: str) -> str:
    """Words that LaTeX prints as they are."""
    plainly = plain(" ".join(words.split())).replace("`", "")
    return "".join(_LATEX.get(char, char) for char in plainly)


_LATEX = {char: f"\\{char}" for char in "#$%&_{}"} | {
    "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
}  # fmt: skip


def _heading(row: Row) -> str:
    tokens = cells.text("tokens", row["tokens"])
    return f"{row['op']}. {row['operation']} {tokens}".rstrip()


def _escaped(text: str) -> str:
    """The text as one cell, or one line, of Markdown."""
    return plain(text).replace("|", "\\|").replace("<", "&lt;")
