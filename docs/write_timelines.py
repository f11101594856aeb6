"""Writes the table in `docs/timelines.md`: changes in mlx-lm, as `kvparity timeline` sees them.

    python docs/write_timelines.py

What the table says is played anew each time; only which scenarios stand in it is chosen here.
"""

from __future__ import annotations

from pathlib import Path

from marked import put

from kvoracle import lock
from kvparity.everyrelease import EveryRelease
from kvparity.program import Program
from kvreports import timeline_text
from kvscenarios.select import select

PAGE = Path(__file__).parent / "timelines.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
HEAD = "| scenario | stretches | what changed |\n|---|---|---|"
SHOWN = (
    "state/rotating-prefill-right-after-a-round-trip@seen=4",
    "rotating/ring-then-prefill",
    "masks/causal-with-a-window",
    "masks/ring-with-few-tokens-needs-no-array",
    "masks/which-form-of-mask",
    "concatenate/masks-follow-the-offset",
    "quantized/from-an-empty-cache",
    "quantized/masks",
    "chunked/restored-between-slides",
    "chunked/at-the-edge-of-the-chunk@last=10,start=7",
    "arrays/restored-while-empty",
    "arrays/slots-that-do-not-pair",
    "batch/merge-with-an-empty-member@order=e-a-b",
    "batch/merge-of-empty-members",
    "batch_rotating/members-with-a-pinned-prefix@order=a-b,last=4",
    "batch_rotating/extract-a-row-and-use-it-on@decoded=4",
    "list/lists-of-unlike-length",
    "list/nested",
)


def table() -> str:
    """The table, as Markdown."""
    every = EveryRelease(lock.releases())
    scenarios = {scenario.id: scenario for scenario in select([], None)}
    rows = [timeline_text.markdown_row(every.timeline(Program(scenarios[id_]))) for id_ in SHOWN]
    return "\n".join([HEAD, *rows])


def main() -> None:
    """Put the table where the page has one."""
    put(PAGE, BEGIN, END, f"\n{table()}\n")


if __name__ == "__main__":
    main()
