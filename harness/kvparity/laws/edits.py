"""Laws about one step of a scenario: it is done in another way, or something is put behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kvparity.generate import building
from kvparity.laws.twins import RINGS, Choice, Twin, last_ops, renamed, stripped, with_steps
from kvparity.program import Program
from kvparity.trace import ABSENT, Held, Trace
from kvscenarios import Scenario
from kvscenarios.steps import MakingStep, Step
from kvscenarios.steps.batch import Extend, Finalize, Merge, Prepare
from kvscenarios.steps.one import Copy, Decode, Update
from kvscenarios.steps.reuse import LruInsert
from kvscenarios.tensors import TokenTensor

_HOLDING = {"standard", "concatenate", "rotating", "chunked", "quantized", "batch", *RINGS}
_SAVED = {*_HOLDING, "arrays", "list"}
_MERGED = {"standard", "rotating"}
_MADE = "lawful"
"""The name of what a law makes."""


class Site:
    """A scenario as played on one implementation, and what may be done at its steps."""

    def __init__(self, program: Program, trace: Trace) -> None:
        self.program = program
        self.scenario: Scenario = program.scenario
        self.steps = stripped(program.scenario.steps)
        self.trace = trace
        self._ends = last_ops(program)
        self._pending = list(_pending(self.steps))

    def held(self, step: int) -> dict[str, Held]:
        """Every cache as it is after a step; nothing where the trace does not go so far."""
        index = self._ends.get(step, -1)
        return self.trace.entries[index].held if 0 <= index < len(self.trace.entries) else {}

    def raised(self, step: int) -> bool:
        """Whether the step's last op raised."""
        index = self._ends.get(step, -1)
        return not 0 <= index < len(self.trace.entries) or (
            self.trace.entries[index].raised is not None
        )

    def pending(self, step: int, name: str) -> bool:
        """Whether a prefill of unequal rows is announced, or under way, in the cache or a part."""
        root = name.partition(".")[0]
        return any(one.partition(".")[0] == root for one in self._pending[step])

    def writes(
        self, kinds: set[str], least: int
    ) -> list[tuple[int, str, tuple[tuple[int, ...], ...]]]:
        """(step, cache, tokens) of every write of at least so many plain tokens that went well."""
        found = []
        for at, step in enumerate(self.steps):
            rows = tokens_of(step)
            if not rows or len(rows[0]) < least or self.raised(at):
                continue
            name = step.targets[0]
            held = self.held(at).get(name)
            if held is not None and held.kind in kinds and not self.pending(at, name):
                found.append((at, name, rows))
        return found

    def roots(self, kinds: set[str]) -> list[tuple[int, str]]:
        """(step, cache): every cache that is there after a step and goes by one name to the end."""
        found = []
        for at in range(len(self.steps)):
            for name, held in self.held(at).items():
                fits = "." not in name and held.kind in kinds and not self.pending(at, name)
                if fits and not any(_makes(step, name) for step in self.steps[at + 1 :]):
                    found.append((at, name))
        return found


def _pending(steps: Sequence[Step]) -> Iterator[set[str]]:
    names: set[str] = set()
    for step in steps:
        if isinstance(step, Prepare):
            names = names | set(step.targets)
        elif isinstance(step, Finalize):
            names = names - set(step.targets)
        elif isinstance(step, Copy) and step.copy_ in names:
            names = names | {step.as_}
        yield names


def tokens_of(step: Step) -> tuple[tuple[int, ...], ...]:
    """The tokens that a step writes, where it writes nothing but tokens."""
    if isinstance(step, Decode):
        return step.decode
    if isinstance(step, Update) and step.update.values is None:
        keys = step.update.keys
        plain = isinstance(keys, TokenTensor) and keys.model_fields_set == {"tokens"}
        return keys.tokens if isinstance(keys, TokenTensor) and plain else ()
    return ()


def _makes(step: Step, name: str) -> bool:
    return isinstance(step, MakingStep) and step.as_ == name


def _written(step: Step, rows: Sequence[Sequence[int]]) -> Step:
    """The same write with other tokens."""
    tokens = tuple(tuple(row) for row in rows)
    if isinstance(step, Decode):
        return step.model_copy(update={"decode": tokens})
    assert isinstance(step, Update)  # noqa: S101 - narrows the type
    tensor = TokenTensor.model_construct(tokens=tokens)
    return step.model_copy(update={"update": step.update.model_copy(update={"keys": tensor})})


def _renaming(steps: Sequence[Step], names: dict[str, str]) -> list[Step]:
    """The steps with caches under other names."""
    return [_renamed(step, names) for step in steps]


def _renamed(step: Step, names: dict[str, str]) -> Step:
    changes: dict[str, object] = {}
    if isinstance(step.on, str):
        changes["on"] = renamed(step.on, names)
    elif step.on is not None:
        changes["on"] = tuple(renamed(name, names) for name in step.on)
    elif "cache" in names and "cache" in step.targets:
        changes["on"] = names["cache"]
    if isinstance(step, Merge):
        changes["merge"] = tuple(renamed(name, names) for name in step.merge)
    elif isinstance(step, Extend):
        changes["extend"] = renamed(step.extend, names)
    elif isinstance(step, Copy):
        changes["copy_"] = renamed(step.copy_, names)
    elif isinstance(step, LruInsert):
        caches = tuple(renamed(name, names) for name in step.lru_insert.caches)
        changes["lru_insert"] = step.lru_insert.model_copy(update={"caches": caches})
    if isinstance(step, Merge | Copy) and step.on is None:
        changes.pop("on", None)
    return step.model_copy(update=changes) if changes else step


def chunks(site: Site, choice: Choice) -> Twin | None:
    """Prefill in two chunks is prefill at once."""
    found = [w for w in site.writes(_HOLDING, 2) if isinstance(site.steps[w[0]], Update)]
    if not found:
        return None
    at, _, rows = found[choice.at % len(found)]
    cut = 1 + choice.n % (len(rows[0]) - 1)
    step = site.steps[at]
    parts = [_written(step, [row[:cut] for row in rows]), _written(step, [r[cut:] for r in rows])]
    other = [*site.steps[:at], *parts, *site.steps[at + 1 :]]
    return Twin(site.scenario, with_steps(site.scenario, other), at, 1, whole=True)


def file(site: Site, choice: Choice) -> Twin | None:
    """Going on with what was saved and loaded is going on."""
    found = site.roots(_SAVED)
    if not found:
        return None
    at, name = found[choice.at % len(found)]
    names = {name: f"{_MADE}.0"}
    between = [
        building.step("save", {"file": _MADE}, on=name),
        building.step("load", _MADE, made=_MADE),
    ]
    return _went_on(site, at, between, names)


def copy(site: Site, choice: Choice) -> Twin | None:
    """Going on with a copy is going on, and what was copied stays as it was."""
    found = site.roots({*_SAVED, "tokens"})
    if not found:
        return None
    at, name = found[choice.at % len(found)]
    return _went_on(site, at, [building.copied(name, _MADE)], {name: _MADE}, kept=(name, at + 1))


def merged(site: Site, choice: Choice) -> Twin | None:
    """A row that was merged with others and taken out again is the row."""
    found = [(at, name) for at, name in site.roots(_MERGED) if _is_row(site.held(at)[name])]
    if not found:
        return None
    at, name = found[choice.at % len(found)]
    others = [
        other
        for other, held in site.held(at).items()
        if other != name and _pairs(site.held(at)[name], held) and not site.pending(at, other)
    ]
    rows = [name, *others[: choice.n % 3]]
    row = choice.n % len(rows)
    rows.insert(row, rows.pop(0))
    between = [
        building.step("merge", rows, made=f"{_MADE}-rows"),
        building.step("extract", row, on=f"{_MADE}-rows", made=_MADE),
    ]
    return _went_on(site, at, between, {name: _MADE})


def _is_row(held: Held) -> bool:
    shape = getattr(held.get("keys"), "shape", (0, 0, 0, 0))
    return shape[0] == 1 and shape[2] > 0 and held.get("keep") in (0, ABSENT)


def _pairs(held: Held, other: Held) -> bool:
    """Whether the two may be rows of one batch."""
    if held.kind != other.kind or not _is_row(other):
        return False
    mine, theirs = held.get("keys"), other.get("keys")
    alike = mine.dtype == theirs.dtype and mine.shape[1::2] == theirs.shape[1::2]
    values = held.get("values").shape[1::2] == other.get("values").shape[1::2]
    return bool(alike and values and held.get("max_size") == other.get("max_size"))


def _went_on(
    site: Site,
    at: int,
    between: list[Step],
    names: dict[str, str],
    *,
    kept: tuple[str, int] | None = None,
) -> Twin:
    """Behind a step something is put in, and the rest goes on with what that made."""
    rest = _renaming(site.steps[at + 1 :], names)
    other = with_steps(site.scenario, [*site.steps[: at + 1], *between, *rest])
    return Twin(site.scenario, other, at, len(between), names, kept=kept)


def trim(site: Site, choice: Choice) -> Twin | None:
    """Trimming n tokens and writing them again is nothing; so is a trim that is not possible."""
    found = site.writes(_HOLDING, 1)
    if not found:
        return None
    at, name, rows = found[choice.at % len(found)]
    n = 1 + choice.n % len(rows[0])
    put: list[Step] = [building.step("trim", n, on=name)]
    if site.held(at)[name].get("trimmable") is True:
        put.append(_written(site.steps[at], [row[-n:] for row in rows]))
    other = [*site.steps[: at + 1], *put, *site.steps[at + 1 :]]
    return Twin(site.scenario, with_steps(site.scenario, other), at, len(put))


def unlooked(site: Site, _choice: Choice) -> Twin | None:
    """The same, and nobody looks before the end: a cache that puts work off must still do it."""
    other = with_steps(site.scenario, site.steps, look="last")
    return Twin(site.scenario, other, first=0, shift=0, whole=True)


def raised(site: Site, choice: Choice) -> Twin | None:
    """An operation that raised did nothing."""
    refused = [
        at for at, step in enumerate(site.scenario.steps) if step.expect and step.expect.error
    ]
    found = [
        at
        for at in refused
        if site.raised(at) and site.held(at) and not isinstance(site.steps[at], MakingStep)
    ]
    if not found:
        return None
    chosen = found[choice.at % len(found)]
    kept = [at for at in range(len(site.steps)) if at not in refused]
    before = sum(at < chosen for at in kept)
    if not before:
        return None
    plain = [site.steps[at] for at in kept]
    # With its `expect`: by that the arrays behind it are those of a cache that did not change.
    other = [*plain[:before], site.scenario.steps[chosen], *plain[before:]]
    return Twin(
        with_steps(site.scenario, plain),
        with_steps(site.scenario, other),
        before - 1,
        1,
        fails=True,
    )
