"""The law of rows: a row of a batch holds what it would hold alone.

Every cache's rows are followed through the scenario, each with the steps that it would have taken
by itself. What cannot be followed (restored metadata, a trim of a ring, rows of unlike types) is
left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kvparity.generate import building
from kvparity.laws.edits import Site, tokens_of
from kvparity.laws.twins import Choice, Twin, with_steps
from kvscenarios.caches import Batch, BatchRotating, CacheSpec, Geometry, Rotating, Standard
from kvscenarios.steps import DEFAULT_CACHE, Step
from kvscenarios.steps.batch import Extend, Extract, Filter, Finalize, Merge, Prepare
from kvscenarios.steps.one import Copy, Decode, Trim, Update
from kvscenarios.steps.prompt import Load, Save

_FIELDS = frozenset({"keys", "values", "offset"})
_MADE = "lawful"
_MASKS = {"make_mask", "model_mask", "ssm_mask"}
_HARMLESS = {*_MASKS, "get_slot", "observe", "materialize", "round_trip"}


@dataclass
class Row:
    """One row: the cache that it would be, its steps, its tokens, and padding still to come."""

    spec: CacheSpec
    steps: list[Step] = field(default_factory=list)
    held: int = 0
    padding: int = 0
    right: int = 0

    def copy(self) -> Row:
        """The same, to go its own way."""
        return replace(self, steps=list(self.steps))

    def write(self, step: Step, tokens: Sequence[int]) -> None:
        """Take the tokens that are this row's, and none of the padding's."""
        real = tokens[: len(tokens) - self.right]
        skipped = min(self.padding, len(real))
        self.padding -= skipped
        if real := real[skipped:]:
            op = "decode" if isinstance(step, Decode) else "update"
            self.steps.append(building.step(op, real))
            self.held += len(real)


def row(site: Site, choice: Choice) -> Twin | None:
    """A row of a batch is the row alone."""
    found = list(_rows(site))
    if not found:
        return None
    at, name, index, alone = found[choice.at % len(found)]
    taken = building.step("extract", index, on=name, made=_MADE)
    plain = with_steps(site.scenario, [*site.steps[: at + 1], taken])
    other = building.scenario(site.scenario.name, {DEFAULT_CACHE: alone.spec}, alone.steps)
    last = len(other.steps) - 1
    return Twin(plain, other, at + 1, last - at - 1, {_MADE: DEFAULT_CACHE}, fields=_FIELDS)


def _rows(site: Site) -> Any:
    """(step, batch, row, what it would have been) wherever a batch has been written to."""
    lines = Lines(site.scenario.specs)
    for at, step in enumerate(site.steps):
        if site.raised(at):
            return
        lines.take(step)
        name = step.targets[0] if step.targets else ""
        rows = lines.known.get(name)
        batch = site.held(at).get(name)
        if rows is None or batch is None or not batch.kind.startswith("batch"):
            continue
        for index, one in enumerate(rows):
            if one.held and not one.right and not any(other.right for other in rows):
                yield at, name, index, one.copy()


class Lines:
    """The rows of every cache that can be followed."""

    def __init__(self, specs: dict[str, CacheSpec]) -> None:
        self.known: dict[str, list[Row]] = {}
        self._files: dict[str, str] = {}
        for name, spec in specs.items():
            rows = list(_declared(spec))
            if rows:
                self.known[name] = rows

    def take(self, step: Step) -> None:
        """Follow a step that did not raise."""
        targets = [self.known.get(name) for name in step.targets]
        followed = all(rows is not None for rows in targets)
        if isinstance(step, Load):
            self._put(f"{step.as_}.0", self.known.get(self._files.get(step.file, "")))
        elif isinstance(step, Save):
            self._files[step.save.file] = step.targets[0] if len(step.targets) == 1 else ""
        elif step.op in _HARMLESS:
            return
        elif not followed or not self._follow(step, [rows or [] for rows in targets]):
            for name in step.targets[:1]:
                self.known.pop(name, None)

    def _follow(self, step: Step, targets: list[list[Row]]) -> bool:
        """Whether the rows could be followed."""
        rows = targets[0] if targets else []
        if isinstance(step, _WITHIN):
            return _written(rows, step)
        if isinstance(step, Copy):
            self._put(step.as_, rows)
        elif isinstance(step, Merge):
            members = [one for member in targets for one in member]
            self._put(step.as_, members if _of_one_type(members) else None)
        elif isinstance(step, Extract):
            self._put(step.as_, rows[step.extract : step.extract + 1])
        elif isinstance(step, Extend) and _of_one_type([*rows, *targets[1]]):
            rows += [one.copy() for one in targets[1]]
        elif isinstance(step, Filter):
            self.known[step.targets[0]] = [rows[at] for at in step.rows]
        else:
            return False
        return True

    def _put(self, name: str, rows: Sequence[Row] | None) -> None:
        self.known.pop(name, None)
        if rows:
            self.known[name] = [one.copy() for one in rows]


def _of_one_type(rows: Sequence[Row]) -> bool:
    """Whether a batch of these rows has the type of each: others are cast, and alone are not."""
    return len({one.spec.dtype for one in rows}) <= 1


def _declared(spec: CacheSpec) -> Any:
    geometry = {name: getattr(spec, name) for name in Geometry.model_fields if name != "batch"}
    plain = isinstance(spec, Standard) or (isinstance(spec, Rotating) and spec.keep == 0)
    if plain and spec.batch == 1:
        yield Row(spec)
    elif isinstance(spec, Batch):
        for padding in spec.left_padding:
            yield Row(Standard(kind="standard", **geometry), padding=padding)
    elif isinstance(spec, BatchRotating):
        for padding in spec.left_padding:
            ring = Rotating(kind="rotating", max_size=spec.max_size, **geometry)
            yield Row(ring, padding=padding)


_WITHIN = (Update, Decode, Trim, Prepare, Finalize)
"""Steps that change rows, and leave them where they are."""


def _written(rows: list[Row], step: Step) -> bool:
    """Whether what the step does to the rows could be followed."""
    if isinstance(step, Trim):
        return _trim(rows, step.trim)
    if isinstance(step, Prepare):
        return _prepare(rows, step)
    if isinstance(step, Finalize):
        for one in rows:
            one.right = 0
        return True
    return _write(rows, step)


def _write(rows: list[Row], step: Step) -> bool:
    tokens = tokens_of(step)
    if not tokens or not tokens[0] or len(tokens) not in (1, len(rows)):
        return False
    for at, one in enumerate(rows):
        one.write(step, tokens[at % len(tokens)])
    return True


def _trim(rows: list[Row], n: int) -> bool:
    if any(isinstance(one.spec, Rotating) or one.padding or n > one.held for one in rows):
        return False
    for one in rows:
        one.steps.append(building.step("trim", n))
        one.held -= n
    return True


def _prepare(rows: list[Row], step: Prepare) -> bool:
    args = step.prepare
    if args.left_padding is not None:
        if any(one.held for one in rows):
            return False
        for one, padding in zip(rows, args.left_padding, strict=True):
            one.padding += padding
    if args.right_padding is not None:
        for one, padding in zip(rows, args.right_padding, strict=True):
            one.right = padding
    return True
