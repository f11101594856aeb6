"""Two scenarios that must come to the same, and where on one implementation they do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kvparity.compare import same
from kvparity.observe import LEVEL_OF
from kvparity.paint import UNWRITTEN, Paint, Side
from kvparity.program import Program
from kvparity.trace import ABSENT, Entry, Frozen, Held, Raised, Trace
from kvscenarios import Scenario
from kvscenarios.steps import Step

RINGS = {"rotating", "batch_rotating"}
_UNPACKED = {"float32", "float16", "bfloat16"}


class Choice(NamedTuple):
    """Where a law is tried, and on how much: any numbers, taken as far as the scenario goes."""

    at: int
    n: int


@dataclass(frozen=True)
class Twin:
    """Two scenarios; from the step `first` of the plain one on, the other stands `shift` later.

    `renamed` says under which name a cache of the plain one goes on in the other. At `first` only
    what is held is compared, unless `whole`; behind it what is returned, too. `fields`, where there
    are any, are all that is compared, and of the renamed caches alone. `kept` is a cache of the
    other that must stay as it is at the step of that number. What is put in between must go well,
    unless `fails`.
    """

    plain: Scenario
    other: Scenario
    first: int
    shift: int
    renamed: dict[str, str] = field(default_factory=dict)
    whole: bool = False
    fields: frozenset[str] = frozenset()
    kept: tuple[str, int] | None = None
    fails: bool = False


@dataclass(frozen=True)
class Broken:
    """A law that does not hold: at which step (from 0) of the other scenario, and in what."""

    kind: str
    field: str
    step: int
    sentence: str


def last_ops(program: Program) -> dict[int, int]:
    """The last op of every step: where the step is done."""
    return {op.index: index for index, op in enumerate(program.ops)}


def stripped(steps: Sequence[Step]) -> list[Step]:
    """The steps without what they pin: a law says by itself what must hold."""
    return [
        step if step.expect is None else step.model_copy(update={"expect": None}) for step in steps
    ]


def with_steps(scenario: Scenario, steps: Sequence[Step], **more: Any) -> Scenario:
    """The scenario with other steps, and whatever else it is to say."""
    given = {
        name: getattr(scenario, name)
        for name in ("cache", "caches")
        if name in scenario.model_fields_set
    }
    return Scenario.model_construct(
        **given, **more, steps=tuple(steps), name=scenario.name, family=scenario.family
    )


def broken(twin: Twin, plain: tuple[Program, Trace], other: tuple[Program, Trace]) -> Broken | None:
    """Where the two traces of one implementation do not agree, as far as both go."""
    stop = other[1].stop
    if any(trace.stop and trace.stop.why == "unsupported" for trace in (plain[1], other[1])):
        return None
    if stop is not None and plain[1].stop is None:
        op = other[0].ops[min(stop.index, len(other[0].ops) - 1)]
        return Broken(_kind(other[1], stop.index), stop.why, op.index, stop.message)
    return _failed_between(twin, other) or next(_differences(twin, plain, other), None)


def _failed_between(twin: Twin, other: tuple[Program, Trace]) -> Broken | None:
    """Where what is put in between raises: a law is asked only where that is allowed."""
    program, trace = other
    for index, (op, entry) in enumerate(zip(program.ops, trace.entries, strict=False)):
        between = not twin.fails and twin.first < op.index <= twin.first + twin.shift
        if between and entry.raised is not None:
            said = f"{program.label(op)} raised {entry.raised.name}: {entry.raised.message}"
            return Broken(_kind(trace, index, op), "raised", op.index, said)
    return None


def _differences(
    twin: Twin, plain: tuple[Program, Trace], other: tuple[Program, Trace]
) -> Iterator[Broken]:
    ends, others = last_ops(plain[0]), last_ops(other[0])
    look = _Look(plain[0].paint, other[0].paint, twin.fields)
    for step in range(twin.first, len(twin.plain.steps)):
        mine, theirs = ends.get(step), others.get(step + twin.shift)
        if mine is None or theirs is None:
            continue
        if mine >= len(plain[1].entries) or theirs >= len(other[1].entries):
            return
        before, after = plain[1].entries[mine], other[1].entries[theirs]
        at = step + twin.shift
        if step > twin.first or twin.whole:
            op = plain[0].ops[mine]
            padding = _padding(before.held.get(op.targets[0])) if op.targets else ()
            yield from look.returned(before, after, at, _kind(plain[1], mine, op), padding)
        for name, held in before.held.items():
            if twin.fields and name not in twin.renamed:
                continue
            there = after.held.get(renamed(name, twin.renamed))
            if there is not None:
                yield from look.held(name, held, there, at)
    yield from _kept(twin, other, look)


def _kept(twin: Twin, other: tuple[Program, Trace], look: _Look) -> Iterator[Broken]:
    """Where a cache that nobody touches any more changes."""
    if twin.kept is None:
        return
    name, since = twin.kept
    ends = last_ops(other[0])
    first = (
        other[1].entries[ends[since]].held.get(name)
        if ends[since] < len(other[1].entries)
        else None
    )
    for step in range(since + 1, len(twin.other.steps)):
        index = ends.get(step)
        if index is None or index >= len(other[1].entries) or first is None:
            return
        now = other[1].entries[index].held.get(name)
        if now is not None:
            yield from look.held(name, first, now, step, " of the one left alone")


def renamed(name: str, names: dict[str, str]) -> str:
    """A cache's name, or a child's, under the other scenario's names."""
    root, dot, rest = name.partition(".")
    return f"{names.get(root, root)}{dot}{rest}"


def _kind(trace: Trace, index: int, op: Any = None) -> str:
    """The kind of cache that an op is about, as far as that can be seen."""
    for entry in reversed(trace.entries[: index + 1]):
        names = op.targets if op is not None and op.targets else tuple(entry.held)
        for name in names:
            if name in entry.held:
                return entry.held[name].kind
        if entry.held:
            return next(iter(entry.held.values())).kind
    return "none"


class _Look:
    """Compares what the two scenarios show, each painted in its own numbers."""

    def __init__(self, plain: Paint, other: Paint, fields: frozenset[str]) -> None:
        self.paints = plain, other
        self.fields = fields
        # What is quantized cannot be read back, and other numbers come out as other words.
        self._untold = set() if plain == other else {"quantized"}

    def returned(
        self, before: Entry, after: Entry, step: int, kind: str, padding: Sequence[int]
    ) -> Iterator[Broken]:
        if (before.raised is None) != (after.raised is None):
            raised = after.raised or before.raised
            which = "only the other way" if after.raised else "only the plain way"
            said = f"{raised.name}: {raised.message}" if raised else ""
            yield Broken(kind, "raised", step, f"{which} raised {said}")
        elif kind not in {*RINGS, *self._untold} and not self._alike(
            before.returned, after.returned, padding=padding
        ):
            yield Broken(kind, "returned", step, "what is returned differs")

    def held(
        self, name: str, mine: Held, theirs: Held, step: int, who: str = ""
    ) -> Iterator[Broken]:
        if mine.kind != theirs.kind:
            yield Broken(mine.kind, "kind", step, f"{name}: {mine.kind} became {theirs.kind}")
            return
        for field_, value in zip(mine.names, mine.values, strict=True):
            other = theirs.get(field_)
            level = LEVEL_OF[field_] == "state"
            if mine.kind in self._untold and field_ in {"keys", "values"}:
                continue
            if other is ABSENT or not level or (self.fields and field_ not in self.fields):
                continue
            if mine.kind in RINGS and field_ in {"keys", "values"}:
                fine = self._ring(mine, value, other, field_)
            else:
                fine = self._alike(value, other, field_, _padding(mine))
            if not fine:
                text = (
                    f"{name}: {field_}{who}: {self._shown(value, 0, field_)} the plain way, "
                    f"{self._shown(other, 1, field_)} the other way"
                )
                yield Broken(mine.kind, field_, step, text)
                return

    def _alike(
        self, value: Any, other: Any, field_: str = "keys", padding: Sequence[int] = ()
    ) -> bool:
        """Whether two values are the same, but for what stands in a row's padding."""
        if type(value) is tuple and type(other) is tuple:
            sides = ("keys", "values") if len(value) == 2 else ("keys",) * len(value)
            return len(value) == len(other) and all(
                self._alike(x, y, s, padding) for x, y, s in zip(value, other, sides, strict=True)
            )
        if isinstance(value, Frozen) and isinstance(other, Frozen) and _painted(value, other):
            if value == other and self.paints[0] == self.paints[1]:
                return True
            side: Side = "values" if field_ == "values" else "keys"
            cells = [p.cells(a, side) for p, a in zip(self.paints, (value, other), strict=True)]
            for rows in cells:
                for at, (row, padded) in enumerate(zip(rows, padding, strict=False)):
                    rows[at] = row[max(0, padded) :]
            return (value.dtype, value.shape) == (other.dtype, other.shape) and cells[0] == cells[1]
        return same(value, other)

    def _ring(self, held: Held, value: Any, other: Any, side: Any) -> bool:
        """Whether both hold the window: one may still hold older tokens, in any order."""
        if not (isinstance(value, Frozen) and isinstance(other, Frozen)):
            return same(value, other)
        if value.dtype != other.dtype:
            return False
        rows = [p.cells(a, side) for p, a in zip(self.paints, (value, other), strict=True)]
        if len(rows[0]) != len(rows[1]):
            return False
        for at, pair in enumerate(zip(*rows, strict=True)):
            written = [[str(cell) for cell in row if cell != UNWRITTEN] for row in pair]
            fewer, more = sorted(written, key=len)
            if len(fewer) < _window(held, at) or Counter(fewer) - Counter(more):
                return False
        return True

    def _shown(self, value: Any, which: int, side: Any) -> str:
        if isinstance(value, Frozen) and _painted(value, value):
            rows = self.paints[which].cells(value, "values" if side == "values" else "keys")
            text = ", ".join("[" + " ".join(map(str, row)) + "]" for row in rows)
        elif isinstance(value, Frozen) and value.dtype == "int32" and len(value.shape) == 1:
            text = str(memoryview(value.data).cast("i").tolist())
        elif isinstance(value, Frozen):
            text = f"{value.dtype} {list(value.shape)}"
        elif isinstance(value, Raised):
            text = f"{value.name}: {value.message}"
        else:
            text = "other words" if isinstance(value, tuple) else str(value)
        return text if len(text) <= 80 else f"{text[:79]}…"


def _padding(held: Held | None) -> Sequence[int]:
    """The left padding of a batch's rows: what is turned into it depends on the spare rows."""
    padding = held.get("left_padding") if held is not None and held.kind == "batch" else None
    return memoryview(padding.data).cast("i").tolist() if isinstance(padding, Frozen) else ()


def _window(held: Held, row: int) -> int:
    """How many tokens a row of a ring must hold."""
    size, offset = held.get("max_size"), held.get("offset")
    if isinstance(offset, Frozen):
        offset = memoryview(offset.data).cast("i")[row]
    return min(offset, size) if type(offset) is int and type(size) is int else 0


def _painted(*arrays: Frozen) -> bool:
    return all(len(array.shape) == 4 and array.dtype in _UNPACKED for array in arrays)
