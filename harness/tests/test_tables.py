"""Tables: they print what the reference does, in every format, with the working and the source."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import pandas as pd
import pytest

from kvoracle.releases import PINNED, release
from kvparity import subjects, tables
from kvparity.commands import table as command
from kvparity.facts import misses
from kvparity.mistakes import UsageError
from kvparity.program import Program
from kvparity.tables import cells
from kvparity.tables.columns import COLUMNS
from kvparity.tables.formats import FORMATS
from kvparity.tables.made import make
from kvparity.tables.working import lines_at
from kvscenarios import Scenario, load_text
from kvscenarios.loader import load_corpus
from kvscenarios.select import select

REFERENCE = f"mlx-lm=={PINNED}"
RING = "rotating/ring-then-prefill"
SHORT = """
family: rotating
scenarios:
  - name: ring-then-prefill
    about: A turned ring is put into the order of time, then cut and appended to.
    cache: {kind: rotating, max_size: 8, keep: 4}
    steps: [{decode: 0..8}, {update: [9, 10]}]
  - name: two-masks
    about: One that needs no array, and one that does.
    cache: {kind: standard}
    steps: [{make_mask: {n: 2}}, {make_mask: {n: 2, window_size: 1}}]
  - name: rows
    cache: {kind: batch, left_padding: [1, 0]}
    steps: [{update: [[0, 1], [10, 11]]}]
"""
RING_HERE = load_text(SHORT)[0]
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def reference() -> subjects.Implementation:
    return subjects.resolve(REFERENCE)


@pytest.fixture(autouse=True)
def _a_file_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "short.yaml").write_text(SHORT)
    monkeypatch.chdir(tmp_path)


def write(
    name: str,
    out: Path,
    *,
    reference: str = REFERENCE,
    trace: bool = False,
    template: Path | None = None,
) -> Path:
    given = (["short.yaml"], reference, name, template)
    assert command.command(*given, trace=trace, out=out) == 0
    return out


# --- the seed's own tables


SEEDS = [
    scenario
    for scenario in load_corpus()
    if (scenario.source or "").startswith("seed lm_cache.rs")
    and any(step.expect is not None for step in scenario.steps)
]
PRINTED = {"error": "refused", "tokens": "buffer"}


def without_expectations(scenario: Scenario) -> Scenario:
    steps = tuple(
        step.model_copy(update={"expect": step.expect and refusal(step.expect.error)})
        for step in scenario.steps
    )
    return scenario.model_copy(update={"steps": steps})


def refusal(error: str | None) -> Any:
    """What a scenario says of input that is to be refused is a part of what is played."""
    from kvscenarios.expect import Expect

    return Expect(error=error) if error else None


def broadcast(column: str, pinned: Any, printed: Any) -> str:
    """What is pinned in the words of the table; a single row of tokens speaks for every row."""
    rows = column in {"keys", "values", "fetched"}
    if rows and len(pinned) == 1 and printed is not None:
        pinned = tuple(pinned) * len(printed)
    return cells.text(column, pinned)


def test_the_seed_pins_rings_masks_trims_and_round_trips() -> None:
    families = {scenario.family for scenario in SEEDS}
    operations = {step.op for scenario in SEEDS for step in scenario.steps}
    assert len(SEEDS) > 40
    assert families >= {"rotating", "standard", "masks", "state", "prompt", "input"}
    assert operations >= {
        "update",
        "decode",
        "make_mask",
        "create_causal_mask",
        "trim",
        "from_state",
    }


def compared(
    scenario: Scenario, reference: subjects.Implementation
) -> Iterator[tuple[str, str, str]]:
    """Each fact that the seed pins: its column, as it is printed, and as it is pinned.

    Facts that this release has not (metadata, rope_offset) and those that it is known not to meet
    (hardening, its own faults) are passed over.
    """
    known = {(miss.index, miss.fact) for miss in _declared(scenario, reference)}
    (table,) = make([without_expectations(scenario)], reference, trace=False)
    ends = {op.index: index for index, op in enumerate(table.program.ops)}
    rows = dict(zip(reversed(table.indices), reversed(table.rows), strict=True))
    for step, pinned in enumerate(scenario.steps):
        facts = pinned.expect.facts if pinned.expect and ends.get(step) in rows else {}
        for fact, value in facts.items():
            column = PRINTED.get(fact, fact)
            printed = rows[ends[step]][column]
            if printed is not None and (ends[step], fact) not in known:
                yield column, cells.text(column, printed), broadcast(column, value, printed)


@pytest.mark.parametrize("scenario", SEEDS, ids=lambda scenario: scenario.id)
def test_a_seed_table_is_printed_without_its_expectations_being_read(
    scenario: Scenario, reference: subjects.Implementation
) -> None:
    for column, printed, pinned in compared(scenario, reference):
        assert (column, printed) == (column, pinned)


def test_most_of_what_the_seed_pins_is_compared(reference: subjects.Implementation) -> None:
    pinned = sum(
        len(step.expect.facts) for one in SEEDS for step in one.steps if step.expect is not None
    )
    assert sum(1 for one in SEEDS for _ in compared(one, reference)) > 0.8 * pinned


def _declared(scenario: Scenario, reference: subjects.Implementation) -> list[Any]:
    """The pinned facts that this reference is known not to meet: hardening, or its own faults."""
    program = Program(scenario)
    trace = reference.driver.play(program, aside=True)
    return list(misses(program, trace, errors=False, hardened_subject=True))


def test_the_rings_table_is_the_seeds() -> None:
    frame = tables.table("rotating/keeps-prefix-and-window", reference=REFERENCE)
    frame = frame[frame["operation"] == "decode"]
    assert [keys[0] for keys in frame["keys"]][7:] == [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [0, 1, 2, 3, 8, 5, 6, 7],
        [0, 1, 2, 3, 8, 9, 6, 7],
        [0, 1, 2, 3, 8, 9, 10, 7],
        [0, 1, 2, 3, 8, 9, 10, 11],
    ]
    assert list(frame["offset"]) == list(range(1, 13))
    assert list(frame["fetched"]) == list(frame["keys"])
    assert list(frame["trimmable"]) == [True] * 7 + [False] * 5


# --- the DataFrame


def test_the_columns_are_the_documented_ones_whatever_is_played() -> None:
    frame = tables.table(*load_text(CASES), reference=REFERENCE)
    assert list(frame.columns) == list(COLUMNS)
    page = (DOCS / "tables.md").read_text(encoding="utf-8")
    assert [name for name in COLUMNS if f"| `{name}` |" not in page] == []


def test_a_frame_says_where_it_comes_from_and_goes_on_as_text() -> None:
    frame = tables.table(RING_HERE, reference=REFERENCE)
    assert frame.attrs["provenance"]["reference"] == REFERENCE
    words = tables.as_text(frame)
    assert isinstance(words, pd.DataFrame)
    assert words["keys"].iloc[8] == "[0, 1, 2, 3, 8, 5, 6, 7]"
    assert words["raised"].iloc[8] == ""


CASES = """
family: mine
scenarios:
  - name: masks
    cache: {kind: standard}
    steps: [{make_mask: {n: 1}}, {make_mask: {n: 2}}, {make_mask: {n: 2, window_size: 1}}]
  - name: rows
    cache: {kind: batch, left_padding: [1, 0]}
    steps: [{update: [[0, 1], [10, 11]]}]
  - name: refused
    cache: {kind: standard}
    steps:
      - {update: {keys: [5], values: {shape: [1, 2]}}, expect: {error: RankMismatchError}}
      - decode: [6]
  - name: several
    caches: {a: {kind: standard}, b: {kind: standard}}
    steps: [{on: a, update: [1]}, {on: b, update: [2]}, {merge: [a, b], as: rows}, {on: rows, extract: 1, as: one}]
  - name: long
    cache: {kind: standard}
    steps: [{decode: 0..19}]
"""


def rows_of(name: str, reference: subjects.Implementation) -> list[dict[str, str]]:
    scenario = next(one for one in load_text(CASES) if one.name == name)
    (table,) = make([scenario], reference, trace=False)
    return [{column: cells.text(column, row[column]) for column in row} for row in table.rows]


def test_masks_are_none_causal_or_a_row_a_query(reference: subjects.Implementation) -> None:
    assert [row["mask"] for row in rows_of("masks", reference)] == ["none", "causal", "x. .x"]


def test_a_batch_is_shown_row_by_row(reference: subjects.Implementation) -> None:
    (row,) = rows_of("rows", reference)
    assert (row["keys"], row["offset"]) == ("[[0, 1], [10, 11]]", "[1, 2]")


def test_refused_input_changes_nothing_and_names_both_errors(
    reference: subjects.Implementation,
) -> None:
    refused, after = rows_of("refused", reference)
    assert (refused["refused"], refused["raised"], refused["keys"]) == (
        "RankMismatchError",
        "IndexError",
        "[]",
    )
    assert after["keys"] == "[6]"


def test_each_row_shows_the_cache_acted_on_or_made(reference: subjects.Implementation) -> None:
    shown = [(row["operation"], row["cache"]) for row in rows_of("several", reference)]
    assert shown == [
        ("update", "a"),
        ("update", "b"),
        ("merge [a, b]", "rows"),
        ("extract 1 on rows", "one"),
    ]


def test_a_long_decode_shows_its_tokens_in_every_row(reference: subjects.Implementation) -> None:
    assert [row["keys"] for row in rows_of("long", reference)][14:18] == [
        "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]",
        "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]",
        "[0..16]",
        "[0..17]",
    ]


# --- the working


def test_the_working_is_that_of_a_person(reference: subjects.Implementation) -> None:
    lines = [line.text for line in lines_at(reference.face, Program(RING_HERE), 8)]
    assert "trim_size = self.keys.shape[2] - self.max_size = 8 - 8 = 0" in lines
    assert "if self._idx == self.max_size: 8 == 8, taken" in lines
    assert (
        lines[-1]
        == "return self.keys, self.values = [0, 1, 2, 3, 8, 5, 6, 7], [0, 1, 2, 3, 8, 5, 6, 7]"
    )


@pytest.mark.parametrize("version", ["0.31.3", PINNED])
def test_lines_are_those_of_the_release(version: str) -> None:
    played = subjects.resolve(f"mlx-lm=={version}")
    source = played.face.cache.__loader__._source.decode().splitlines()
    for line in lines_at(played.face, Program(RING_HERE), 9):
        assert line.source.split(" = ")[0].split("(")[0] in source[line.number - 1]


@pytest.mark.parametrize("glob", ["rotating/*", "batch_rotating/m*", "state/*"])
def test_looking_at_the_lines_changes_nothing(
    glob: str, reference: subjects.Implementation
) -> None:
    for scenario in select([glob])[::40]:
        plain, traced = (make([scenario], reference, trace=trace)[0] for trace in (False, True))
        bare = [{**row, "working": None} for row in traced.rows]
        assert bare == list(plain.rows)


# --- the formats


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("trace", [False, True])
def test_every_format_carries_what_it_takes_to_check_it(
    name: str, trace: bool, tmp_path: Path
) -> None:
    file = write(name, tmp_path / f"table.{name}", trace=trace)
    outcome = command.checking.check(file, None, [])
    assert (outcome.holds, outcome.rows, outcome.made_at) == (True, 13, REFERENCE)
    data = file.read_bytes()
    for said in ("kvparity table", "mlx-lm==", *subjects.resolve(REFERENCE).hashes.values()):
        assert said.encode() in data or said == "kvparity table"
    assert (b"trim_size" in data) is trace


def test_markdown_says_once_what_never_changes(tmp_path: Path) -> None:
    text = write("markdown", tmp_path / "ring.md").read_text()
    assert "| [0, 1, 2, 3, 8, 5, 6, 7] " in text
    assert "`max_size` 8; `keep` 4" in text


def test_safetensors_hold_the_arrays_themselves(tmp_path: Path) -> None:
    arrays = mx.load(str(write("safetensors", tmp_path / "ring.safetensors")))
    assert isinstance(arrays, dict)
    assert arrays[f"{RING}/10/given.keys"].shape == (1, 2, 2, 4)
    assert arrays[f"{RING}/10/cache.keys"].shape == (1, 2, 9, 4)
    assert mx.array_equal(arrays[f"{RING}/10/cache.keys"], arrays[f"{RING}/10/returned.keys"])


def test_safetensors_are_not_for_a_terminal() -> None:
    with pytest.raises(UsageError, match="--out"):
        command.command(["short.yaml"], REFERENCE, "safetensors", None, trace=False, out=None)


def test_a_template_of_ones_own(tmp_path: Path) -> None:
    template = tmp_path / "go.j2"
    template.write_text(
        "{{ provenance | comment('//') }}\n"
        "{% for table in tables %}{% for step in table.steps %}{{ step.said | quoted }}"
        " {{ step.fetched | nested('{', '}') }}\n{% endfor %}{% endfor %}"
    )
    file = write("template", tmp_path / "table.go", template=template)
    assert '"9. decode 8" {{0, 1, 2, 3, 8, 5, 6, 7}}\n' in file.read_text()
    assert command.checking.check(file, None, []).holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no comment", "provenance"),
        ("{{ nothing.here }}", "'nothing' is undefined"),
        ("\n{% for %}", "own.j2:2: "),
        ("\n{{ 1 / 0 }}", "own.j2:2: ZeroDivisionError: division by zero$"),
        ("\n\n{% for one in tables %}{{ 1 / 0 }}{% endfor %}", "own.j2:3: ZeroDivisionError"),
        ("\n{{ 3 | snake }}", "own.j2:2: AttributeError"),
        ("\n{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "own.j2:2: RecursionError"),
        ("{% set kinds = 3 %}", "own.j2: `kinds` is to be a list of words"),
        ("\n{{ tables.x.y }}", "own.j2:2: 'list object' has no attribute 'x'"),
        ("{% set kinds = ['lru'] %}{{ provenance }}", "no words for any of the scenarios"),
    ],
)
def test_what_is_wrong_in_a_template_is_said(text: str, message: str, tmp_path: Path) -> None:
    template = tmp_path / "own.j2"
    template.write_text(text)
    with pytest.raises(UsageError, match=message):
        write("template", tmp_path / "out", template=template)
    assert not (tmp_path / "out").exists()


def test_a_template_that_is_no_text_is_said(tmp_path: Path) -> None:
    template = tmp_path / "own.j2"
    template.write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"own\.j2: UnicodeDecodeError: "):
        write("template", tmp_path / "out", template=template)


def test_a_scenario_without_words_is_left_out_and_named(tmp_path: Path) -> None:
    text = write("rust", tmp_path / "table.rs").read_text()
    assert "// Not here: rotating/rows, for batch\n" in text
    assert "fn rotating_rows" not in text


# --- code that runs


FAULT = """
import runpy, sys
from mlx_lm.models import cache

class RotatingKVCache(cache.RotatingKVCache):
    def _temporal_order(self, v):  # forgets to unwind the ring before a prefill
        return v

if sys.argv.pop(1) == "wrong":
    cache.RotatingKVCache = RotatingKVCache
try:
    runpy.run_path(sys.argv.pop(1), run_name="__main__")
finally:
    ours = [name for name in sys.modules if name.startswith(("kvparity", "kvscenarios", "kvoracle"))]
    print("imports of ours:", ours)
"""


@pytest.mark.parametrize(("cache", "code"), [("right", 0), ("wrong", 1)])
def test_the_python_tests_need_only_mlx_lm_and_see_a_fault(
    cache: str, code: int, tmp_path: Path
) -> None:
    # Of the release that the tests will import, whichever it is.
    file = write("python", tmp_path / "test_ring.py", reference=subjects.INSTALLED, trace=True)
    done = subprocess.run(
        [sys.executable, "-c", FAULT, cache, str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == code, done.stderr
    assert "imports of ours: []" in done.stdout
    assert ("10. update [9, 10]: keys returned" in done.stderr) is bool(code)


def test_a_commit_is_traced_by_its_own_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "clone" / "mlx_lm" / "models"
    models.mkdir(parents=True)
    sources = release(PINNED)
    (models / "base.py").write_bytes(sources.base)
    (models / "cache.py").write_bytes(b"# a line more than the release has\n" + sources.cache)
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", *words], cwd=tmp_path / "clone", check=True)
    monkeypatch.setenv(subjects.REPO, str(tmp_path / "clone"))
    played = subjects.resolve("mlx-lm@HEAD")
    numbers = [line.number for line in lines_at(played.face, Program(RING_HERE), 8)]
    theirs = [
        line.number for line in lines_at(subjects.resolve(REFERENCE).face, Program(RING_HERE), 8)
    ]
    assert numbers == [number + 1 for number in theirs]


def test_what_a_release_cannot_play_is_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "old.csv"
    done = command.command(["short.yaml"], "mlx-lm==0.19.1", "csv", None, trace=False, out=out)
    assert done == 0
    assert "left out: mlx-lm==0.19.1 cannot play rotating/rows, step 1" in capsys.readouterr().err


def test_a_release_that_can_play_nothing_of_it_is_told(tmp_path: Path) -> None:
    text = SHORT[: SHORT.index("  - name: ring")] + SHORT[SHORT.index("  - name: rows") :]
    (tmp_path / "rows.yaml").write_text(text)
    with pytest.raises(subjects.Missing, match="cannot play rotating/rows"):
        command.command(["rows.yaml"], "mlx-lm==0.19.1", "csv", None, trace=False, out=None)
