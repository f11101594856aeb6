"""A table traced by hand becomes a scenario, and what the person got wrong a verdict of its own."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from kvoracle.releases import PINNED
from kvparity import ledger, subjects
from kvparity.commands import import_table, table
from kvparity.exitcodes import CONFORMS, DIVERGES
from kvparity.observe import LEVELS
from kvparity.record import Plan
from kvparity.run import run
from kvparity.tables import made
from kvparity.tables.document import document
from kvparity.tables.formats import written
from kvparity.tables.hand import imported
from kvreports.model import Run
from kvscenarios import Scenario, ScenarioError
from kvscenarios.loader import load_file
from kvscenarios.select import select
from kvscenarios.steps.base import Step
from kvscenarios.writer import as_yaml

RING = "# cache: {kind: rotating, max_size: 8, keep: 4}\n"
RIGHT = (
    RING + 'operation,tokens,keys,offset\nupdate,0..7,,8\ndecode,8,"[0, 1, 2, 3, 8, 5, 6, 7]",9\n'
)
WRONG = RIGHT.replace("8, 5, 6, 7]", "5, 6, 7, 8]")
MARKDOWN = """
What I think the ring does.

cache: {kind: rotating, max_size: 8, keep: 4}

| Operation | Tokens | Keys | Offset |
|-----------|--------|------|--------|
| update    | 0..7   |      | 8 |
| decode    | 8      | `0 1 2 3 8 5 6 7` | 9 |
"""


def read(text: str, tmp_path: Path, name: str = "ring.csv") -> tuple[Scenario, ...]:
    (tmp_path / name).write_text(text)
    return imported(tmp_path / name).scenarios


def held(*scenarios: Scenario, subject: str = "kvimpl") -> Run:
    mine, theirs = subjects.resolve(subject), subjects.resolve(f"mlx-lm=={PINNED}")
    empty = ledger.Ledger((), theirs.version)
    return run(Plan(mine, theirs, LEVELS, empty, whole_corpus=False, command=()), scenarios)


@pytest.mark.parametrize(("text", "name"), [(RIGHT, "ring.csv"), (MARKDOWN, "ring.md")])
def test_csv_and_markdown_say_the_same(text: str, name: str, tmp_path: Path) -> None:
    (scenario,) = read(text, tmp_path, name)
    assert scenario.id == "hand/ring"
    assert scenario.traced == "hand"
    assert [step.op for step in scenario.steps] == ["update", "decode"]
    facts = [step.expect.facts if step.expect else {} for step in scenario.steps]
    assert facts == [{"offset": 8}, {"keys": ((0, 1, 2, 3, 8, 5, 6, 7),), "offset": 9}]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("operation,tokens\ndecode,3", "decode: [3]"),
        ("operation,tokens\ndecode,3 4", "decode: [3, 4]"),
        ("operation,tokens\nupdate,0..5", "update: 0..5"),
        ('operation,tokens\nupdate,"[3, 1]"', "update: [3, 1]"),
        ("operation\ndecode [3]", "decode: [3]"),
        ("operation\ntrim 2", "trim: 2"),
        ("operation\ntrim: 2", "trim: 2"),
        ("operation\nmake_mask n=3 window_size=2", "make_mask: {n: 3, window_size: 2}"),
        ("operation\nround_trip", "round_trip: {}"),
        ("operation,keys\nobserve,0 _ 2", "keys: [0, _, 2]"),
        ("operation,keys\nobserve,[]", "keys: []"),
        ("operation,mask\nmake_mask 1,none", "mask: none"),
        ("operation,mask\nmake_mask 2,x. xx", "mask: [x., xx]"),
        ("operation,trimmable\nobserve,true", "trimmable: true"),
        ("operation,_idx\nobserve,4", "idx: 4"),
        ('operation,shape\nobserve,"[1, 2, 3, 4]"', "shape:"),
        ('operation,refused,tokens\nupdate,RankMismatchError,1', "error: RankMismatchError"),
    ],
)  # fmt: skip
def test_a_row_is_a_step(row: str, expected: str, tmp_path: Path) -> None:
    (scenario,) = read(RING + row + "\n", tmp_path)
    assert expected in as_yaml(scenario)


def test_the_column_cache_names_the_one_acted_on_or_made(tmp_path: Path) -> None:
    text = "# caches: {a: {kind: standard}, b: {kind: standard}}\ncache,operation,tokens\n"
    text += 'a,update,1\nb,update,2\nrows,"merge [a, b]",\none,extract 1 on rows,\n'
    (scenario,) = read(text, tmp_path)
    assert [_names(step) for step in scenario.steps] == [
        ("a", None), ("b", None), (None, "rows"), ("rows", "one"),
    ]  # fmt: skip


def test_a_trim_of_all_layers_is_of_all_though_its_row_names_one(tmp_path: Path) -> None:
    caches = "# caches: {pair: {kind: list, caches: [{kind: standard}, {kind: standard}]}}\n"
    row = "operation,cache\ntrim_prompt_cache 2,pair.0\n"
    (scenario,) = read(caches + row, tmp_path)
    assert scenario.steps[0].targets == ("pair",)


def _names(step: Step) -> tuple[object, object]:
    return step.on, getattr(step, "as_", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RING + "operation,kees\ntrim 1,\n", "ring.csv:2: unknown column 'kees'; did you mean 'keys'"),
        (RING + "tokens\n1\n", "ring.csv:2: a table needs a column `operation`"),
        (RING + "operation\ndecod 1\n", "ring.csv:3: unknown operation 'decod'; did you mean 'decode'"),
        (RING + "operation,offset\ntrim 1,\ntrim 1,one\n", "ring.csv:4: .*offset.*'one'"),
        (RING + "operation,tokens\ndecode,x\n", "ring.csv:3: expected tokens, such as .*, got 'x'"),
        (RING + "operation\nlru_stats\n", "ring.csv:3: a table cannot say lru_stats"),
        (RING + "operation,tokens\nupdate,[1\n", "ring.csv:3: cannot be read"),
        (RING + "operation,tokens\nupdate 0..3 dtype=float16,\n", "ring.csv:3: a table takes tokens alone"),
        ("operation,tokens\nupdate,1\n", "ring.csv:2: no cache is called 'cache' here; .*: write `# cache: {kind: rotating, max_size: 8}`"),
        ("# cache: {kind: ring}\noperation\nobserve\n", "ring.csv:1: unknown kind 'ring'"),
        ("# cache: {kind: standard\noperation\nobserve\n", "ring.csv:1: `cache` is no YAML"),
        (RING + "operation,tokens\nupdate,1,2\n", "ring.csv:3: 3 cells under 2 columns"),
        (RING + "operation,keys,keys\nobserve,[],[0]\n", "ring.csv:2: the column 'keys' stands twice"),
        (RING + "operation,idx,_idx\nobserve,1,2\n", "ring.csv:2: the column 'idx' stands twice"),
        (RING + RING + "operation\nobserve\n", "ring.csv:2: `cache` is said twice"),
        (RING + "operation\nobserve\n" + RING, "ring.csv:4: `cache` is said twice"),
        (RING + "# caches: {a: {kind: standard}}\noperation\nobserve\n", "ring.csv:2: `caches` beside `cache`"),
        ("# bogus: 3\n" + RING + "operation\nobserve\n", "ring.csv:1: unknown line `bogus`"),
        ("# cahce: {kind: standard}\noperation\nobserve\n", "ring.csv:1: unknown line `cahce`; did you mean 'cache'"),
        ("# Cache: {kind: standard}\noperation\nobserve\n", "ring.csv:1: unknown line `Cache`; did you mean 'cache'"),
        (RING, "no table with rows"),
        ("", "no table with rows"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=message):
        read(text, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "| 0..7   |      | 8 |",
            "| 0..7   |      | 8 | 9 |",
            "ring.md:8: 5 cells under 4 columns",
        ),
        ("| Offset |", "| keys |", "ring.md:6: the column 'keys' stands twice"),
        ("What I", "cahce: {kind: standard}\nWhat I", "ring.md:2: unknown line `cahce`"),
        ("What I", "cache: {kind: standard}\nWhat I", "ring.md:5: `cache` is said twice"),
    ],
)
def test_a_mistake_in_markdown_is_said_with_its_line(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ScenarioError, match=message):
        read(MARKDOWN.replace(old, new), tmp_path, "ring.md")


@pytest.mark.parametrize("remark", ["# as I see it: a ring\n", "# note that it turns\n", "#\n"])
def test_a_remark_says_nothing(remark: str, tmp_path: Path) -> None:
    (scenario,) = read(remark + RIGHT.replace("offset\n", "offset,\n") + remark, tmp_path)
    assert len(scenario.steps) == 2


def test_a_pipe_in_a_cell_is_no_further_cell(tmp_path: Path) -> None:
    marked = MARKDOWN.replace("Keys | Offset |", "Keys | Offset | Working |").replace(
        "| 9 |", "| 9 | a \\| b |"
    )
    (scenario,) = read(marked.replace("|--------|\n", "|--------|---|\n"), tmp_path, "ring.md")
    assert len(scenario.steps) == 2


def test_a_trace_that_is_right_conforms(tmp_path: Path) -> None:
    done = held(*read(RIGHT, tmp_path))
    assert (done.records[0].verdict, done.footer.exit_code) == ("conform", CONFORMS)


@pytest.mark.parametrize("subject", ["kvimpl", f"mlx-lm=={PINNED}"])
def test_a_trace_that_is_wrong_is_a_disagreement_of_the_hand(subject: str, tmp_path: Path) -> None:
    done = held(*read(WRONG, tmp_path), subject=subject)
    (record,) = done.records
    assert (record.verdict, done.footer.exit_code) == ("hand-differs", DIVERGES)
    assert record.first is not None
    assert (record.first.side, record.first.step, record.first.field) == ("reference", 2, "keys")


FAULTY = """
from kvimpl import *
from kvimpl import RotatingKVCache as Right

class RotatingKVCache(Right):
    def update_and_fetch(self, keys, values):
        super().update_and_fetch(keys, values)
        return values, keys
"""


def test_a_subject_that_differs_is_a_divergence_though_the_hand_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faulty_by_hand.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert (
        held(*read(RIGHT, tmp_path), subject="python:faulty_by_hand").records[0].verdict
        == "diverge"
    )


CASES = """
family: mine
scenarios:
  - name: ring
    cache: {kind: rotating, max_size: 4, keep: 1}
    steps: [{decode: 0..5}, {trim: 0}, {update: [6, 7]}, {make_mask: {n: 1, window_size: 2}}, round_trip]
  - name: rows
    caches: {a: {kind: standard}, b: {kind: standard}}
    steps:
      - {on: a, update: [1, 2]}
      - {on: b, update: [3]}
      - {merge: [a, b], as: rows}
      - {on: rows, decode: [[4], [5]]}
      - {on: rows, make_mask: {n: 2}}
      - {on: rows, extract: 1, as: one}
"""


@pytest.mark.parametrize("name", ["csv", "markdown"])
def test_a_generated_table_can_be_read_back_and_conforms(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(CASES)
    file = Path("mine.csv" if name == "csv" else "mine.md")
    table.command(["mine.yaml"], f"mlx-lm=={PINNED}", name, None, trace=True, out=file)
    assert import_table.command(file, Path("back.yaml"), as_json=False) == CONFORMS
    assert "not pinned, for no scenario can: " in capsys.readouterr().err
    assert import_table.command(file, None, as_json=True) == CONFORMS
    told = json.loads(capsys.readouterr().out)
    assert (told["yaml"], told["out"]) == (Path("back.yaml").read_text(), None)
    assert told["not_pinned"]
    scenarios = load_file(Path("back.yaml"))
    assert [scenario.id for scenario in scenarios] == ["mine/ring", "mine/rows"]
    assert (
        sum(len(step.expect.facts) for one in scenarios for step in one.steps if step.expect) > 40
    )
    done = held(*scenarios, subject=f"mlx-lm=={PINNED}")
    assert [record.verdict for record in done.records] == ["conform", "conform"]


def read_back(sample: Sequence[Scenario], path: Path) -> Iterator[Scenario]:
    """The scenarios as their tables say them, but for those that a table cannot say."""
    played = subjects.resolve(f"mlx-lm=={PINNED}")
    for one in sample:
        tables = made.make([one], played, trace=False)
        path.write_bytes(written(document(tables, played, "made", "csv", working=False), None))
        try:
            yield from imported(path).scenarios
        except ScenarioError as error:
            if "write a scenario file" not in str(error):
                raise


NAMED = (
    "list/one-child-in-a-prompt-cache",
    "chunked/trim-prompt-cache-of-chunks",
    "concatenate/head-dims@keys=1,*",
    "quantized/from-every-fill@last=3",
    "rotating/another-type@held=float16,given=float32,*",
    "batch/extract-before-finalize",
    "arrays/merge-*",
)
"""Several rows an operation, keys unlike values, packed keys, no tokens, a refusal to make one."""


def test_whatever_can_be_read_back_conforms(tmp_path: Path) -> None:
    sample = {one.id: one for one in [*select([])[::13], *select(NAMED)]}
    scenarios = list(read_back([*sample.values()], tmp_path / "back.csv"))
    done = held(*scenarios, subject=f"mlx-lm=={PINNED}")
    said = {one.id: (one.verdict, one.summary) for one in done.records}
    assert {id_: one for id_, one in said.items() if one[0] != "conform"} == {
        id_: one for id_, one in said.items() if "has no metadata apart from" in one[1]
    }
    assert len(said) > len(sample) / 2
