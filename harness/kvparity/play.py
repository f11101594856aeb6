"""Plays programs on an implementation in this process.

Several programs are played before anything is evaluated: waiting for mlx costs more than many small
evaluations that it does together.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress

import mlx.core as mx

from kvoracle.face import Face
from kvparity import output
from kvparity.files import files
from kvparity.garbage import uncollected
from kvparity.observe import Observer
from kvparity.program import Program
from kvparity.session import Session
from kvparity.trace import Trace


class InProcess:
    """A driver for any implementation that this process can hold."""

    def __init__(self, face: Face) -> None:
        self.face = face
        self._observer = Observer(face)

    def play(self, program: Program, *, aside: bool = False) -> Trace:
        """The trace of one program; see `play_all`."""
        return self.play_all([program], aside=aside)[0]

    def play_all(self, programs: Sequence[Program], *, aside: bool = False) -> list[Trace]:
        """The traces of the programs.

        With `aside`, an operation that a hardened subject is to refuse is played on a copy, so that
        what this implementation makes of it is recorded and the scenario goes on without it.
        """
        with output.kept_clear(), uncollected(), ExitStack() as stack:
            sessions = []
            for program in programs:
                own = stack.enter_context(files())
                session = Session(self.face, self._observer.another(), program, own, aside=aside)
                sessions.append(session)
                session.run()
            _evaluate(sessions)
            return [session.trace() for session in sessions]


def _evaluate(sessions: Sequence[Session]) -> None:
    """Evaluate everything at once; if that fails, each session finds out whether it is to blame."""
    with suppress(Exception):
        mx.eval([session.pending() for session in sessions])
