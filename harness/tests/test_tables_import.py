"""No cell of a table traced by hand is lost: it is pinned, or refused with its line."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kvoracle.releases import PINNED
from kvparity.commands import import_table, table
from kvparity.mistakes import UsageError
from kvparity.tables.hand import Imported, imported
from kvparity.tables.pins import FACTS, RETURNED
from kvscenarios import ScenarioError
from kvscenarios.expect import Expect
from kvscenarios.loader import MAX_FILE_BYTES, load_file

RING = "# cache: {kind: rotating, max_size: 8, keep: 4}\n"
COLUMNS = "| operation | tokens | keys |\n|---|---|---|\n"
HEADING = f"{RING[2:]}\n{COLUMNS}"
TURNED = "[0, 1, 2, 3, 8, 5, 6, 7]"
IN_ORDER = ((0, 1, 2, 3, 9, 5, 6, 7),)


def take(text: str, tmp_path: Path, name: str = "ring.csv") -> Imported:
    (tmp_path / name).write_bytes(text.encode())
    return imported(tmp_path / name)


def facts(found: Imported) -> list[dict[str, object]]:
    (scenario,) = found.scenarios
    return [step.expect.facts if step.expect else {} for step in scenario.steps]


def refused(text: str, tmp_path: Path, name: str = "ring.csv") -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        take(text, tmp_path, name)
    return [str(one).removeprefix(f"{tmp_path}/") for one in caught.value.problems]


PINNED_CELLS = {
    "keys": ("[[0, 1], [2, _]]", ((0, 1), (2, None))),
    "values": ("0 · 2", ((0, None, 2),)),
    "fetched": ("0..3", ((0, 1, 2, 3),)),
    "shape": ("[1, 2, 8, 4]", (1, 2, 8, 4)),
    "fetched_shape": ("[1, 2, 8, 4]", (1, 2, 8, 4)),
    "dtype": ("float16", "float16"),
    "returned": ("[1, true, word]", (1, True, "word")),
    "mask": ("XX. xxx", ("xx.", "xxx")),
    "mask_shape": ("[2, 3]", (2, 3)),
    "offset": ("[9, 8]", (9, 8)),
    "size": ("8", 8),
    "empty": ("False", False),
    "trimmable": ("true", True),
    "max_size": ("8", 8),
    "idx": ("5", 5),
    "nbytes": ("448", 448),
    "allocated_nbytes": ("448", 448),
    "state_count": ("2", 2),
    "meta_state": ('["4", "8"]', ("4", "8")),
    "rope_offset": ("9", 9),
    "start_position": ("3", 3),
    "chunk_size": ("null", None),
    "left_padding": ("[1, 0]", (1, 0)),
    "lengths": ("[2, 3]", (2, 3)),
    "rotated": ("true", True),
    "slots": ("[null, [0, 1]]", (None, ((0, 1),))),
    "buffer": ("0 1 2", (0, 1, 2)),
    "length": ("2", 2),
    "refused": ("RankMismatchError", "RankMismatchError"),
}  # fmt: skip


@pytest.mark.parametrize("column", PINNED_CELLS)
def test_a_filled_cell_of_every_fact_is_pinned(column: str, tmp_path: Path) -> None:
    cell, value = PINNED_CELLS[column]
    quoted = '"' + cell.replace('"', '""') + '"'
    found = take(f"{RING}operation,{column}\nround_trip,{quoted}\n", tmp_path)
    (step,) = found.scenarios[0].steps
    assert step.expect is not None
    assert step.expect.model_dump(exclude_unset=True) == {FACTS[column]: value}
    assert found.not_pinned == ()


def test_no_fact_is_without_a_case() -> None:
    assert {FACTS[column] for column in PINNED_CELLS} == set(Expect.model_fields)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("0 1 2 3 **9** 5 6 7", IN_ORDER),
        ("0 1 2 3 *9* 5 6 7", IN_ORDER),
        ("0 1 2 3 `9` 5 6 7", IN_ORDER),
        ("[0, 1, 2, 3, **9**, 5, 6, 7]", IN_ORDER),
        ("**0 1 2 3 9 5 6 7**", IN_ORDER),
        ("`[0..3, 9, 5..7]`", IN_ORDER),
        ("0 \\_ 2", ((0, None, 2),)),
        ("010", ((10,),)),
    ],
)
def test_marks_around_a_number_are_none_of_it(cell: str, expected: object, tmp_path: Path) -> None:
    found = take(f"{HEADING}| observe | | {cell} |\n", tmp_path, "ring.md")
    assert facts(found) == [{"keys": expected}]
    assert found.not_pinned == ()


@pytest.mark.parametrize(
    "cell",
    ["0 1 ? 3", "0 1 9* 3", "0 1 v3", "0 ~~1~~ 2", "0 1 # 2", "0 **1 2", "0 , , 2", "0 _1_ 2", "0 1_0",
     "0 -1", "0x10", "0 [1]", "[0 1]", "[0, 1", "0, 1]", "[0], [1]", "(0, 1)", "1:20", "1.5", "[1.5]"],
)  # fmt: skip
def test_a_cell_that_is_no_tokens_is_refused_with_its_line(cell: str, tmp_path: Path) -> None:
    (said,) = refused(f"{HEADING}| update | 0 | |\n| observe | | {cell} |\n", tmp_path, "ring.md")
    assert said.startswith("ring.md:6: keys: ")
    assert "expected" in said


@pytest.mark.parametrize("cell", ["?", "8*", "1:20", "1_0", "0x10", "1e3", "yes", "one", "---", "-", "8 # so", "[8, x]"])  # fmt: skip
def test_what_is_no_number_is_not_made_one(cell: str, tmp_path: Path) -> None:
    (said,) = refused(f'{RING}operation,offset\nobserve,"{cell}"\n', tmp_path)
    assert said.startswith("ring.csv:3: offset: ")


@pytest.mark.parametrize("cell", ["yes", "1", "on", "Yes"])
def test_only_true_and_false_are_truths(cell: str, tmp_path: Path) -> None:
    (said,) = refused(f"{RING}operation,empty\nobserve,{cell}\n", tmp_path)
    assert said == f"ring.csv:3: empty: expected true or false, got '{cell}'"


@pytest.mark.parametrize(
    ("operation", "field", "value"),
    [("trim 010", "trim", 10), ("Trim: 2", "trim", 2), ("**trim** 2", None, None), ("`trim 2`", "trim", 2)],
)  # fmt: skip
def test_numbers_and_names_of_an_operation_are_read_as_meant(
    operation: str, field: str | None, value: object, tmp_path: Path
) -> None:
    text = f"{RING}operation\n{operation}\n"
    if field is None:
        assert "names no operation" in refused(text, tmp_path)[0]
    else:
        assert getattr(take(text, tmp_path).scenarios[0].steps[0], field) == value


@pytest.mark.parametrize(
    ("cell", "rows"),
    [("x. xx", ("x.", "xx")), ("X. XX", ("x.", "xx")), ("[x., xx]", ("x.", "xx")), ("Causal", "causal"), ("NONE", "none")],
)  # fmt: skip
def test_a_mask_is_read_in_either_case(cell: str, rows: object, tmp_path: Path) -> None:
    found = take(f'{RING}operation,mask\nmake_mask 2,"{cell}"\n', tmp_path)
    assert facts(found) == [{"mask": rows}]


@pytest.mark.parametrize(
    "cell",
    ["1 1 1 x 0 . / xx", "[[1, 1, 0], [1, 1, 1]]", "x.1", "XXOXX", "x; xx", "none x", "array", "[[x.], [xx]]"],
)  # fmt: skip
def test_a_mask_that_is_none_is_refused_and_shown(cell: str, tmp_path: Path) -> None:
    (said,) = refused(f'{RING}operation,mask\nmake_mask 2,"{cell}"\n', tmp_path)
    assert said.startswith("ring.csv:3: mask: expected none, causal, or rows of x")
    assert said.endswith(f"got {cell!r}")


FETCHED = f"{RING}operation,tokens,fetched,fetched_values\nupdate,0..2,"


@pytest.mark.parametrize("values", ["0 1 2", "[0..2]", '"[0, 1, 2]"', ""])
def test_what_came_back_is_pinned_where_both_sides_say_the_same(
    values: str, tmp_path: Path
) -> None:
    assert facts(take(f"{FETCHED}0 1 2,{values}\n", tmp_path)) == [{"fetched": ((0, 1, 2),)}]


@pytest.mark.parametrize(
    ("keys", "values"), [("0 1 2", "0 1 9"), ("", "0 1 2"), ("0 1 2", "0 1 ?")]
)
def test_sides_that_differ_are_refused(keys: str, values: str, tmp_path: Path) -> None:
    (said,) = refused(f"{FETCHED}{keys},{values}\n", tmp_path)
    assert said.startswith("ring.csv:3: fetched")


@pytest.mark.parametrize("column", ["kind", "keep", "raised", "message", "digests", "buffer_shape"])
def test_a_column_that_no_scenario_can_pin_is_refused(column: str, tmp_path: Path) -> None:
    (said,) = refused(f"{RING}operation,{column}\nobserve,\nobserve,4\n", tmp_path)
    assert said == f"ring.csv:4: no scenario can pin `{column}`: leave the column out"


CONFLICTS = {
    "tokens": ("operation,tokens\nupdate 4..5,7\n", "`update 4..5` stands beside '7' in the column `tokens`"),
    "none": ("operation,tokens\nupdate,\n", "update is given no tokens"),
    "others": ("operation,tokens\ntrim 2,7\n", "trim takes no tokens"),
    "on": ("operation,cache\ntrim 2 on a,b\n", "`trim ... on a` stands beside 'b' in the column `cache`"),
    "as": ("operation,cache\ncopy cache as a,b\n", "`copy ... as a` stands beside 'b' in the column `cache`"),
    "twice": ("operation\ntrim 2 on a on b\n", "`on` stands twice"),
    "argument": ("operation\nmake_mask n=1 n=2\n", "`n` stands twice"),
    "op": ("op,operation,tokens\n1,update,0\n", None),
    "op again": ("op,operation,offset\n1,observe,1\n1,observe,2\n", "op 1 stands on line 3 already"),
    "op of another": ("op,cache,operation\n1,cache,observe\n1,b,trim 2\n", "operation 'trim 2' is not as on line 3"),
    "op gives": ("op,cache,operation,returned\n1,cache,trim 2,2\n1,b,trim 2,3\n", "returned '3' is not as on line 3"),
    "child made": ("operation,cache,keys\ncopy cache,b.0,0\n", "copy is of b as a whole: pin what b.0 holds"),
    "child": ("operation,cache,keys\ntrim_prompt_cache 1,cache.0,0\n", "trim_prompt_cache is of cache as a whole"),
    "free": ("operation,keys\ncreate_causal_mask n=2,0 1\n", "create_causal_mask acts on no cache"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFLICTS)
def test_what_a_row_says_twice_it_says_alike(case: str, tmp_path: Path) -> None:
    rows, message = CONFLICTS[case]
    if message is None:
        take(RING + rows, tmp_path)
        return
    said = refused(RING + rows, tmp_path)
    assert any(message in one and one.startswith("ring.csv:") for one in said), said


def test_the_same_tokens_may_stand_twice(tmp_path: Path) -> None:
    take(f'{RING}operation,tokens\n"update [4, 5]",4 5\n', tmp_path)


def test_every_mistake_is_said_once_with_its_line(tmp_path: Path) -> None:
    rows = "trim 1,one,,\ndecod 1,,,\ntrim x,,,\nobserve,1,?,\nobserve,[1,x]\n"
    said = refused(f"{RING}operation,offset,keys,size\n{rows}", tmp_path)
    places = [one.partition(": ")[0].removeprefix("ring.csv:") for one in said]
    assert places == ["3", "4", "5", "6", "7", "7"]
    assert len(said) == len(set(said))


def test_of_a_cache_that_is_wrong_the_line_is_said(tmp_path: Path) -> None:
    text = "# about: x\n# cache: {kind: rotating, max_sise: 8}\nscenario,operation\nm/a,observe\nm/b,observe\n"
    said = refused(text, tmp_path)
    assert all(one.startswith("ring.csv:2: ") for one in said)
    assert len(said) == len(set(said)) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# name: foo\nscenario,operation\nm/a,observe\nm/b,observe\n", "ring.csv:2: `name` is one, and the scenarios are 2: m/a, m/b"),
        ("# family: m\nscenario,operation\na/x,observe\nb/x,observe\n", "ring.csv:5: m/x is the scenario of line 4 too"),
        ("# family: Bad\noperation\nobserve\n", "ring.csv:2: family: string should match"),
        ("scenario,operation\nM/a,observe\n", "ring.csv:3: family: string should match"),
        ("scenario,operation\na/x,observe\nb/x,observe\n", "ring.csv:4: scenarios of several families, a and b: a file has one"),
    ],
)  # fmt: skip
def test_a_file_that_kvparity_would_refuse_is_not_written(
    text: str, message: str, tmp_path: Path
) -> None:
    assert any(one.startswith(message) for one in refused(RING + text, tmp_path))


def test_the_table_itself_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "ring.csv"
    file.write_text(RING + "operation\nobserve\n")
    (tmp_path / "link.csv").symlink_to(file)
    for out in (file, tmp_path / "link.csv"):
        with pytest.raises(UsageError, match="is the table itself"):
            import_table.command(file, out, as_json=False)
    assert file.read_text() == RING + "operation\nobserve\n"


def test_a_blank_scenario_is_that_of_the_row_above(tmp_path: Path) -> None:
    rows = "scenario,operation\nm/a,observe\n,trim 1\nm/b,observe\n,trim 1\n,trim 2\n"
    found = take(RING + rows, tmp_path)
    assert [(one.id, len(one.steps)) for one in found.scenarios] == [("m/a", 2), ("m/b", 3)]


def test_headings_name_the_scenarios_of_their_tables(tmp_path: Path) -> None:
    text = (
        f"{RING[2:]}\n## m/a\n\n{COLUMNS}| update | 1 | |\n\n## m/b\n\n{COLUMNS}| update | 2 | |\n"
    )
    assert [one.id for one in take(text, tmp_path, "x.md").scenarios] == ["m/a", "m/b"]


def test_a_quoted_table_is_read(tmp_path: Path) -> None:
    text = f"{HEADING}| update | 0..3 | 0 1 2 3 |\n"
    quoted = "".join(f"> {line}\n" for line in text.splitlines())
    assert facts(take(quoted, tmp_path, "ring.md")) == [{"keys": ((0, 1, 2, 3),)}]
    (said,) = refused(quoted.replace("0 1 2 3 |", "0 1 2 3 | 4 |"), tmp_path, "ring.md")
    assert "4 cells under 3 columns" in said


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{HEADING}| observe | | |\n\n| observe | | 9 |\n", 7),
        (f"{HEADING}| observe | | |\n\nAnd:\n\n| operation | tokens |\n|---|\n| observe | |\n", 9),
        (f"{HEADING}| observe | | |\n\nAnd:\n\n    | operation |\n    |---|\n    | observe |\n", 9),
        (f"{HEADING}| observe | | |\n\n> observe | | 9 |\n", 7),
    ],
)
def test_no_row_of_markdown_is_passed_over(text: str, line: int, tmp_path: Path) -> None:
    said = refused(text, tmp_path, "ring.md")
    assert said[0].startswith(f"ring.md:{line}: looks like a row and is in no table")


def test_what_stands_in_a_fence_is_no_row(tmp_path: Path) -> None:
    text = f"{HEADING}| observe | | |\n\n```text\n| x | y |\n```\n"
    assert facts(take(text, tmp_path, "ring.md")) == [{}]


@pytest.mark.parametrize("line", ["#cache:{kind: standard}", "# **cache:** {kind: standard}", "#cache: {kind: standard}"])  # fmt: skip
def test_a_cache_in_csv_may_be_written_so(line: str, tmp_path: Path) -> None:
    take(f"{line}\noperation,tokens\nupdate,1\n", tmp_path)


@pytest.mark.parametrize(
    "line",
    ["- cache: {kind: standard}", "**cache:** {kind: standard}", "`cache: {kind: standard}`", "**cache**: `{kind: standard}`",
     "* `cache`: {kind: standard}", "> cache: {kind: standard}"],
)  # fmt: skip
def test_a_cache_in_markdown_may_be_written_so(line: str, tmp_path: Path) -> None:
    take(f"{line}\n\n{COLUMNS}| update | 1 | |\n", tmp_path, "x.md")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.json", "{}", "t.json: only CSV and Markdown are read"),
        ("t.rs", "mod x;", "t.rs: only CSV and Markdown are read"),
        ("t.tsv", RING + "operation\ttokens\n", "t.tsv: only CSV and Markdown are read"),
        ("t.csv", RING + "operation\ttokens\nupdate\t1\n", "t.csv:2: the cells are kept apart by tabs: a CSV has commas"),
        ("t.csv", RING + "operation;tokens\nupdate;1\n", "t.csv:2: the cells are kept apart by semicolons: a CSV has commas"),
        ("t.csv", "| operation | tokens |\n|---|---|\n| update | 1 |\n", "t.csv:1: the cells are kept apart by bars"),
        ("t.csv", RING + 'operation,tokens,working\nupdate,1,"a\nupdate,2,b\n', "t.csv:3: a quote is left open here"),
        ("t.csv", RING + 'operation,tokens\nupdate,"1\n2"\n', "t.csv:3: the cell under 'tokens' runs over several lines"),
        ("t.csv", RING + "operation,,tokens\nobserve,4,\n", "t.csv:3: '4' stands under a column without a name"),
        ("t.csv", RING + f"operation,keys\nobserve,{'[' * 500}\n", "t.csv:3: keys: cannot be read (nested more than 24 deep)"),
        ("t.csv", RING + f"operation,returned\nobserve,{'[' * 500}\n", "t.csv:3: returned: cannot be read (nested more than 24 deep)"),
        ("t.csv", f"# cache: {'[' * 3000}\noperation\nobserve\n", "t.csv:1: `cache` is no YAML"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_said_plainly(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    said = refused(text, tmp_path, name)
    assert any(one.startswith(message) for one in said), said


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_lines_may_end_in_any_way(ends: str, bom: str, tmp_path: Path) -> None:
    csv_text = bom + f'{RING}operation,tokens,keys\nupdate,0 1,"0 1"\n'.replace("\n", ends)
    markdown = bom + f"{HEADING}| update | 0 1 | 0 1 |\n".replace("\n", ends)
    for text, name in ((csv_text, "ring.csv"), (markdown, "ring.md")):
        assert facts(take(text, tmp_path, name)) == [{"keys": ((0, 1),)}]


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    row = " ".join(map(str, range(40_000)))
    assert len(row) > 131_072
    (step,) = take(f"{RING}operation,tokens\nupdate,{row}\n", tmp_path).scenarios[0].steps
    assert step.args.keys.tokens == (tuple(range(40_000)),)


@pytest.mark.parametrize("words", [["import-table", "{}"], ["table", "--check", "{}"]])
def test_what_is_no_regular_file_is_no_table(words: list[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    typed = [word.format(tmp_path / "pipe.csv") for word in words]
    done = subprocess.run(
        [sys.executable, "-m", "kvparity", *typed],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert (done.returncode, "pipe.csv: no regular file" in done.stderr) == (2, True), done.stderr


def generated(tmp_path: Path, selector: str, name: str = "csv") -> Path:
    out = tmp_path / ("made.csv" if name == "csv" else "made.md")
    table.command([selector], f"mlx-lm=={PINNED}", name, None, trace=False, out=out)
    return out


@pytest.mark.parametrize("selector", ["rotating/[a-m]*", "tokens/*", "list/[a-f]*"])
def test_of_a_generated_table_every_cell_is_pinned_or_named(selector: str, tmp_path: Path) -> None:
    file = generated(tmp_path, selector)
    found = imported(file)
    named = {(one.column, line) for one in found.not_pinned for line in one.lines}
    pinned = {
        (scenario.id, index, fact)
        for scenario in found.scenarios
        for index, step in enumerate(scenario.steps)
        for fact in (step.expect.model_fields_set if step.expect else ())
    }
    lines = file.read_text().split("\n")
    start = next(index for index, line in enumerate(lines) if not line.startswith("#"))
    reader = csv.DictReader(lines[start:])
    place, last, missing, seen = (0, ""), ("", ""), [], 0
    taken = {scenario.id for scenario in found.scenarios}
    for row in reader:
        place = (place[0] + 1 if place[1] == row["scenario"] else 0, row["scenario"])
        again, last = (row["scenario"], row["op"]) == last, (row["scenario"], row["op"])
        for column, cell in row.items():
            fact = FACTS.get(column)
            if not cell or fact is None or row["scenario"] not in taken:
                continue
            if (again and fact in RETURNED) or (column == "returned" and cell == row["buffer"]):
                continue
            seen += 1
            line = start + reader.line_num
            if (place[1], place[0], fact) not in pinned and (column, line) not in named:
                missing.append((line, column, cell))
    assert not missing
    assert seen > 60


def test_what_a_generated_table_cannot_say_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = generated(tmp_path, "rotating/*")
    capsys.readouterr()
    assert import_table.command(file, tmp_path / "back.yaml", as_json=False) == 0
    said = capsys.readouterr().err.splitlines()
    left = [line for line in said if line.startswith(f"left out: {file}:")]
    assert left
    assert all("write a scenario file" in line for line in left)
    assert any(line.startswith("not pinned, for no scenario can: kind (lines ") for line in said)
    taken = {scenario.id for scenario in load_file(tmp_path / "back.yaml")}
    assert len(taken) + len(left) == file.read_text().count("\n# scenario: ")
    assert not any(id_ in line for id_ in taken for line in left if f"'{id_}'" in line)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TURNED, "[0, 1, 2, 3, ?, 5, 6, 7]"),
        (TURNED, "[0, 1, 2, 3, 8*, 5, 6, 7]"),
        (TURNED, "int32[8] 6b60ada8"),
    ],
)
def test_an_edit_that_cannot_be_pinned_is_refused(old: str, new: str, tmp_path: Path) -> None:
    file = generated(tmp_path, "rotating/ring-then-prefill")
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(ScenarioError, match=r"made.csv:\d+: keys: expected tokens"):
        imported(file)


def test_what_came_back_is_not_left_out_of_an_edited_table(tmp_path: Path) -> None:
    file = generated(tmp_path, "rotating/ring-then-prefill")
    *parts, last = file.read_text().split(TURNED, 4)
    assert len(parts) == 4  # before keys, values, fetched and fetched_values
    file.write_text(TURNED.join(parts[:3]) + "[0..3, 5..8]" + parts[3] + TURNED + last)
    with pytest.raises(
        ScenarioError, match=r"made.csv:\d+: fetched '\[0..3, 5..8\]' and fetched_values"
    ):
        imported(file)


def test_a_scenario_of_a_person_is_not_left_out(tmp_path: Path) -> None:
    (said,) = refused(f"{RING}scenario,operation\nm/a,observe\nm/b,lru_stats\n", tmp_path)
    assert said == "ring.csv:4: a table cannot say lru_stats: write a scenario file"


def test_what_an_append_gives_back_is_the_buffer(tmp_path: Path) -> None:
    text = (
        '# cache: {kind: tokens}\noperation,tokens,returned,buffer\nappend,0 1,"[0, 1]","[0, 1]"\n'
    )
    assert facts(take(text, tmp_path)) == [{"tokens": (0, 1)}]
    (said,) = refused(text.replace('"[0, 1]",', '"[0, 9]",'), tmp_path)
    assert said.startswith("ring.csv:3: returned: an append gives back the buffer")


@pytest.mark.parametrize("name", ["csv", "markdown"])
def test_an_edit_is_pinned(name: str, tmp_path: Path) -> None:
    file = generated(tmp_path, "rotating/ring-then-prefill", name)
    file.write_text(file.read_text().replace(TURNED, "[0, 1, 2, 3, 5, 6, 7, 8]", 1))
    (scenario,) = imported(file).scenarios
    rows = [step.expect.keys for step in scenario.steps if step.expect]
    assert ((0, 1, 2, 3, 5, 6, 7, 8),) in rows


def test_a_table_of_a_cache_with_a_name_of_its_own_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "family: m\nscenarios: [{name: a, caches: {x: {kind: standard}, y: {kind: standard}}, "
        "steps: [{on: x, update: [1]}]}]\n"
    )
    file = generated(tmp_path, str(tmp_path / "mine.yaml"), "markdown")
    assert imported(file).scenarios[0].steps[0].on == "x"


def test_a_table_may_be_larger_than_a_file_of_scenarios(tmp_path: Path) -> None:
    remark = f"# {'as I see it ' * 8}\n"
    text = remark * (MAX_FILE_BYTES // len(remark) + 1) + RING + "operation\nobserve\n"
    assert take(text, tmp_path).scenarios


def test_more_scenarios_than_a_file_holds_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ring.csv").write_text(RING + "operation\nobserve\n")
    monkeypatch.setattr(import_table, "MAX_FILE_BYTES", 10)
    with pytest.raises(UsageError, match=r"ring.csv: its 1 scenarios come to \d+ bytes"):
        import_table.command(tmp_path / "ring.csv", tmp_path / "x.yaml", as_json=False)
    assert not (tmp_path / "x.yaml").exists()


PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


@pytest.mark.parametrize(("language", "name", "ids"), [
    ("csv", "ring.csv", ["hand/ring"]),
    ("markdown", "ring.md", ["mine/prefill", "mine/one-by-one"]),
])  # fmt: skip
def test_the_tables_of_the_docs_are_read(
    language: str, name: str, ids: list[str], tmp_path: Path
) -> None:
    text = PAGE.read_text().partition(f"```{language}\n")[2].partition("```\n")[0]
    found = take(text, tmp_path, name)
    assert [one.id for one in found.scenarios] == ids
