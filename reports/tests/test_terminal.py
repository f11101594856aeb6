"""The report on a terminal, as a pipe gets it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kvreports import terminal
from kvreports.model import LedgerProblem, Run

PAGE = Path("kvparity-report/index.html")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def summarised(capsys):
    def summarise(run: Run) -> str:
        terminal.summarise(run, PAGE)
        return capsys.readouterr().out

    return summarise


@pytest.fixture
def shown(capsys):
    def show(run: Run) -> list[str]:
        terminal.table("ring/one", None, "kvimpl", "mlx-lm", run.records[0].ops)
        return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    return show


@pytest.mark.parametrize(
    "line",
    [
        "subject    kvimpl 1.2.3, /here/kvimpl",
        "reference  mlx-lm==0.32.2, /there/models (cache.py c96cb169c96c)",
        "diverge    ring/one  corpus/ring.yaml:3",
        "  it differs",
        "counts     1 diverge, 1 conform",
        "report     kvparity-report/index.html",
        "kvimpl does not conform to mlx-lm==0.32.2: 1 of 2 scenarios fails.",
    ],
)
def test_the_summary_has_a_line(line: str, case, summarised) -> None:
    assert line in summarised(case("ring order")).splitlines()


def test_the_slots_that_differ_stand_in_brackets(case, summarised) -> None:
    lines = [" ".join(line.split()) for line in summarised(case("ring order")).splitlines()]
    at = lines.index("keys and values, slot 0 1 2 3 4 5 6 7")
    assert lines[at + 1 : at + 3] == [
        "subject [8] >1 2 3 [4] 5 6 7",
        "reference [0] 1 2 3 [8] >5 6 7",
    ]


def test_the_last_line_is_the_verdict(any_case, summarised) -> None:
    last = summarised(any_case).splitlines()[-1]
    assert re.search(r"(conforms to|does not conform to) .*scenario", last)


def test_a_ledger_problem_is_named(run_of, record_of, summarised) -> None:
    problem = LedgerProblem(id="old-one", why="stale", message="nothing diverges any more")
    out = summarised(run_of(record_of(), ledger=(problem,)))
    assert "ledger     old-one: nothing diverges any more" in out


def test_no_control_character_reaches_the_terminal(any_case, summarised) -> None:
    assert CONTROL.search(summarised(any_case)) is None


def test_no_control_character_reaches_the_terminal_from_a_table(case, capsys) -> None:
    run = case("hostile")
    name = run.header.subject.name
    terminal.table(name, name, name, name, run.records[0].ops)
    assert CONTROL.search(capsys.readouterr().out) is None


def test_markup_is_shown_and_not_obeyed(case, summarised) -> None:
    assert "[bold]" in summarised(case("hostile"))


def test_no_color_is_respected_on_a_terminal(monkeypatch, case, summarised) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    assert re.search(r"\x1b\[[0-9;]*3[0-7]", summarised(case("ring order"))) is None


def test_a_flood_of_failures_is_cut_and_counted(case, run_of, summarised) -> None:
    failing = case("ring order").records[0]
    run = run_of(*(failing.model_copy(update={"id": f"ring/s{i}"}) for i in range(60)))
    out = summarised(run)
    assert (out.count("corpus/ring.yaml:3"), "... and 10 more" in out) == (50, True)


def test_a_line_is_not_folded_in_a_pipe(run_of, record_of, summarised) -> None:
    summary = "word " * 100 + "end"
    assert summary in summarised(run_of(record_of(verdict="diverge", summary=summary)))


def test_json_is_ascii_and_holds_the_whole_run(any_case) -> None:
    text = terminal.as_json(any_case)
    assert text.isascii()
    assert Run.model_validate(json.loads(text)) == any_case


def test_the_table_shows_sides_that_agree_once(case, shown) -> None:
    rows = shown(case("ring order"))
    assert "1 decode 7 both 0 1 2 3 4 5 6 7 9 8 nothing" in rows


def test_the_table_shows_sides_that_differ_one_above_the_other(case, shown) -> None:
    rows = shown(case("ring order"))
    assert rows[-2:] == [
        "2 decode 8 subject [8] >1 2 3 [4] 5 6 7 9 [1] nothing keys and values; idx",
        "reference [0] 1 2 3 [8] >5 6 7 9 [5] nothing",
    ]


def test_the_table_says_which_side_has_no_such_cache(case, shown) -> None:
    rows = shown(case("missing cache"))
    assert any("subject not there" in row for row in rows)


def test_the_table_says_what_the_reference_did_aside(case, shown) -> None:
    rows = "\n".join(shown(case("aside")))
    assert "raised RankMismatchError" in rows
    assert "reference (aside, on a copy): returned nothing" in rows


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("mask", ["[x]xx.", "[.]xx."]),
        ("raised", ["[raised ValueError: too far]", "[returned 6]"]),
        ("crash", ["[not played]"]),
        ("missing cache", ["extra"]),
    ],
)
def test_the_table_shows_what_came_back(name: str, texts: list[str], case, shown) -> None:
    rows = "\n".join(shown(case(name)))
    assert [text for text in texts if text not in rows] == []
