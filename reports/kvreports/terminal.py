"""A run on a terminal: what was held against what, what fails and where first, the verdict.

Colour only helps: whatever it marks is marked by a sign as well. Nothing that a scenario or an
implementation says reaches the terminal raw.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from kvreports.model import Finding, Implementation, OpView, Record, Run
from kvreports.picture import CachePicture, Drawing, Fact, Picture, at, trail
from kvreports.strips import BOTH, SIDES, Cell, Column, Line
from kvreports.words import MEANING, failing_verdicts, plain, verdict_in_words

_DRAWN = 3
"""Failing scenarios whose first divergence is drawn."""
_NAMED = 50
"""Failing scenarios that are named; the page has them all."""
_SLOTS = 20
_NO_TOKEN = {"free", "missing"}
_PIPE_WIDTH = 10_000
"""Columns where nobody watches: a script reads lines, not folded ones."""


def as_json(run: Run) -> str:
    """The run as one JSON object, in ASCII."""
    return json.dumps(run.model_dump(mode="json"), indent=1)


def summarise(run: Run, page: Path) -> None:
    """Print what was held against what, what fails and where first, and the verdict."""
    console = _console()
    _say(console, f"subject    {_implementation(run.header.subject)}")
    _say(console, f"reference  {_implementation(run.header.reference)}")
    failing = [record for record in run.records if record.verdict in failing_verdicts()]
    for index, record in enumerate(failing[:_NAMED]):
        _say(console, "")
        _failure(console, record, drawn=index < _DRAWN)
    if len(failing) > _NAMED:
        _say(console, f"\n... and {len(failing) - _NAMED} more: the page has them all")
    _say(console, "")
    for problem in run.footer.ledger:
        _say(console, f"ledger     {plain(problem.id)}: {plain(problem.message)}", "red")
    counts = run.footer.counts
    by_verdict = ", ".join(f"{counts[name]} {name}" for name in MEANING if counts.get(name))
    _say(console, f"counts     {by_verdict or 'none'}")
    _say(console, f"report     {page}")
    _say(console, verdict_in_words(run), "bold red" if run.footer.exit_code else "bold green")


def table(
    name: str, about: str | None, subject: str, reference: str, ops: Sequence[OpView]
) -> None:
    """Print what both sides hold after each op, once where they agree.

    Tokens stand in physical order; `[7]` differs, `>` is where the ring's cursor is, `·` is
    held but was never written, `_` is allocated behind what is held, `+250` counts many of these.
    """
    console = _console()
    _say(console, plain(name), "bold")
    if about:
        _say(console, plain(about))
    _say(console, f"subject {subject}, reference {reference}\n")
    pictures = list(trail(ops, _SLOTS))
    several = len({cache.name for picture in pictures for cache in picture.caches}) > 1
    headings = ("step", "operation", *(("cache",) if several else ()), "side", "tokens held")
    grid = _grid((*headings, "offset", "idx", "returned", "differs"))
    for picture in pictures:
        for row in _rows(picture, several=several):
            grid.add_row(*row)
    console.print(grid)


def _console() -> Console:
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(_text(text, style), soft_wrap=True)


def _text(text: str, style: str = "") -> Text:
    return Text(plain(text, keep="\n"), style=style)


def _grid(headings: Sequence[str]) -> Table:
    grid = Table(*headings, box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in grid.columns:
        column.overflow = "fold"
    return grid


def _implementation(one: Implementation) -> str:
    hashes = ", ".join(f"{file} {digest[:12]}" for file, digest in one.hashes.items())
    version = f" {one.version}" if one.version and one.version not in one.name else ""
    return f"{one.name}{version}, {one.origin}" + (f" ({hashes})" if hashes else "")


def _failure(console: Console, record: Record, *, drawn: bool) -> None:
    place = f"{record.file}:{record.line}" if record.line else record.file
    _say(console, f"{record.verdict:<10} {plain(record.id)}  {plain(place)}", "bold")
    _say(console, f"  {plain(record.summary)}")
    if drawn and record.first is not None:
        _divergence(console, record.first, record.ops)


def _divergence(console: Console, finding: Finding, ops: Sequence[OpView]) -> None:
    op = next((op for op in ops if op.index == finding.index), None)
    for grid in _drawn(at(finding, op, _SLOTS)):
        console.print(Padding(grid, (0, 0, 0, 4), expand=False))


def _drawn(drawing: Drawing) -> Iterator[Table]:
    for strip in drawing.strips:
        if strip.differs:
            yield _block(strip.heading, "slot", strip.columns, [(x.side, x) for x in strip.lines])
    for mask in drawing.grids:
        for side, lines in mask.sides:
            queries = [(f"query {line.side}", line) for line in lines if line.cells]
            yield _block(f"{mask.heading}, {side}", "key", mask.columns, queries)


def _block(
    heading: str, axis: str, columns: Sequence[Column], lines: Sequence[tuple[str, Line]]
) -> Table:
    """Cells under their positions, a line a side or a query."""
    grid = _grid((plain(heading), *(["…" if c.gap else str(c.start) for c in columns])))
    grid.columns[0].justify = "right"
    grid.columns[0].header = _text(f"{heading}, {axis}")
    for column in grid.columns[1:]:
        column.justify = "center"
        column.no_wrap = True
        column.header_style = "dim"
    for label, line in lines:
        beyond = [_text(f"+{line.beyond}", "dim")] if line.beyond else []
        grid.add_row(_text(label), *map(_cell, line.cells), *beyond)
    return grid


def _cell(cell: Cell | None) -> Text:
    if cell is None:
        return _text("…", "dim")
    text = f">{cell.text}" if cell.cursor else cell.text
    if cell.differs:
        return _text(f"[{text}]", "bold red")
    return _text(text, "" if cell.kind in {"token", "attends"} else "dim")


def _rows(picture: Picture, *, several: bool) -> Iterator[list[Text]]:
    """The table's rows for an op: a row a cache, two where the sides differ."""
    op = picture.op
    start = [str(op.step), op.label]
    for cache in picture.caches or (None,):
        drawing = cache.drawing if cache is not None else Drawing()
        returned = ["returned"] if picture.outcome.differs else []
        marks = "; ".join([*returned, *drawing.differing])
        sides = [side for side in SIDES if cache is None or _is_there(cache.name, side, op)]
        for side in SIDES if marks or len(sides) < len(SIDES) else (BOTH,):
            named = [cache.name if cache is not None else ""] if several else []
            texts = [_text(text) for text in (*start, *named, side)]
            there = side == BOTH or side in sides
            held = _held(cache, side) if there else [_text(text) for text in ("not there", "", "")]
            yield [*texts, *held, _returned(picture, side), _text(marks, "red")]
            start, marks = ["", ""], ""


def _is_there(name: str, side: str, op: OpView) -> bool:
    """Whether this side has such a cache: where the other alone raised, it may have made none."""
    view = {"subject": op.subject, "reference": op.reference}.get(side)
    return view is not None and name in view.caches


def _held(cache: CachePicture | None, side: str) -> list[Text]:
    drawing = cache.drawing if cache is not None else Drawing()
    facts = {fact.name: fact for fact in drawing.facts}
    return [_tokens(drawing, side), *(_number(facts.get(name), side) for name in ("offset", "idx"))]


def _tokens(drawing: Drawing, side: str) -> Text:
    """The strips of one side, a line each; those of keys alone go unnamed."""
    lines = []
    for strip in drawing.strips:
        line = next((one for one in strip.lines if one.side in (side, BOTH)), strip.lines[0])
        cells = [_cell(cell) for cell in line.cells]
        cells += [_text(f"+{line.beyond}", "dim")] if line.beyond else []
        name = _text("values " if strip.heading.startswith("values") else "")
        lines.append(name + Text(" ").join(cells))
    return Text("\n").join(lines)


def _number(fact: Fact | None, side: str) -> Text:
    if fact is None:
        return _text("")
    text = fact.right if side == "reference" else fact.left
    return _text(f"[{text}]", "bold red") if fact.differs else _text(text)


def _returned(picture: Picture, side: str) -> Text:
    if picture.aside is not None:
        subject = picture.op.subject
        raised = (
            f"raised {subject.raised.raised}" if subject and subject.raised else "did not raise"
        )
        return _text(f"{raised}\n{picture.aside}")
    outcome = picture.outcome
    if outcome.strips:
        held = [_spoken(cache.drawing, side) for cache in picture.caches]
        return _text("as held") if _spoken(outcome, side) in held else _tokens(outcome, side)
    lines = [
        Text("").join(_cell(cell) for cell in line.cells)
        for mask in outcome.grids
        for label, queries in mask.sides
        if label in (side, BOTH)
        for line in queries
    ]
    facts = [_number(fact, side) for fact in outcome.facts]
    return Text("\n").join([*lines, *facts])


def _spoken(drawing: Drawing, side: str) -> list[list[str]]:
    """One side's tokens alone, without what is allocated behind them or where the cursor is."""
    return [
        [cell.text for cell in line.cells if cell is not None and cell.kind not in _NO_TOKEN]
        for strip in drawing.strips
        for line in strip.lines
        if line.side in (side, BOTH)
    ]
