"""Which lines of the reference's files a call ran, with the values put in, as a person traces them.

    trim_size = self.keys.shape[2] - self.max_size = 8 - 8 = 0
    if trim_size > 0: 0 > 0, not taken

A trace function looks on while the call runs, and only in the files named; nothing is installed at
other times. It evaluates names, attributes and subscripts, and calls nothing: the call does what it
would do alone, only slower. What arrays hold is for the caller to say.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import FrameType
from typing import Any

import executing

from kvoracle.linewords import Words, show_nothing

_ROUNDS = 3
"""Rounds of a loop that are written out."""
_MOST = 400
"""Lines of one call that are written out."""


@dataclass(frozen=True)
class Line:
    """A line that ran: where it stands, and what it came to.

    `source` is the statement as the file has it (a header, of one that has a body), on one line;
    `text` the same with the values put in, and with what it assigned, returned or decided.
    """

    file: str
    number: int
    function: str
    source: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number}  {self.text}"


@dataclass
class _Open:
    """A statement that is running: its text is finished when the next one starts."""

    node: ast.stmt
    words: Words
    at: int | None
    """Its place among the lines; None where it is not written out."""
    raised: bool = False
    called: bool = False


@dataclass
class _Frame:
    """A call that is running, and how often each of its loops went round."""

    source: executing.Source
    open: _Open | None = None
    rounds: Counter[ast.stmt] = field(default_factory=Counter)


def trace_lines(
    call: Callable[[], object],
    files: Collection[str],
    show: Callable[[object], str | None] = show_nothing,
) -> list[Line]:
    """The lines of `files` that the call ran, in order; long loops are folded.

    `files` are names as code objects carry them (`kvoracle.load` gives `<mlx-lm==V>/models/...`).
    `show` puts a value that is not plain Python into words, or says None to leave its name. An
    error that the call raises is noted at the line that raised it, and goes no further.
    """
    tracer = _Tracer(frozenset(files), show)
    before = sys.gettrace()
    sys.settrace(tracer.calls)
    try:
        call()
    except Exception:  # noqa: BLE001, S110 - what the call raises is in its lines
        pass
    finally:
        sys.settrace(before)
    return tracer.written()


class _Tracer:
    def __init__(self, files: frozenset[str], show: Callable[[object], str | None]) -> None:
        self._files = files
        self._show = show
        self._frames: dict[FrameType, _Frame] = {}
        self._lines: list[Line | None] = []
        self._muted: tuple[FrameType, ast.stmt] | None = None

    def written(self) -> list[Line]:
        return [line for line in self._lines if line is not None]

    def calls(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        """The trace function of every new frame: it looks into those of the files alone."""
        del event, arg
        code = frame.f_code
        if code.co_filename not in self._files or code.co_name.startswith("<"):
            return None
        caller = self._frames.get(frame.f_back) if frame.f_back else None
        if caller is not None and caller.open is not None:
            caller.open.called = True
        self._frames[frame] = _Frame(executing.Source.for_frame(frame))
        return self._inside

    def _inside(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
        here = self._frames[frame]
        if event == "line":
            self._line(frame, here)
        elif event == "exception":
            if here.open is not None:
                here.open.raised = True
                self._finish(frame, here.open, f"raises {arg[0].__name__}: {arg[1]}")
        elif event == "return":
            self._close(frame, here, returned=(arg,))
            self._unmute(frame, None)
            del self._frames[frame]
        return self._inside

    def _line(self, frame: FrameType, here: _Frame) -> None:
        found = here.source.statements_at_line(frame.f_lineno)
        node = next(iter(found), None)
        if not isinstance(node, ast.stmt) or (here.open is not None and here.open.node is node):
            return
        self._close(frame, here)
        self._unmute(frame, node)
        words = Words(here.source, node, frame, self._show)
        here.open = _Open(node, words, self._place(frame, here, node))

    def _place(self, frame: FrameType, here: _Frame, node: ast.stmt) -> int | None:
        """Where a statement's line will stand; None where it is left out."""
        if isinstance(node, ast.For | ast.While):
            here.rounds[node] += 1
            if here.rounds[node] > _ROUNDS and self._muted is None:
                self._muted = frame, node
        if self._muted is not None or isinstance(node, ast.Try) or len(self._lines) >= _MOST:
            return None
        self._lines.append(None)
        return len(self._lines) - 1

    def _unmute(self, frame: FrameType, node: ast.stmt | None) -> None:
        """Write lines again once a long loop has come to its end."""
        if self._muted is None or self._muted[0] is not frame:
            return
        loop = self._muted[1]
        if node is not None and loop.lineno <= node.lineno <= (loop.end_lineno or loop.lineno):
            return
        # The last visit of a loop's head is the one that ends it.
        more = self._frames[frame].rounds[loop] - _ROUNDS - 1
        if more > 0:
            self._lines.append(
                self._as_line(frame, loop.lineno, "", f"... and {more} more rounds of this loop")
            )
        self._muted = None

    def _close(self, frame: FrameType, here: _Frame, returned: tuple[Any, ...] = ()) -> None:
        """Finish the statement that was running, now that it is known what it did."""
        open_, here.open = here.open, None
        if open_ is None or open_.raised or open_.at is None:
            return
        into = None if returned else frame.f_lineno
        said = open_.words.done(frame, into, returned, called=open_.called)
        if said is not None:
            self._finish(frame, open_, said)

    def _finish(self, frame: FrameType, open_: _Open, said: str) -> None:
        if open_.at is None:
            return
        source = open_.words.source
        text = f"{source}: {said}" if open_.raised else said
        self._lines[open_.at] = self._as_line(frame, open_.node.lineno, source, text)

    def _as_line(self, frame: FrameType, number: int, source: str, text: str) -> Line:
        code = frame.f_code
        return Line(PurePosixPath(code.co_filename).name, number, code.co_name, source, text)
