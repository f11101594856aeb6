"""Plays scenarios at many releases of mlx-lm, each two files once however many releases have them.

The hashes tell: of the 56 releases from 0.19.1 to 0.32.2, 25 differ in these files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kvoracle import releases
from kvparity import subjects
from kvparity.program import Program
from kvparity.timeline import Played, first_difference, timeline
from kvreports.timeline import Timeline

_TOGETHER = 32
"""Scenarios played at a release before anything of them is evaluated."""


class EveryRelease:
    """The implementations of some releases, in the order given.

    Raises OracleError where one is not to be had, or does not load.
    """

    def __init__(self, versions: Iterable[str]) -> None:
        self._files: dict[str, str] = {}
        self._implementations: dict[str, subjects.Implementation] = {}
        for version in versions:
            sources = releases.release(version)
            files = "".join(sources.hashes.values())
            self._files[version] = files
            if files not in self._implementations:
                self._implementations[files] = subjects.of_sources(sources)

    def play(self, program: Program) -> list[Played]:
        """The scenario's trace at every release."""
        return self._play_all([program])[0]

    def timeline(self, program: Program) -> Timeline:
        """The scenario's timeline; see `timelines`."""
        return next(self.timelines([program]))

    def timelines(self, programs: Sequence[Program]) -> Iterator[Timeline]:
        """The scenarios' timelines.

        The releases beside a change are played twice: what reads memory that was never written
        does otherwise each time, and that is no change.
        """
        for first in range(0, len(programs), _TOGETHER):
            some = programs[first : first + _TOGETHER]
            for program, played in zip(some, self._play_all(some), strict=True):
                yield self._timeline(program, played)

    def _play_all(self, programs: Sequence[Program]) -> list[list[Played]]:
        """The traces of each program, at every release."""
        traces = {
            files: implementation.driver.play_all(programs)
            for files, implementation in self._implementations.items()
        }
        return [
            [Played(version, traces[files][index]) for version, files in self._files.items()]
            for index in range(len(programs))
        ]

    def _timeline(self, program: Program, played: Sequence[Played]) -> Timeline:
        found = timeline(program, played)
        beside = {v for each in found.transitions for v in (each.before, each.after)}
        unsteady = [
            one.release
            for one in played
            if one.release in beside and self._does_otherwise(program, one)
        ]
        return found.model_copy(update={"unsteady": tuple(unsteady)})

    def _does_otherwise(self, program: Program, played: Played) -> bool:
        implementation = self._implementations[self._files[played.release]]
        return first_difference(played.trace, implementation.driver.play(program)) is not None
