"""One scenario at one commit: good, bad, or not to be judged.

Good is what the scenario does at the good end. Bad is what differs from that where the bad end
does, and in the same field: another failure on the way is not the one that is looked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from kvoracle.commits import Clone
from kvoracle.face import Face
from kvoracle.load import load
from kvoracle.sources import OracleError
from kvparity.bisect.search import Answer
from kvparity.compare import Difference, differences
from kvparity.observe import LEVELS
from kvparity.play import InProcess
from kvparity.program import Program
from kvparity.trace import Trace

Signature = tuple[int, str | None, str, bool]


class EndsError(ValueError):
    """Two ends between which there is nothing to find."""


@dataclass(frozen=True)
class Ends:
    """What the scenario does at both ends, and where the bad end first differs."""

    good: Trace
    bad: Trace
    difference: Difference

    @property
    def signature(self) -> Signature:
        """The place and the field of the difference."""
        return _signature(self.difference)


class Trials:
    """Plays a program at commits of a clone, each once."""

    def __init__(self, clone: Clone, program: Program) -> None:
        self._clone = clone
        self._program = program
        self._traces: dict[str, Trace] = {}

    def play(self, commit: str) -> Trace:
        """The trace at a commit. Raises OracleError where its files do not load."""
        if commit not in self._traces:
            sources = self._clone.sources(commit)
            face = Face(sources.name, *load(sources))
            self._traces[commit] = InProcess(face).play(self._program)
        return self._traces[commit]

    def ends(self, good: str, bad: str) -> Ends:
        """What happens at both ends. Raises EndsError where that is the same, or not to be told."""
        traces = []
        for word, commit in (("good", good), ("bad", bad)):
            trace = self.play(commit)
            if trace.stop is not None:
                raise EndsError(
                    f"the {word} end, {commit[:12]}, cannot be judged: {trace.stop.message}; "
                    f"name another with --{word}"
                )
            traces.append(trace)
        found = next(differences(traces[1], traces[0], LEVELS), None)
        if found is None:
            raise EndsError(
                f"{good[:12]} and {bad[:12]} behave alike in this scenario: there is no change to "
                "find between them; a timeline shows where there are any"
            )
        return Ends(traces[0], traces[1], found)

    def judge(self, ends: Ends, commit: str) -> Answer:
        """Whether the commit behaves as the good end, or differs as the bad end does."""
        try:
            trace = self.play(commit)
        except OracleError:
            return "unknown"
        found = next(differences(trace, ends.good, LEVELS), None)
        if found is None:
            return "unknown" if trace.stop is not None else "good"
        return "bad" if _signature(found) == ends.signature else "unknown"


def _signature(difference: Difference) -> Signature:
    return difference.index, difference.cache, difference.field, difference.refused
