"""Ledgers as files: read with every mistake named, written from a run, cut down in place."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from kvparity.ledger.declare import Ledger
from kvparity.ledger.entries import GENERATED, Entry, Match
from kvparity.subjects import is_own
from kvreports.model import Finding, RaisedValue, Record
from kvscenarios import yamltree
from kvscenarios.base import Model
from kvscenarios.errors import nearest

OWN = Path(__file__).parents[1] / "divergences.yaml"
"""kvimpl against mlx-lm."""
_HEAD = """\
# What is known to differ, and why. Fill in every `why` (hardening, upstream-bug or by-design) and
# every `reason`; until then this ledger is refused. An entry is as narrow as the run that it was
# written from; `spreads` takes in what follows from a difference in the same scenario.
"""
_KEY = re.compile(r"divergences *:((?: +#.*)?\s*)")


class LedgerError(ValueError):
    """A ledger that is missing or malformed."""


class _File(Model):
    divergences: tuple[Entry, ...]


def load(path: Path) -> tuple[Entry, ...]:
    """The entries of a ledger file. Raises LedgerError."""
    return _entries(path, _tree(path))


def between(subject: str, version: str | None, file: Path | None = None) -> Ledger:
    """The ledger between a subject and a release of the reference: the file's, or ours for kvimpl.

    What ours says of the reference is known in any case. Raises LedgerError.
    """
    own = load(OWN)
    entries = load(file) if file is not None else own if is_own(subject) else ()
    return Ledger(entries, version, known=own)


def _tree(path: Path) -> yamltree.Tree:
    try:
        return yamltree.read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read: {error.strerror}") from None
    except (yamltree.YamlError, UnicodeDecodeError) as error:
        line = getattr(error, "line", None)
        raise LedgerError(f"{path}{f':{line}' if line else ''}: {error}") from None


def _entries(path: Path, tree: yamltree.Tree) -> tuple[Entry, ...]:
    try:
        entries = _File.model_validate(tree.data).divergences
    except ValidationError as error:
        raise LedgerError("\n".join(_mistakes(path, tree, error))) from None
    repeated = {entry.id for entry in entries if [e.id for e in entries].count(entry.id) > 1}
    if repeated:
        raise LedgerError(f"{path}: ids stand twice: {', '.join(sorted(repeated))}")
    return entries


def _mistakes(path: Path, tree: yamltree.Tree, error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False):
        loc: tuple[Any, ...] = item["loc"]
        message = str(item.get("ctx", {}).get("error", item["msg"]))
        if item["type"] == "extra_forbidden":
            model = _File if len(loc) == 1 else Match if "match" in loc[:-1] else Entry
            message = f"there is no such key; {nearest(str(loc[-1]), model.model_fields)}"
        line = tree.line(loc)
        place = f"{path}:{line}" if line else str(path)
        yield f"{place}: {'.'.join(str(part) for part in loc) or 'ledger'}: {message}"


def without(path: Path, ids: Collection[str]) -> str:
    """The text of a ledger file without these entries and the remarks right above them.

    All else stays as it stands. Raises LedgerError, also where the entries cannot be told apart
    line by line.
    """
    tree = _tree(path)
    entries = _entries(path, tree)
    lines = path.read_bytes().decode().splitlines(keepends=True)
    starts = [(tree.line(("divergences", index)) or 1) - 1 for index in range(len(entries))]
    gone = {
        number
        for entry, start, stop in zip(entries, starts, [*starts[1:], len(lines)], strict=True)
        if entry.id in ids
        for number in range(_with_remarks(lines, start), _end(lines, start, stop))
    }
    left = tuple(entry for entry in entries if entry.id not in ids)
    key = None if left else (tree.line(("divergences",)) or 1) - 1
    text = "".join(
        _emptied(line) if number == key else line
        for number, line in enumerate(lines)
        if number == key or number not in gone
    )
    if not _holds(text, left):
        raise LedgerError(f"{path}: its entries are not a line each or more: prune it by hand")
    return text


def _with_remarks(lines: Sequence[str], start: int) -> int:
    """Where an entry starts, with the remarks right above it."""
    while start > 1 and _is_remark(lines[start - 1]):
        start -= 1
    return start


def _end(lines: Sequence[str], start: int, stop: int) -> int:
    """Where an entry ends, with the blank lines behind it; a remark behind it is not its own."""
    margin = _indent(lines[start])
    own = stop
    while own > start + 1 and (
        not lines[own - 1].strip()
        or (_is_remark(lines[own - 1]) and _indent(lines[own - 1]) <= margin)
    ):
        own -= 1
    while own < stop and not lines[own].strip():
        own += 1
    return own


def _is_remark(line: str) -> bool:
    return line.lstrip().startswith("#")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _emptied(line: str) -> str:
    """The line of the key when nothing stands under it any more, with the remark behind it."""
    remark = _KEY.fullmatch(line)
    return "divergences: []" + (remark[1] if remark else "\n")


def _holds(text: str, entries: tuple[Entry, ...]) -> bool:
    try:
        return _File.model_validate(yamltree.read(text).data).divergences == entries
    except (yamltree.YamlError, ValidationError):
        return False


def check_draft(path: Path) -> None:
    """Raises LedgerError where a first ledger would replace what is none, or declares something."""
    if path.exists() and not path.is_file():
        raise LedgerError(f"{path}: no regular file")
    if path.exists() and load(path):
        raise LedgerError(f"{path}: declares something already, and is not written over")


def draft(records: Iterable[Record]) -> str:
    """A first ledger from a run: an entry for each way in which scenarios differ, without reasons.

    Only the first difference of a scenario is known; each entry takes in what follows from it.
    """
    records = list(records)
    groups: defaultdict[tuple[str, str, str | None, str | None], list[str]] = defaultdict(list)
    for record in records:
        first = record.first
        if first is not None and first.declared is None and first.what != "stop":
            groups[_likeness(record, first)].append(record.id)
    for operation, field, kind, raised in [*groups]:
        # One that speaks of any kind would leave nothing for one of some kind to declare.
        if kind is not None and (whole := (operation, field, None, raised)) in groups:
            groups[whole] += groups.pop((operation, field, kind, raised))
    entries = [_drafted(key, ids, records) for key, ids in groups.items()]
    taken: dict[str, int] = defaultdict(int)
    for entry in entries:
        taken[entry["id"]] += 1
        if taken[entry["id"]] > 1:
            entry["id"] += f"-{taken[entry['id']]}"
    body = [yaml.safe_dump([entry], sort_keys=False, width=96) for entry in entries]
    text = "\n".join("".join(f"  {line}\n" for line in part.splitlines()) for part in body)
    return f"{_HEAD}divergences:{' []' if not entries else ''}\n{text}"


def _likeness(record: Record, first: Finding) -> tuple[str, str, str | None, str | None]:
    """Operation, field, kind and error by which differences are taken for one."""
    operation = first.op.split(" ", 1)[0]
    raised = first.reference.raised if isinstance(first.reference, RaisedValue) else None
    kind = record.kinds[0] if len(set(record.kinds)) == 1 else None
    return operation, first.field, kind, raised


def _drafted(
    key: tuple[str, str, str | None, str | None], ids: list[str], records: list[Record]
) -> dict[str, Any]:
    operation, field, kind, raised = key
    globs = list(_globs(ids, [record.id for record in records]))
    match: dict[str, Any] = {"scenario": globs[0] if len(globs) == 1 else globs}
    match |= {"kind": kind} if kind else {}
    match |= {"operation": operation, "field": field}
    match |= {"reference_raises": raised} if raised else {}
    name = "-".join(word for word in (kind, operation, field) if word).replace("_", "-").lower()
    return {"id": name[:76], "match": match, "spreads": True, "why": "", "reason": ""}


def _globs(ids: Sequence[str], played: Sequence[str]) -> Iterator[str]:
    """The ids, with all expansions of a scenario as one glob where all of them are among them.

    What was generated is shrunk anew in every run, under other names.
    """
    if any(name.startswith(GENERATED) for name in ids):
        yield f"{GENERATED}*"
    ids = [name for name in ids if not name.startswith(GENERATED)]
    for base in dict.fromkeys(name.partition("@")[0] for name in ids):
        mine = [name for name in ids if name.partition("@")[0] == base]
        every = [name for name in played if name.partition("@")[0] == base]
        if len(mine) > 1 and len(mine) == len(every):
            yield f"{base}@*"
        else:
            yield from mine
