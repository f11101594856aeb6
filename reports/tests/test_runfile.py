"""The run file: its schema, and what is told apart when it is not whole."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from kvreports import runfile
from kvreports.runfile import RunFileError


def test_the_schema_file_is_fresh() -> None:
    fresh = runfile.SCHEMA_PATH.read_text(encoding="utf-8") == runfile.schema_text()
    assert fresh, "run: kvparity schema run --write"


def test_every_line_validates(any_case, tmp_path: Path) -> None:
    runfile.write(tmp_path / "run.jsonl", any_case)
    validator = jsonschema.Draft202012Validator(runfile.run_schema())
    lines = (tmp_path / "run.jsonl").read_text(encoding="utf-8").splitlines()
    assert [e.message for line in lines for e in validator.iter_errors(json.loads(line))] == []


def test_what_is_written_is_read(any_case, tmp_path: Path) -> None:
    runfile.write(tmp_path / "run.jsonl", any_case)
    assert runfile.read(tmp_path / "run.jsonl") == any_case


def _without_footer(lines: list[str]) -> list[str]:
    return lines[:-1]


def _within_a_line(lines: list[str]) -> list[str]:
    return [*lines[:-2], lines[-2][:40]]


def _a_record_lost(lines: list[str]) -> list[str]:
    return [lines[0], *lines[2:]]


def _no_header(lines: list[str]) -> list[str]:
    return lines[1:]


def _a_newer_field(lines: list[str]) -> list[str]:
    return [lines[0], json.dumps({**json.loads(lines[1]), "colour": 1}), *lines[2:]]


def _empty(lines: list[str]) -> list[str]:
    return []


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_without_footer, "run.jsonl: cut off after line 3: the footer is missing"),
        (_within_a_line, "run.jsonl:3: not a run file"),
        (_a_record_lost, "run.jsonl: damaged: the records and the footer do not agree"),
        (_no_header, "run.jsonl: not a run file: the first line is no header"),
        (_a_newer_field, "run.jsonl:2: not a run file: scenario.colour"),
        (_empty, "run.jsonl: not a run file: the first line is no header"),
    ],
)
def test_a_file_that_is_not_whole_says_how(harm, said: str, case, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    runfile.write(path, case("ring order"))
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("".join(f"{line}\n" for line in harm(lines)), encoding="utf-8")
    with pytest.raises(RunFileError) as caught:
        runfile.read(path)
    assert said in str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match="cannot be read: No such file"):
        runfile.read(tmp_path / "run.jsonl")


def test_a_file_that_is_no_text_says_so(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunFileError, match="not UTF-8"):
        runfile.read(tmp_path / "run.jsonl")


def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    runfile.write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        runfile.write_whole(path, "new\n" * 100_000 + "\ud800")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"index.html": "old"}


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\x0b", "\x1c"])
def test_what_python_takes_for_an_end_of_line_is_text(
    end: str, run_of, record_of, tmp_path: Path
) -> None:
    run = run_of(record_of(about=f"one{end}two"))
    runfile.write(tmp_path / "run.jsonl", run)
    assert runfile.read(tmp_path / "run.jsonl") == run


def test_a_full_device_is_named_and_stays_a_device() -> None:
    with pytest.raises(OSError, match="/dev/full") as caught:
        runfile.write_whole(Path("/dev/full"), "text")
    assert (caught.value.strerror, Path("/dev/full").is_file()) == (
        "No space left on device",
        False,
    )
