"""One program on one implementation: its caches, what is done to them, and what is seen of them.

Operations run one after another without evaluation; their results and the caches' state are
snapshotted at once and evaluated together, some tens of operations at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import mlx.core as mx

from kvoracle.face import Face, Unsupported
from kvparity import carried, operations, patience
from kvparity.files import Files
from kvparity.observe import ANY_ERROR, EXTRAS, Observer, raised
from kvparity.program import Op, Program
from kvparity.trace import Entry, Held, Laid, Raised, Stop, Trace
from kvparity.watch import Watch, arrays

_RESTORING = {"round_trip", "set_state", "from_state", "load"}
_ON_ONE = {
    *("update", "decode", "append", "trim", "make_mask", "model_mask", "ssm_mask"),
    *("maybe_trim_front", "get_slot", "observe", "round_trip", "materialize"),
}
_TOGETHER = 64
"""Operations evaluated together."""


class Session:
    """A program on its way through an implementation."""

    def __init__(
        self, face: Face, observer: Observer, program: Program, files: Files, *, aside: bool
    ) -> None:
        self.face = face
        self.files = files
        self.program = program
        self.aside = aside
        self.observer = observer
        self.caches: dict[str, Any] = {}
        self.entries: list[Entry] = []
        self.frozen = 0
        # What the reference does to its arrays is not held against a hardened subject.
        self.watch = None if aside else Watch(observer)
        self.restored: set[str] = set()
        self.looked: dict[str, dict[str, Held]] = {}
        self.sharing: dict[str, set[str]] = {}
        self.stop: Stop | None = None
        self.inputs = program.inputs()

    def run(self) -> None:
        """Make the caches and do the operations; little is evaluated yet."""
        try:
            with patience.limited(lambda: len(self.entries)):
                self._begin()
        except patience.TookTooLong:
            self.stop = Stop("timeout", "it does not come to an end", len(self.entries))

    def _begin(self) -> None:
        try:
            for name, spec in self.program.scenario.specs.items():
                self.caches[name] = operations.make(self.face, spec)
        except Unsupported as fact:
            self.stop = Stop("unsupported", str(fact), 0)
        except ANY_ERROR as error:  # the implementation's, whatever it is
            self.stop = Stop("crashed", f"cannot make the caches: {_said(error)}", 0)
        else:
            self.sharing = self._shared()
            self.stop = self._run()

    def pending(self) -> list[Any]:
        """What is still to be evaluated."""
        if self.watch is None:
            return [self.observer.pending]
        return [self.observer.pending, self.inputs, self.watch.pending]

    def trace(self) -> Trace:
        """What was observed, as plain values."""
        self.stop = self._flush() or self.stop
        # What cannot be evaluated cannot be looked at again.
        if self.watch is not None and (self.stop is None or self.stop.why != "crashed"):
            self.watch.look_again(self.entries, self.inputs, self.program.painted)
        return Trace(self.entries, self.stop)

    def _run(self) -> Stop | None:
        for index, op in enumerate(self.program.ops):
            try:
                self.entries.append(self._entry(op, self.inputs[index]))
            except Unsupported as fact:
                return Stop("unsupported", str(fact), index)
            except ANY_ERROR as error:  # raised by looking, not by the operation
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
            result = operations.run(operations.Call(self.face, op, caches, given, self.files))
        except Unsupported as fact:
            if not entry.aside:
                raise
            entry.raised = Raised("Unsupported", (), str(fact))
            result = None
        except ANY_ERROR as error:  # what an operation raises is an observation
            entry.raised = raised(error)
            result = None
        if self.watch is not None:
            self.watch.returned(len(self.entries), result, self._reached_by(op))
        entry.returned = self.observer.snapshot(result)
        if self.restored or op.name in _RESTORING:
            self._note_restored(op)
        ends = len(self.entries) == len(self.program.ops) - 1
        if self.program.looks_at(op) or ends:
            entry.held = self._passing(op) or self._all_held(op, ends=ends)
        if not (self.aside or self.face.typed_errors):
            entry.layouts = dict(self._layouts(op, entry, ends=ends))
        if op.expect is not None:
            entry.extra = dict(self._extras(op))
        return entry

    def _reached_by(self, op: Op) -> Iterator[Any]:
        """The caches that an op acts on, and the one that it made."""
        for name in (op.makes, *op.roots):
            if name is not None:
                yield self.caches.get(name)

    def _note_restored(self, op: Op) -> None:
        # What is made of a restored cache, or joined with one, is laid out as that was.
        if op.name in _RESTORING or not self.restored.isdisjoint(op.roots):
            self.restored.update((op.makes,) if op.makes else op.roots)

    def _passing(self, op: Op) -> dict[str, Held]:
        """Within a decode, the cache decoded, and no other; empty for any other operation."""
        if op.token is None or op.ends:
            return {}
        name = op.targets[0]
        cache = self.caches.get(name)
        if cache is None:
            cache = self._find(op, name)
        if cache is None:
            return {}
        restored = not self.restored.isdisjoint(op.roots)
        return {name: self._look(name, cache, restored=restored, passing=op.passing)}

    def _layouts(self, op: Op, entry: Entry, *, ends: bool) -> Iterator[tuple[str, Laid]]:
        """How a file saved by this op is laid out and, at the end, the state of every cache."""
        if op.name == "save" and entry.raised is None:
            file = self.files.of(op.step.args.file)
            call = operations.Call(self.face, op, self.caches, (), self.files)
            for cache in call.find_all(op.targets)[:1]:  # where there is none, nothing is laid out
                yield f"file {op.step.args.file}", carried.file(file, cache)
        for name, cache in self.caches.items() if ends else ():
            for part, one in self._parts(name, cache):
                if hasattr(type(one), "state"):
                    yield part, carried.state(one, self.observer.snapshot)

    def _all_held(self, op: Op, *, ends: bool) -> dict[str, Held]:
        """What the caches hold, each by its name; looked at are those that the op can reach.

        At the end of the scenario all are looked at.
        """
        if op.name not in _ON_ONE:
            self.sharing = self._shared()
        reached = None if op.name not in _ON_ONE or ends else self._reached(op)
        found: dict[str, Held] = {}
        for name, cache in self.caches.items():
            if reached is None or name in reached or name not in self.looked:
                self.looked[name] = self._held(name, cache)
            found |= self.looked[name]
        return found

    def _held(self, name: str, cache: Any) -> dict[str, Held]:
        """What a cache holds, and each within it."""
        restored = name in self.restored
        parts = self._parts(name, cache)
        return {part: self._look(part, one, restored=restored) for part, one in parts}

    def _look(self, name: str, cache: Any, *, restored: bool, passing: bool = False) -> Held:
        """What one cache holds."""
        held = self.observer.held(cache, restored=restored, passing=passing)
        if self.watch is not None:
            self.watch.read_out(len(self.entries), name)
        return held

    def _reached(self, op: Op) -> frozenset[str]:
        """The caches that an op on one of them can reach: it, and those that share arrays with it.

        Caches come to share arrays only by an op on several, or by one that makes a cache: who does
        was found out after the last of these.
        """
        return op.roots.union(*[self.sharing.get(root, ()) for root in op.roots])

    def _shared(self) -> dict[str, set[str]]:
        """For each cache, if there are several, those that it shares an array with."""
        if len(self.caches) < 2:
            return {}
        owners: dict[int, set[str]] = {}
        handles = {name: set(map(id, arrays(cache))) for name, cache in self.caches.items()}
        for name, ids in handles.items():
            for handle in ids:
                owners.setdefault(handle, set()).add(name)
        return {
            name: set().union(*(owners[handle] for handle in ids)) for name, ids in handles.items()
        }

    def _find(self, op: Op, name: str) -> Any:
        """A cache by name; None where the implementation failed to make it, or has lost it.

        Up to 0.28.0 a list of caches came back from a file without any.
        """
        try:
            return operations.Call(self.face, op, self.caches, (), self.files).find(name)
        except (KeyError, IndexError):
            return None

    def _parts(self, name: str, cache: Any) -> Iterator[tuple[str, Any]]:
        """A cache and its children, or the layers of a prompt cache, each by its name."""
        inside: Sequence[Any] = cache
        if type(cache) is not list:
            yield name, cache
            inside = self.face.children(cache)
        for index, child in enumerate(inside):
            yield from self._parts(f"{name}.{index}", child)

    def _extras(self, op: Op) -> Iterator[tuple[str, Any]]:
        assert op.expect is not None  # noqa: S101 - narrows the type
        name = operations.subject_of(op)
        cache = None if name is None else self._find(op, name)
        if cache is None or type(cache) is list:
            return
        for fact in op.expect.facts:
            if fact in EXTRAS:
                try:
                    yield fact, self.observer.fact(fact, cache)
                except Unsupported:
                    continue

    def _flush(self) -> Stop | None:
        try:
            self.observer.read()
        except ANY_ERROR as error:  # evaluation of what the operations built
            del self.entries[self.frozen :]
            return Stop("crashed", f"cannot be evaluated: {_said(error)}", self.frozen)
        self.frozen = len(self.entries)
        return None


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
