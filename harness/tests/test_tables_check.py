"""`kvparity table --check`: a table that holds, one that is stale, and one that somebody edited."""

from __future__ import annotations

import codecs
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kvoracle.releases import PINNED
from kvparity.commands import table as command
from kvparity.mistakes import UsageError
from kvparity.subjects import Missing
from kvparity.tables.check import Outcome, check
from kvparity.tables.formats import FORMATS
from kvparity.tables.provenance import find

MOVED = "chunked/slid-and-restored"
"""A chunk that was slid and restored: since 0.32.0 the restored cache knows where it starts."""
FILE = """
family: mine
scenarios:
  - name: ring
    cache: {kind: rotating, max_size: 4, keep: 1}
    steps: [{decode: 0..5}, {make_mask: {n: 1, window_size: 2}}]
"""
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(name: str, scenario: str = "mine.yaml", at: str = PINNED, *, trace: bool = False) -> Path:
    out = Path(f"table.{name}")
    command.command([scenario], f"mlx-lm=={at}", name, None, trace=trace, out=out)
    return out


def test_a_table_made_at_0_31_3_that_moved_in_0_32_0(capsys: pytest.CaptureFixture[str]) -> None:
    file = made("csv", MOVED, "0.31.3")
    assert command.check(file, [], None, as_json=False) == 0
    assert command.check(file, [], "mlx-lm==0.32.0", as_json=False) == 1
    said = capsys.readouterr().out
    assert f"{file}: made at mlx-lm==0.31.3, checked at mlx-lm==0.32.0\nstale: " in said
    assert "edited" not in said


def test_the_rows_that_moved_are_named_with_what_they_were_and_are() -> None:
    outcome = check(made("markdown", MOVED, "0.31.3"), "mlx-lm==0.32.0", [])
    assert outcome.stale
    assert not outcome.edited
    assert outcome.moved
    for moved in outcome.moved:
        assert moved.scenario == MOVED
        assert moved.changes
        assert all(was != now for _, was, now in moved.changes)


def test_what_a_release_does_not_have_is_no_move() -> None:
    # 0.31.3 has metadata as strings, and 0.32.0 has not; 0.30.0 has no nbytes.
    file = made("json", at="0.31.3")
    assert check(file, f"mlx-lm=={PINNED}", []).holds
    assert check(file, "mlx-lm==0.30.0", []).holds


def test_lines_that_moved_are_stale_though_every_value_holds() -> None:
    outcome = check(made("csv", at="0.31.3", trace=True), f"mlx-lm=={PINNED}", [])
    assert (outcome.holds, outcome.moved, len(outcome.lines_moved)) == (False, (), 7)


EDITS: dict[str, Callable[[bytes], bytes]] = {
    "a value": lambda data: data.replace(b"[0, 4, 5, 3]", b"[0, 4, 3, 5]", 1),
    "the reference's name": lambda data: data.replace(b"reference: mlx-lm==0.32", b"reference: mlx-lm==0.31", 1),
    "a hash of a row": lambda data: data.replace(b"row hashes: ", b"row hashes: 0", 1),
    "a line more": lambda data: data + b"# mine\n",
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_anywhere_is_told_from_a_stale_table(edit: str) -> None:
    file = made("csv")
    changed = EDITS[edit](file.read_bytes())
    assert changed != file.read_bytes()
    file.write_bytes(changed)
    outcome = check(file, f"mlx-lm=={PINNED}", [])
    assert outcome.edited
    assert not outcome.holds


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_notices_an_edit(name: str) -> None:
    file = made(name)
    file.write_bytes(file.read_bytes() + b" ")
    assert check(file, None, []).edited


TURNED = re.compile(r"0, 4, 5, 3|0,\n +4,\n +5,\n +3")


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "safetensors"])
def test_an_edited_line_is_shown_with_its_place(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = made(name)
    text = file.read_text()
    found = TURNED.search(text)
    assert found
    file.write_text(text[: found.start()] + found[0].replace("3", "9") + text[found.end() :])
    outcome = check(file, None, [])
    (edit,) = outcome.edits
    assert (edit.scenario, edit.op, edit.step) == ("mine/ring", 6, 1)
    assert edit.line == text.count("\n", 0, found.end()) + 1
    assert ("3" in edit.was[0], "9" in edit.now[0]) == (True, True)
    assert not outcome.stale
    assert command.check(file, [], None, as_json=False) == 1
    said = capsys.readouterr().out
    assert f"\n  line {edit.line}, mine/ring op 6, step 1:\n    - {edit.was[0]}\n    + " in said


def test_where_it_was_edited_is_told_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    file = made("rust")
    file.write_text(file.read_text().replace("0, 4, 5, 3", "0, 4, 5, 9", 1))
    command.check(file, [], None, as_json=True)
    (edit,) = json.loads(capsys.readouterr().out)["edits"]
    assert (edit["scenario"], edit["op"], edit["step"], edit["line"] > 1) == (
        "mine/ring",
        6,
        1,
        True,
    )


def test_of_two_scenarios_the_one_that_was_edited_is_named(here: Path) -> None:
    (here / "mine.yaml").write_text(
        FILE + FILE.partition("scenarios:\n")[2].replace("ring", "ring-2")
    )
    for name in FORMATS.keys() - {"safetensors"}:
        text = made(name).read_text()
        *_, last = TURNED.finditer(text)
        at = text[: last.start()] + last[0].replace("3", "9") + text[last.end() :]
        Path("edited").write_text(at)
        (edit,) = check(Path("edited"), None, []).edits
        # The mask, which comes last, leaves the ring as it is.
        assert (edit.scenario, edit.op in {6, 7}) == ("mine/ring-2", True), name


def test_a_line_that_names_them_all_is_about_none(here: Path) -> None:
    more = FILE.partition("scenarios:\n")[2].replace("ring", "ring-2")
    (here / "mine.yaml").write_text(FILE + more)
    file = made("rust")
    first, _, rest = file.read_text().partition("\n")
    assert "mine/ring, mine/ring-2" in first
    file.write_text(f"{first}!\n{rest}")
    (edit,) = check(file, None, []).edits
    assert (edit.line, edit.scenario, edit.op) == (1, None, None)


def test_of_a_scenario_that_has_changed_no_line_is_shown_as_edited(here: Path) -> None:
    file = made("csv")
    file.write_text(file.read_text() + "# mine\n")
    (here / "mine.yaml").write_text(FILE.replace("keep: 1", "keep: 2"))
    outcome = check(file, None, [])
    assert (outcome.edited, outcome.edits) == (True, ())
    assert "cannot be made again" in outcome.edits_unshown


@pytest.mark.parametrize(
    ("edit", "line", "was", "now"),
    [
        (lambda text: text + "-- a remark\n", -1, (), ("-- a remark",)),
        (lambda text: "++ a remark\n" + text, 1, (), ("++ a remark",)),
        (lambda text: text.removesuffix("\n"), -1, (), ("\\ no newline at the end of the file",)),
        (lambda text: text + " ", -1, (), (" ", "\\ no newline at the end of the file")),
    ],
)
def test_no_edited_line_is_passed_over(
    edit: Callable[[str], str], line: int, was: tuple[str, ...], now: tuple[str, ...]
) -> None:
    file = made("rust")
    text = file.read_text()
    file.write_text(edit(text))
    (found,) = check(file, None, []).edits
    assert (found.was, found.now) == (was, now)
    assert found.line == (line if line > 0 else text.count("\n") + 1)


def test_where_lines_cannot_be_shown_the_reason_is(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "own.j2").write_text("{{ provenance | comment('//') }}\n")
    command.command(
        ["mine.yaml"],
        f"mlx-lm=={PINNED}",
        "markdown",
        here / "own.j2",
        trace=False,
        out=here / "own",
    )
    (here / "own").write_text((here / "own").read_text() + "more\n")
    assert "through a template" in check(here / "own", None, []).edits_unshown
    data = made("safetensors").read_bytes()
    Path("table.safetensors").write_bytes(data + b" ")
    assert "no lines" in check(Path("table.safetensors"), None, []).edits_unshown
    file = made("csv")
    file.write_text(re.sub("content: sha256 .{8}", "content: sha256 00000000", file.read_text()))
    assert command.check(file, [], None, as_json=False) == 1
    assert "  its lines cannot be shown: only the hash" in capsys.readouterr().out


def test_many_edits_are_counted() -> None:
    file = made("json")
    file.write_text(
        re.sub(r'"kind": "\w+"', '"kind": "mine"', file.read_text()).replace('"size":', '"sise":')
    )
    outcome = check(file, None, [])
    assert len(outcome.edits) == 12
    assert outcome.edits_more == file.read_text().count('"sise":') + 8 - 12


@pytest.mark.parametrize(
    "beside",
    [
        ["--format", "csv"],
        ["--format", "markdown"],
        ["--template", "x.j2"],
        ["--trace"],
        ["--out", "x"],
    ],
)
def test_what_says_how_to_write_is_refused_beside_check(beside: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kvparity", "table", "--check", str(made("csv")), *beside],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    message = f"kvparity: --check writes no table: leave {beside[0]} out\n"
    assert (done.returncode, done.stderr) == (2, message)


def test_other_line_ends_are_no_edit() -> None:
    file = made("markdown")
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert check(file, None, []).holds


@pytest.mark.parametrize("name", ["csv", "json", "markdown", "rust"])
def test_a_mark_of_the_order_of_bytes_is_no_edit(name: str) -> None:
    file = made(name)
    file.write_bytes(codecs.BOM_UTF8 + file.read_bytes())
    assert check(file, None, []).holds


@pytest.mark.parametrize(
    "line", ["scenarios: foo", "hashes: foo", "working: x", "tool: x", "caches: x", "row hashes: 1"]
)
def test_a_stray_line_in_the_provenance_is_an_edit(line: str) -> None:
    file = made("csv")
    file.write_text(file.read_text().replace("# command: ", f"# {line}\n# command: ", 1))
    assert check(file, None, []).edited


def test_another_scenario_under_the_same_name_is_stale(here: Path) -> None:
    file = made("python")
    (here / "mine.yaml").write_text(FILE.replace("keep: 1", "keep: 2"))
    outcome = check(file, None, [])
    assert outcome.scenarios_changed == ("mine/ring",)
    assert outcome.moved


def test_a_scenario_that_is_gone_is_asked_for_by_name(here: Path) -> None:
    file = made("swift")
    (here / "mine.yaml").rename(here / "moved.yaml")
    with pytest.raises(Missing, match=r"kvparity table --check table.swift FILE"):
        check(file, None, [])
    assert check(file, None, ["moved.yaml"]).holds


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"{}", b"\xff\xfe", b"12345678{nonsense", b"kvparity-table 1\ncommand: x\n"],
)
def test_a_file_that_is_no_table_is_refused(data: bytes, here: Path) -> None:
    (here / "other").write_bytes(data)
    with pytest.raises(UsageError, match="other: "):
        command.check(here / "other", [], None, as_json=False)


def test_the_page_of_the_docs_holds() -> None:
    page = DOCS / "ring-by-hand.md"
    assert find(page.read_bytes()).working
    outcome: Outcome = check(page, f"mlx-lm=={PINNED}", [])
    assert outcome.holds, outcome
