"""What changed for a cache's users between two releases: the interface, and the behaviour.

The behaviour comes out of an ordinary run with the new release as the subject and the old one as
the reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from kvoracle.interface import Changes
from kvreports.model import Finding, Record, Run
from kvreports.words import placed

_BEHAVIOUR = {"difference", "refused", "promise"}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Example(_Part):
    """A scenario that shows a change, and how it shows."""

    id: str
    digest: str
    operations: int
    what: str


class Group(_Part):
    """The scenarios of one kind that differ in one field, the smallest of them in words."""

    kind: str
    field: str
    scenarios: tuple[str, ...]
    smallest: Example


class Signature(_Part):
    """A name whose signature changed."""

    name: str
    old: str
    new: str


class Comparison(_Part):
    """Everything that `kvparity compare` tells."""

    old: str
    new: str
    gone: tuple[str, ...]
    come: tuple[str, ...]
    changed: tuple[Signature, ...]
    scenarios: int
    alike: int
    groups: tuple[Group, ...]
    impossible: tuple[Example, ...]
    possible: tuple[Example, ...]


def comparison(run: Run, interface: Changes) -> Comparison:
    """The comparison out of a run (new as subject, old as reference) and the interfaces."""
    stops = [(record, finding) for record in run.records for finding in _stops(record)]
    differing = [
        (record, finding) for record in run.records if (finding := _first(record)) is not None
    ]
    told = {record.id for record, _ in [*stops, *differing]}
    return Comparison(
        old=run.header.reference.name,
        new=run.header.subject.name,
        gone=interface.gone,
        come=interface.come,
        changed=tuple(Signature(name=n, old=old, new=new) for n, old, new in interface.changed),
        scenarios=len(run.records),
        alike=sum(record.id not in told for record in run.records),
        groups=tuple(_groups(differing)),
        impossible=_only(stops, "subject"),
        possible=_only(stops, "reference"),
    )


def _first(record: Record) -> Finding | None:
    return next((finding for finding in record.findings if finding.what in _BEHAVIOUR), None)


def _stops(record: Record) -> Iterator[Finding]:
    yield from (finding for finding in record.findings if finding.what == "stop")


def _only(stops: Sequence[tuple[Record, Finding]], side: str) -> tuple[Example, ...]:
    """The scenarios that stopped on this side alone."""
    other = {record.id for record, finding in stops if finding.side != side}
    return tuple(
        _example(record, finding)
        for record, finding in stops
        if finding.side == side and record.id not in other
    )


def _groups(differing: Sequence[tuple[Record, Finding]]) -> Iterator[Group]:
    found: dict[tuple[str, str], list[tuple[Record, Finding]]] = {}
    for record, finding in differing:
        kind = record.kinds[0] if len(set(record.kinds)) == 1 else "several kinds"
        if not record.kinds:
            kind = "functions"
        found.setdefault((kind, finding.field), []).append((record, finding))
    for (kind, field), members in sorted(found.items(), key=lambda item: (item[0][0], item[0][1])):
        record, finding = min(members, key=lambda member: (member[0].ops_total, member[0].id))
        names = tuple(member.id for member, _ in members)
        yield Group(kind=kind, field=field, scenarios=names, smallest=_example(record, finding))


def _example(record: Record, finding: Finding) -> Example:
    return Example(
        id=record.id,
        digest=record.digest,
        operations=record.ops_total,
        what=placed(finding),
    )


def as_markdown(found: Comparison) -> str:
    """The comparison for people, on a terminal or in an issue."""
    parts = [
        f"# {found.new} against {found.old}",
        f"{found.alike} of {found.scenarios} scenarios behave alike. In the sentences below the "
        f"subject is {found.new}, the reference {found.old}.",
        *_interface_parts(found),
        *_behaviour_parts(found),
        *_example_part(f"No longer possible in {found.new}", found.impossible),
        *_example_part(f"Possible since {found.old}", found.possible),
    ]
    return "\n\n".join(parts) + "\n"


def _interface_parts(found: Comparison) -> Iterator[str]:
    for title, names in (("Gone", found.gone), ("Come", found.come)):
        if names:
            yield f"## {title}\n\n" + "\n".join(f"- `{name}`" for name in names)
    if found.changed:
        rows = [f"- `{one.name}`: `{one.old}` is now `{one.new}`" for one in found.changed]
        yield "## Signatures\n\n" + "\n".join(rows)


def _behaviour_parts(found: Comparison) -> Iterator[str]:
    if not found.groups:
        return
    rows = ["| kind | field | scenarios | smallest |", "|---|---|---|---|"]
    for group in found.groups:
        what = group.smallest.what.replace("|", "\\|")
        shown = f"`{group.smallest.id}`: {what}"
        rows.append(f"| {group.kind} | {group.field} | {len(group.scenarios)} | {shown} |")
    yield "## Behaviour\n\n" + "\n".join(rows)


def _example_part(title: str, examples: Sequence[Example]) -> Iterator[str]:
    if examples:
        rows = [f"- `{example.id}`: {example.what}" for example in examples]
        yield f"## {title}\n\n" + "\n".join(rows)
