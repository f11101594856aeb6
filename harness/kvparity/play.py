"""Plays a program on an implementation in this process, and returns its trace.

Operations run one after another without evaluation; their results and the caches' state are
snapshotted at once and evaluated together, some tens of operations at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import mlx.core as mx

from kvoracle.face import Face, Unsupported
from kvparity import operations
from kvparity.observe import EXTRAS, Freezer, Observer, raised
from kvparity.program import Op, Program
from kvparity.trace import Entry, Raised, Stop, Trace

_RESTORING = {"round_trip", "set_state", "from_state"}
_TOGETHER = 32
"""Operations evaluated together."""


class InProcess:
    """A driver for any implementation that this process can hold."""

    def __init__(self, face: Face) -> None:
        self.face = face

    def play(self, program: Program, *, aside: bool = False) -> Trace:
        """The trace of the program.

        With `aside`, an operation that a hardened subject is to refuse is played on a copy, so that
        what this implementation makes of it is recorded and the scenario goes on without it.
        """
        return _Play(self.face, program, aside=aside).trace()


class _Play:
    def __init__(self, face: Face, program: Program, *, aside: bool) -> None:
        self.face = face
        self.program = program
        self.aside = aside
        self.observer = Observer(face)
        self.freezer = Freezer()
        self.caches: dict[str, Any] = {}
        self.entries: list[Entry] = []
        self.frozen = 0
        self.handed_out: list[Any] = []
        self.restored: set[str] = set()

    def trace(self) -> Trace:
        try:
            for name, spec in self.program.scenario.specs.items():
                self.caches[name] = operations.make(self.face, spec)
        except Unsupported as fact:
            return Trace([], Stop("unsupported", str(fact), 0))
        except Exception as error:  # noqa: BLE001 - the implementation's, whatever it is
            return Trace([], Stop("crashed", f"cannot make the caches: {_said(error)}", 0))
        inputs = self.program.inputs()
        kept = [tuple([array[...] for array in given]) for given in inputs]
        stop = self._run(inputs)
        stop = self._flush() or stop
        if self.face.typed_errors:
            self._look_again(inputs, kept)
        return Trace(self.entries, stop)

    def _run(self, inputs: list[tuple[mx.array, ...]]) -> Stop | None:
        for index, op in enumerate(self.program.ops):
            try:
                self.entries.append(self._entry(op, inputs[index]))
            except Unsupported as fact:
                return Stop("unsupported", str(fact), index)
            except Exception as error:  # noqa: BLE001 - raised by looking, not by the operation
                return Stop("crashed", f"cannot be observed: {_said(error)}", index)
            if index % _TOGETHER == _TOGETHER - 1:
                stop = self._flush()
                if stop is not None:
                    return stop
        return None

    def _entry(self, op: Op, given: tuple[mx.array, ...]) -> Entry:
        entry = Entry()
        entry.aside = self.aside and op.refused is not None
        caches = copy.deepcopy(self.caches) if entry.aside else self.caches
        try:
            result = operations.run(operations.Call(self.face, op, caches, given))
        except Unsupported as fact:
            if not entry.aside:
                raise
            entry.raised = Raised("Unsupported", (), str(fact))
            result = None
        except Exception as error:  # noqa: BLE001 - what an operation raises is an observation
            entry.raised = raised(error)
            result = None
        self.handed_out.append(result)
        entry.returned = self.observer.snapshot(result)
        self._note_restored(op)
        for name in self._seen(op):
            entry.held[name] = self.observer.held(self.caches[name], restored=name in self.restored)
        if op.expect is not None:
            entry.extra = dict(self._extras(op))
        return entry

    def _note_restored(self, op: Op) -> None:
        if op.name in _RESTORING:
            self.restored.add(op.makes or op.step.targets[0])
        elif op.name == "copy" and op.step.targets[0] in self.restored and op.makes:
            self.restored.add(op.makes)

    def _seen(self, op: Op) -> Iterator[str]:
        """The caches to look at: all of them, but within a decode only the one decoded."""
        if op.token is not None and op.expect is None and len(self.caches) > 1:
            return iter(op.step.targets)
        return iter(self.caches)

    def _extras(self, op: Op) -> Iterator[tuple[str, Any]]:
        assert op.expect is not None  # noqa: S101 - narrows the type
        name = operations.subject_of(op)
        cache = self.caches.get(name) if name else None
        if cache is None:
            return
        for fact in op.expect.facts:
            if fact in EXTRAS:
                try:
                    yield fact, self.observer.fact(fact, cache)
                except Unsupported:
                    continue

    def _flush(self) -> Stop | None:
        pending, self.observer.pending = self.observer.pending, []
        try:
            mx.eval(pending)
        except Exception as error:  # noqa: BLE001 - evaluation of what the operations built
            del self.entries[self.frozen :]
            return Stop("crashed", f"cannot be evaluated: {_said(error)}", self.frozen)
        freeze, freeze_held = self.freezer.freeze, self.freezer.held
        for entry in self.entries[self.frozen :]:
            entry.returned = freeze(entry.returned)
            entry.held = {name: freeze_held(held) for name, held in entry.held.items()}
        self.frozen = len(self.entries)
        return None

    def _look_again(
        self, inputs: list[tuple[mx.array, ...]], kept: list[tuple[mx.array, ...]]
    ) -> None:
        """Whether arrays handed out have changed since, and arrays handed in were written to."""
        freeze = self.freezer.freeze
        mx.eval(self.handed_out, inputs)
        for entry, result, given, before in zip(
            self.entries, self.handed_out, inputs, kept, strict=False
        ):
            later = freeze(_as_tuple(result))
            if later != entry.returned:
                entry.later = later
            if any(freeze(array) != freeze(was) for array, was in zip(given, before, strict=True)):
                entry.inputs_kept = False


def _as_tuple(value: Any) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, tuple | list) else value


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
