"""Where a table comes from, as a block of lines that every format carries, and its own hash.

The block stands in a comment, a metadata field or a visible paragraph, each of its lines behind
the same prefix; from the block alone a table can be made again and compared. The hash is that of
the whole file with the hash itself written as zeros, so that an edit anywhere breaks it.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from kvparity.tables.columns import UNCOMPARED
from kvreports.words import plain
from kvscenarios import Scenario

TITLE = "kvparity-table 1"
BLANK = "0" * 64
"""Stands for the hash until the rest of the file is known."""
_START = re.compile(rf"^(?P<prefix>.*){re.escape(TITLE)}[ \t]*$", re.MULTILINE)
_HASH = re.compile(r"[0-9a-f]{64}")
_SHORT = 8
_A_LINE = 8
"""Hashes that stand on one line."""
_WORDS = frozenset({"command", "reference", "mlx"})
"""Lines that are taken as they stand."""
_OF_SCENARIO = frozenset({"caches", "column hashes", "row hashes", "line hashes"})


class NotATable(ValueError):  # noqa: N818 - says what is wrong
    """A file that carries no provenance of a table."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Origin(_Part):
    """One scenario of a table: what it was, its caches, short hashes of its columns and rows."""

    id: str
    digest: str
    file: str
    caches: str
    columns: dict[str, str]
    rows: tuple[str, ...]
    working: tuple[str, ...] = ()


class Provenance(_Part):
    """What a table was made of, and with what."""

    command: str
    reference: str
    hashes: dict[str, str]
    mlx: str
    tool: str
    format: str
    working: bool
    scenarios: tuple[Origin, ...]
    content: str = BLANK

    def lines(self) -> list[str]:
        """The block, to be printed behind a comment sign or a space."""
        lines = [
            TITLE,
            f"command: {self.command}",
            f"reference: {self.reference}",
            *(f"{file}: sha256 {digest}" for file, digest in sorted(self.hashes.items())),
            f"mlx: {self.mlx}",
            f"kvparity: {self.tool}",
            f"format: {self.format}" + (" with working" if self.working else ""),
        ]
        for one in self.scenarios:
            lines += [f"scenario: {one.id} {one.digest} {one.file}", f"caches: {one.caches}"]
            columns = [f"{name} {digest}" for name, digest in one.columns.items()]
            for name, digests in (("column", columns), ("row", one.rows), ("line", one.working)):
                lines += [f"{name} hashes: {' '.join(part)}" for part in _parts(digests)]
        return [plain(line) for line in [*lines, f"content: sha256 {self.content}"]]


def _parts(digests: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(digests), _A_LINE):
        yield digests[start : start + _A_LINE]


def caches_text(scenario: Scenario) -> str:
    """The scenario's caches on one line, as YAML."""
    dumped = scenario.model_dump(mode="json", exclude_unset=True, include={"cache", "caches"})
    specs = dumped.get("caches") or ({"cache": dumped["cache"]} if dumped.get("cache") else {})
    specs = {name: {"kind": spec["kind"], **spec} for name, spec in specs.items()}
    text: str = yaml.safe_dump(specs, default_flow_style=True, sort_keys=False, width=10**6)
    return text.strip()


def row_hash(row: Mapping[str, Any]) -> str:
    """A short hash of what a row says, but for where it stands and how an error is worded."""
    return _short({name: value for name, value in row.items() if name not in UNCOMPARED})


def column_hashes(rows: Collection[Mapping[str, Any]]) -> dict[str, str]:
    """A short hash of every column in which any of the rows says something."""
    names = [name for row in list(rows)[:1] for name in row if name not in UNCOMPARED]
    columns = {name: [row[name] for row in rows] for name in names}
    return {
        name: _short(cells)
        for name, cells in columns.items()
        if any(cell is not None for cell in cells)
    }


def working_hash(row: Mapping[str, Any]) -> str:
    """A short hash of the lines that a row's operation ran."""
    return _short([str(line) for line in row["working"] or ()])


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_SHORT]


def seal(data: bytes) -> bytes:
    """The file with its own hash in the place of the zeros. Raises ValueError without a place."""
    blank = BLANK.encode()
    if data.count(blank) != 1:
        raise ValueError(f"expected one place for the table's hash, found {data.count(blank)}")
    return data.replace(blank, hashlib.sha256(data).hexdigest().encode())


def is_whole(data: bytes, provenance: Provenance) -> bool:
    """Whether the file is as it was written, but for how its lines end."""
    content = provenance.content.encode()
    blanked = data.replace(b"\r\n", b"\n").replace(content, BLANK.encode())
    return hashlib.sha256(blanked).hexdigest().encode() == content


def find(data: bytes) -> Provenance:
    """The provenance that a table of any format carries. Raises NotATable."""
    if data[8:9] == b"{":
        return _of_safetensors(data)
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise NotATable("not UTF-8 text, and no safetensors file") from None
    return _of_json(text) if text.lstrip().startswith("{") else _of_block(text)


def _of_safetensors(data: bytes) -> Provenance:
    length = int.from_bytes(data[:8], "little")
    try:
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        return _of_block(metadata["provenance"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NotATable("its metadata has no provenance of a table") from None


def _of_json(text: str) -> Provenance:
    try:
        return Provenance.model_validate(json.loads(text)["provenance"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NotATable("its JSON has no provenance of a table") from None


def _of_block(text: str) -> Provenance:
    start = _START.search(text)
    if start is None:
        raise NotATable(f"no line says {TITLE!r}: it was not made by `kvparity table`")
    known: dict[str, Any] = {"hashes": {}, "scenarios": []}
    prefix = start["prefix"].rstrip()
    for line in text[start.end() :].lstrip("\n").splitlines():
        said = html.unescape(line.removeprefix(prefix).strip())
        name, _, value = said.partition(": ")
        _take(known, name, value)
        if name == "content":
            break
    try:
        return Provenance.model_validate(known)
    except ValueError:
        missing = ", ".join(sorted({*Provenance.model_fields} - {*known}))
        what = f": no {missing}" if missing else ""
        raise NotATable(f"its provenance is damaged{what}") from None


def _take(known: dict[str, Any], name: str, value: str) -> None:
    """One line of the block."""
    digest = _HASH.search(value)
    if name == "scenario":
        # A file's name may hold spaces.
        parts = (*value.split(" ", 2), "", "")[:3]
        known["scenarios"].append(dict(zip(("id", "digest", "file"), parts, strict=True)))
        known["scenarios"][-1] |= {"caches": "{}", "columns": {}, "rows": [], "working": []}
    elif name == "format":
        known["format"], _, working = value.partition(" ")
        known["working"] = bool(working)
    elif name == "content" and digest:
        known["content"] = digest[0]
    elif value.startswith("sha256 ") and digest:
        known["hashes"][name] = digest[0]
    elif name in _OF_SCENARIO and known["scenarios"]:
        _take_of_scenario(known["scenarios"][-1], name, value)
    elif name == "kvparity":
        known["tool"] = value
    elif name in _WORDS:
        known[name] = value


def _take_of_scenario(one: dict[str, Any], name: str, value: str) -> None:
    words = value.split()
    if name == "caches":
        one["caches"] = value
    elif name == "column hashes":
        one["columns"] |= dict(zip(words[::2], words[1::2], strict=False))
    else:
        one["rows" if name == "row hashes" else "working"] += words
