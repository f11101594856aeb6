"""One program on one implementation: its caches, what is done to them, and what is seen of them.

Operations run one after another without evaluation; their results and the caches' state are
snapshotted at once and evaluated together, some tens of operations at a time.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import NoneType
from typing import Any

import mlx.core as mx

from kvoracle.face import Face, Unsupported
from kvparity import carried, operations
from kvparity.observe import ANY_ERROR, EXTRAS, Observer, array_bytes, raised
from kvparity.program import Op, Program
from kvparity.trace import Entry, Frozen, Held, Laid, Raised, Stop, Trace

_RESTORING = {"round_trip", "set_state", "from_state", "load"}
_ON_ONE = {
    *("update", "decode", "append", "trim", "make_mask", "model_mask", "ssm_mask"),
    *("maybe_trim_front", "get_slot", "observe"),
}
_TOGETHER = 32
"""Operations evaluated together."""


class Session:
    """A program on its way through an implementation."""

    def __init__(
        self, face: Face, observer: Observer, program: Program, files: Path, *, aside: bool
    ) -> None:
        self.face = face
        self.files = files
        self.program = program
        self.aside = aside
        self.observer = observer
        self.caches: dict[str, Any] = {}
        self.entries: list[Entry] = []
        self.frozen = 0
        self.handed_out: list[tuple[int, Any]] = []
        self.read_out: dict[tuple[str, str], tuple[int, Any, Frozen]] = {}
        self.read_again: list[tuple[int, tuple[str, str], Frozen, Frozen]] = []
        self.restored: set[str] = set()
        self.looked: dict[str, dict[str, Held]] = {}
        self.sharing: dict[str, set[str]] = {}
        self.stop: Stop | None = None
        self.inputs = program.inputs()

    def run(self) -> None:
        """Make the caches and do the operations; little is evaluated yet."""
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
        return [self.observer.pending, self.inputs, [result for _, result in self.handed_out]]

    def trace(self) -> Trace:
        """What was observed, as plain values."""
        self.stop = self._flush() or self.stop
        self._look_again()
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
        if self._held_by_a_cache(op, result):
            self.handed_out.append((len(self.entries), result))
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

    def _held_by_a_cache(self, op: Op, result: Any) -> bool:
        """Whether a cache holds one of the handles it returned: only then can it change later."""
        if type(result) in _LEAVES:
            return False
        handles = set(map(id, _arrays(result)))
        return bool(handles) and any(
            id(part) in handles
            for name in (op.makes, *op.targets)
            if name is not None
            for part in _arrays(self.caches.get(name.partition(".")[0]))
        )

    def _note_restored(self, op: Op) -> None:
        roots = {name.partition(".")[0] for name in op.targets}
        if op.name in _RESTORING:
            self.restored |= {op.makes} if op.makes else roots
        elif roots & self.restored:
            # What is made of a restored cache, or joined with one, is laid out as that was.
            self.restored |= {op.makes} if op.makes else roots

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
        restored = name.partition(".")[0] in self.restored
        return {name: self._look(name, cache, restored=restored, passing=op.passing)}

    def _layouts(self, op: Op, entry: Entry, *, ends: bool) -> Iterator[tuple[str, Laid]]:
        """How a file saved by this op is laid out and, at the end, the state of every cache."""
        if op.name == "save" and entry.raised is None:
            file = operations.file_of(self.files, op.step.args.file)
            call = operations.Call(self.face, op, self.caches, (), self.files)
            yield f"file {op.step.args.file}", carried.file(file, call.find_all(op.targets)[0])
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
        """What one cache holds; its arrays are noted, in case that a later op changes them."""
        held = self.observer.held(cache, restored=restored, passing=passing)
        for field, array, seen in self.observer.read_out:
            before = self.read_out.get((name, field))
            if before is not None and before[1] is array:
                # Whoever had read it then holds what is held now.
                self.read_again.append((before[0], (name, field), before[2], seen))
            self.read_out[name, field] = len(self.entries), array, seen
        return held

    def _reached(self, op: Op) -> set[str]:
        """The caches that an op on one of them can reach: it, and those that share arrays with it.

        Caches come to share arrays only by an op on several, or by one that makes a cache: who does
        was found out after the last of these.
        """
        roots = {name.partition(".")[0] for name in op.targets}
        return roots.union(*(self.sharing.get(root, ()) for root in roots))

    def _shared(self) -> dict[str, set[str]]:
        """For each cache, if there are several, those that it shares an array with."""
        if len(self.caches) < 2:
            return {}
        owners: dict[int, set[str]] = {}
        handles = {name: set(map(id, _arrays(cache))) for name, cache in self.caches.items()}
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

    def _look_again(self) -> None:
        """Whether arrays handed out have changed since, and arrays handed in were written to."""
        now = [(index, self.observer.snapshot(result)) for index, result in self.handed_out]
        self.observer.read()
        for index, later in now:
            if later != self.entries[index].returned:
                self.entries[index].later = later
        for index, field, then, after in self.read_again:
            if then != after and index < len(self.entries):
                self.entries[index].moved[field] = after
        mx.eval(self.inputs)
        painted = self.program.painted
        for entry, given, before in zip(self.entries, self.inputs, painted, strict=False):
            for array, was in zip(given, before, strict=True):
                if array.shape != was.array.shape or array_bytes(array) != was.data:
                    entry.inputs_kept = False


_LEAVES = frozenset((int, bool, float, str, NoneType))


def _arrays(value: Any) -> list[mx.array]:
    """The arrays that a value, or an object's attributes, reach."""
    found, pending = [], [value]
    for part in pending:
        kind = type(part)
        if kind is mx.array:
            found.append(part)
        elif kind in _LEAVES:
            continue
        elif isinstance(part, tuple | list):
            pending += part
        elif isinstance(part, dict):
            pending += part.values()
        elif hasattr(part, "__dict__"):
            pending += vars(part).values()
    return found


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
