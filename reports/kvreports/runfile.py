"""The run file: written whole or not at all, read with its mistakes named."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from kvreports.model import Footer, Header, Line, Record, Run

SCHEMA_PATH = Path(__file__).parent / "run.schema.json"

_LINE: TypeAdapter[Header | Record | Footer] = TypeAdapter(Line)


class RunFileError(ValueError):
    """A run file that is missing, damaged or cut off."""


def write(path: Path, run: Run) -> None:
    """Write the file beside its name, then move it there. Raises OSError."""
    lines = [part.model_dump_json() for part in (run.header, *run.records, run.footer)]
    write_whole(path, "\n".join(lines) + "\n")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a text, or bytes, so that the name holds the old content or all of the new.

    A device or a pipe is written to as it is. Raises OSError with the name, also where the disk is
    full.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            _replace(path, data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path: Path) -> Run:
    """The run that the file holds. Raises RunFileError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RunFileError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RunFileError(f"{path}: not a run file: not UTF-8 text") from None
    parts = [_part(path, number, line) for number, line in enumerate(_lines(text), 1)]
    if not parts or not isinstance(parts[0], Header):
        raise RunFileError(f"{path}: not a run file: the first line is no header")
    if not isinstance(parts[-1], Footer):
        raise RunFileError(f"{path}: cut off after line {len(parts)}: the footer is missing")
    records = [part for part in parts[1:-1] if isinstance(part, Record)]
    if len(records) != len(parts) - 2 or len(records) != parts[-1].scenarios:
        raise RunFileError(f"{path}: damaged: the records and the footer do not agree")
    return Run(header=parts[0], records=tuple(records), footer=parts[-1])


def _lines(text: str) -> list[str]:
    """The lines of the text; some characters that Python also takes for their ends are text."""
    return text.removesuffix("\n").split("\n") if text else []


def _part(path: Path, number: int, line: str) -> Header | Record | Footer:
    try:
        return _LINE.validate_json(line)
    except ValidationError as error:
        what = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in what["loc"])
        raise RunFileError(f"{path}:{number}: not a run file: {place}: {what['msg']}") from None


def run_schema() -> dict[str, Any]:
    """The JSON Schema of one line of a run file."""
    schema = _LINE.json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    """The schema as its file holds it."""
    return json.dumps(run_schema(), indent=1, sort_keys=True) + "\n"
