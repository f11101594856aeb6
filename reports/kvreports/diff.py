"""Two runs held against each other: what broke, healed, appeared and vanished.

Scenarios are aligned by what they do (their digest): one that was renamed is still the same one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal

from kvreports.model import PASSING, Part, Record, Run, Verdict
from kvreports.words import plain

What = Literal["broke", "healed", "appeared", "vanished", "changed"]
_MEANING: dict[What, str] = {
    "broke": "passed before, and fails now",
    "healed": "failed before, and passes now",
    "appeared": "only in the second run",
    "vanished": "only in the first run",
    "changed": "another verdict, or another first divergence",
}


class Change(Part):
    """A scenario that is not as it was; `before` or `after` is None where a run has it not."""

    what: What
    digest: str
    id: str
    before: Verdict | None
    after: Verdict | None
    summary: str


class Diff(Part):
    """Everything that `kvparity diff` tells."""

    old: str
    new: str
    scenarios: int
    changes: tuple[Change, ...]
    ledger_broke: tuple[str, ...]
    ledger_healed: tuple[str, ...]

    @property
    def worse(self) -> bool:
        """Whether something fails now that did not fail before."""
        return bool(self.ledger_broke) or any(
            change.what == "broke" or (change.what == "appeared" and change.after not in PASSING)
            for change in self.changes
        )


def diff(old: Run, new: Run) -> Diff:
    """What changed from one run to another, by what changed and then as it was run."""
    order = list(_MEANING)
    changes = sorted(_changes(old.records, new.records), key=lambda one: order.index(one.what))
    before, after = ({problem.id for problem in run.footer.ledger} for run in (old, new))
    return Diff(
        old=f"{old.header.subject.name} against {old.header.reference.name}",
        new=f"{new.header.subject.name} against {new.header.reference.name}",
        scenarios=len(new.records),
        changes=tuple(changes),
        ledger_broke=tuple(sorted(after - before)),
        ledger_healed=tuple(sorted(before - after)),
    )


def _changes(old: Sequence[Record], new: Sequence[Record]) -> Iterator[Change]:
    for before, after in _pairs(old, new):
        what = _what(before, after)
        now = after or before
        if what is None or now is None:
            continue
        yield Change(
            what=what,
            digest=now.digest,
            id=now.id,
            before=before.verdict if before else None,
            after=after.verdict if after else None,
            summary=now.summary,
        )


def _pairs(
    old: Sequence[Record], new: Sequence[Record]
) -> Iterator[tuple[Record | None, Record | None]]:
    """Records of the same digest: of the same id first, the others in their order."""
    waiting: defaultdict[str, list[Record]] = defaultdict(list)
    for record in old:
        waiting[record.digest].append(record)
    ids = {(record.digest, record.id) for record in new}
    for record in new:
        alike = waiting[record.digest]
        same = [one for one in alike if one.id == record.id]
        free = [one for one in alike if (one.digest, one.id) not in ids]
        found = next(iter(same or free), None)
        if found is not None:
            alike.remove(found)
        yield found, record
    for records in waiting.values():
        yield from ((record, None) for record in records)


def _what(before: Record | None, after: Record | None) -> What | None:
    if before is None:
        return "appeared"
    if after is None:
        return "vanished"
    passed, passes = before.verdict in PASSING, after.verdict in PASSING
    if passed != passes:
        return "healed" if passes else "broke"
    same = before.verdict == after.verdict and before.summary == after.summary
    return None if same else "changed"


def as_text(found: Diff) -> str:
    """The differences for people, a line each."""
    lines = [f"first      {plain(found.old)}", f"second     {plain(found.new)}"]
    for what, meaning in _MEANING.items():
        those = [change for change in found.changes if change.what == what]
        if those:
            lines += ["", f"{len(those)} {what}: {meaning}", *map(_line, those)]
    for title, ids in (("broke", found.ledger_broke), ("healed", found.ledger_healed)):
        if ids:
            lines += ["", f"ledger entries that {title}: {', '.join(map(plain, ids))}"]
    if len(lines) == 2:
        lines += ["", f"Nothing changed in {found.scenarios} scenarios."]
    return "\n".join(lines)


def _line(change: Change) -> str:
    verdicts = " -> ".join(verdict for verdict in (change.before, change.after) if verdict)
    return f"  {plain(change.id)}  {verdicts}\n    {plain(change.summary)}"
