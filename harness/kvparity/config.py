"""The gate's configuration: `[tool.kvparity]` of pyproject.toml, or kvparity.toml.

What is written there is checked whole, and every mistake is named with its key.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from kvoracle import lock
from kvparity.observe import LEVELS, Level
from kvparity.subjects import INSTALLED, KVIMPL
from kvreports.formats import FORMATS
from kvscenarios.errors import nearest

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same module, from before it was Python's own
    import tomli as tomllib

OWN_FILE = "kvparity.toml"
PROJECT_FILE = "pyproject.toml"
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!-]*")


class ConfigError(ValueError):
    """A configuration that cannot be read."""


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _one_of(*words: str) -> Any:
    def check(value: Any) -> Any:
        several = _several(value)
        for word in several if isinstance(several, list | tuple) else ():
            if word not in words:
                raise ValueError(f"there is no {word!r}; {nearest(str(word), words)}")
        return several

    return BeforeValidator(check)


def _kinds(value: Any) -> Any:
    from kvparity.generate.starts import KINDS  # noqa: PLC0415 - only where kinds are named

    return _one_of(*KINDS).func(value)


Words = Annotated[tuple[str, ...], BeforeValidator(_several)]


class Config(BaseModel):
    """What the gate holds against what, and how.

    `references` is `installed`, releases or other implementations by name, or a range of releases.
    `scenarios` are files, directories and globs, the whole corpus by default; of each kind, so many
    `examples` are generated besides. `outputs` are written beside the run file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    subjects: Annotated[Words, Field(min_length=1)] = (KVIMPL,)
    references: Annotated[Words, Field(min_length=1)] = ("installed",)
    scenarios: Words = ()
    levels: Annotated[tuple[Level, ...], Field(min_length=1), _one_of(*LEVELS)] = LEVELS
    kinds: Annotated[tuple[str, ...], BeforeValidator(_kinds)] = ()
    examples: Annotated[int, Field(ge=0, le=100_000)] = 25
    ledger: Path | None = None
    outputs: Annotated[tuple[str, ...], _one_of(*FORMATS)] = ()
    out: Path = Path("kvparity-report")
    jobs: Annotated[int, Field(ge=1)] | None = None


@dataclass(frozen=True)
class Shard:
    """One of so many parts, counted from 1, into which scenarios fall by what they do."""

    part: int = 1
    parts: int = 1

    @classmethod
    def of(cls, text: str) -> Shard:
        """The shard of a text such as `2/5`. Raises ConfigError."""
        part, _, parts = text.partition("/")
        if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts) <= 10_000):
            raise ConfigError(f"not a shard: {text!r}; write 2/5 for the second of five")
        return cls(int(part), int(parts))

    def has(self, digest: str) -> bool:
        """Whether a scenario of this digest falls into this shard, on whichever machine."""
        return int(digest, 16) % self.parts == self.part - 1


def load(path: Path | None, overrides: Mapping[str, Any]) -> Config:
    """The configuration of a file, or of the one that is here, with what was typed instead.

    Raises ConfigError.
    """
    file = path or _here()
    table = _table(file, must=path is not None) if file is not None else {}
    try:
        config = Config.model_validate({**table, **overrides})
    except ValidationError as error:
        raise ConfigError("\n".join(_mistakes(str(file or "options"), error))) from None
    if file is not None and "ledger" not in overrides and config.ledger is not None:
        return config.model_copy(update={"ledger": file.parent / config.ledger})
    return config


def _here() -> Path | None:
    own, project = Path(OWN_FILE), Path(PROJECT_FILE)
    in_project = project.exists() and _table(project, must=False)
    if own.exists() and in_project:
        raise ConfigError(f"{OWN_FILE} and [tool.kvparity] of {PROJECT_FILE}: keep one of them")
    return own if own.exists() else project if in_project else None


def _table(path: Path, *, must: bool) -> dict[str, Any]:
    try:
        whole: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    if path.name != PROJECT_FILE:
        return whole
    table: dict[str, Any] | None = whole.get("tool", {}).get("kvparity")
    if table is None and must:
        raise ConfigError(f"{path}: there is no [tool.kvparity]")
    return table or {}


def _mistakes(file: str, error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"])
        message = str(item.get("ctx", {}).get("error", item["msg"]))
        if item["type"] == "extra_forbidden":
            message = f"there is no such key; {nearest(str(item['loc'][0]), Config.model_fields)}"
        yield f"{file}: {key}: {message}"


def references(wanted: tuple[str, ...]) -> list[str]:
    """The implementations that `references` names, each once. Raises ConfigError."""
    found = [name for word in wanted for name in _reference(word)]
    return list(dict.fromkeys(found))


def _reference(word: str) -> list[str]:
    if word == "installed":
        return [INSTALLED]
    if word[:1] in set("<>=!~"):
        return _range(word)
    return [f"{INSTALLED}=={word}"] if _VERSION.fullmatch(word) else [word]


def _range(word: str) -> list[str]:
    """The known releases in a range, newest first; of those with the same files, the newest."""
    try:
        wanted = SpecifierSet(word)
    except InvalidSpecifier:
        raise ConfigError(
            f"references: not a release range: {word!r}; write >=0.31,<0.33"
        ) from None
    releases = sorted(lock.releases(), key=Version, reverse=True)
    found: list[str] = []
    for release in releases:
        if release in wanted and not any(twin in found for twin in lock.twins(release)):
            found.append(release)
    if not found:
        raise ConfigError(
            f"references: no known release is {word}; they go from {releases[-1]} to {releases[0]}"
        )
    return [f"{INSTALLED}=={release}" for release in found]
