"""The ledger: what its entries take in, what is wrong with it, and how it is written."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from typed import kvparity

from kvoracle import lock
from kvparity import gate, ledger, subjects
from kvparity.config import Config
from kvparity.ledger import Entry, Found, Ledger, LedgerError
from kvparity.observe import LEVELS
from kvparity.record import Plan
from kvparity.run import run
from kvreports.model import PASSING
from kvscenarios import load_text
from kvscenarios.select import select

SCENARIO = load_text(
    "family: rotating\nscenarios:\n"
    "  - {name: trim@n=1, cache: {kind: rotating, max_size: 4}, steps: [{update: [1, 2]}, {trim: 1}]}\n"
)[0]
FOUND = Found("trim", "keys", "rotating", "ValueError", "ValueError: no")


def made(match: dict[str, Any] | None = None, **parts: Any) -> Entry:
    whole = {
        "id": "one",
        "match": match or {},
        "why": "by-design",
        "reason": "For the test.",
        **parts,
    }
    return Entry.model_validate(whole)


@pytest.mark.parametrize(
    ("match", "taken"),
    [
        ({}, True),
        ({"scenario": "rotating/*"}, True),
        ({"scenario": ["standard/*", "rotating/trim@*"]}, True),
        ({"scenario": "trim@*"}, False),
        ({"kind": "rotating"}, True),
        ({"kind": ["standard", "chunked"]}, False),
        ({"operation": "trim", "field": ["values", "keys"]}, True),
        ({"operation": "update"}, False),
        ({"reference_raises": "ValueError"}, True),
        ({"reference_raises": "TypeError"}, False),
        ({"reference": "ValueError: *"}, True),
        ({"reference": 0}, False),
    ],
)
def test_what_an_entry_takes_in(match: dict[str, Any], taken: bool) -> None:
    assert made(match).covers(SCENARIO, FOUND) is taken


@pytest.mark.parametrize(
    ("when", "version", "holds"),
    [
        (None, "0.31.3", True),
        ("mlx-lm<0.32", "0.31.3", True),
        ("mlx-lm<0.32", "0.32.0", False),
        ("mlx-lm>=0.30.4,<0.31.2", "0.31.1", True),
        ("mlx-lm<0.32", "0.32.0rc1", False),
        ("mlx-lm<0.32", None, True),
        ("mlx<0.1", "0.31.3", False),
        ("mlx>=0.1", "0.31.3", True),
        (["mlx-lm<0.32", "mlx<0.1"], "0.31.3", False),
    ],
)
def test_the_releases_that_an_entry_speaks_of(when, version, holds: bool) -> None:
    assert made(when=when or []).holds_at(version) is holds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("divergences: [{id: a, match: {}, why: by-design, reason: ''}]", "one.yaml:1: divergences.0.reason: a declared divergence needs a reason in words"),
        ("divergences: [{id: a, match: {}, why: by-design}]", "divergences.0.reason: Field required"),
        ("divergences: [{id: a, match: {}, why: '', reason: b}]", "why is one of hardening, upstream-bug, by-design"),
        ("divergences:\n- id: a\n  match: {feild: b}\n  why: by-design\n  reason: b", "one.yaml:3: divergences.0.match.feild: there is no such key; did you mean 'field'?"),
        ("divergences: [{id: a, match: {}, why: by-design, reason: b, untill: 2030-01-01}]", "did you mean 'until'?"),
        ("divergences: [{id: a, match: {}, why: by-design, reason: b, until: soon}]", "divergences.0.until: not a day: 'soon'; write one such as 2030-01-31"),
        ("divergences: [{id: a, match: {}, why: by-design, reason: b, when: numpy<2}]", "a range names mlx-lm"),
        ("divergences: [{id: a, match: {}, why: by-design, reason: b, when: mlx-lm~0.3}]", "not a release range"),
        ("divergences: [{id: A B, match: {}, why: by-design, reason: b}]", "divergences.0.id"),
        ("divergences:\n" + "  - {id: a, match: {}, why: by-design, reason: b}\n" * 2, "ids stand twice: a"),
        ("divergence: []", "there is no such key; did you mean 'divergences'?"),
        ("divergences: [}", "not YAML"),
        ("a: &x [1]\nb: *x", "anchors and aliases are not allowed"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_where_it_stands(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(LedgerError) as caught:
        ledger.load(tmp_path / "one.yaml")
    assert said in str(caught.value)


TODAY = datetime.date(2026, 6, 1)


@pytest.mark.parametrize(
    ("entry", "found", "why"),
    [
        (made(), True, []),
        (made(), False, ["stale"]),
        (made({"scenario": "standrad/*"}), False, ["matches-nothing"]),
        (made({"scenario": ["rotating/*", "standrad/*"]}), True, ["matches-nothing"]),
        (made({"scenario": ["rotating/*", "generated/*"]}), True, []),
        (made(until="2026-06-01"), True, []),
        (made(until="2026-05-31"), True, ["expired"]),
        (made(until="2026-05-31"), False, ["stale", "expired"]),
        (made(when="mlx-lm<0.32"), False, []),
    ],
)
def test_what_fails_a_run_of_everything(entry: Entry, found: bool, why: list[str]) -> None:
    spoken = Ledger([entry], "0.32.2")
    problems = spoken.problems([SCENARIO.id], {"one"} if found else set(), TODAY)
    assert [problem.why for problem in problems] == why


def test_an_entry_for_some_releases_is_not_stale_where_the_reference_has_none() -> None:
    assert (
        list(Ledger([made(when="mlx-lm<0.32")], None).problems([SCENARIO.id], set(), TODAY)) == []
    )


TEXT = """\
# About this ledger.
divergences:
  # About the first.
  - id: first
    match: {field: size}
    why: by-design
    reason: One.

  # About the second.
  - id: second
    match: {field: nbytes}
    why: by-design
    reason: >-
      Two, on
      two lines.
"""


@pytest.mark.parametrize(
    ("ids", "left"),
    [
        (["first"], "# About this ledger.\ndivergences:\n  # About the second.\n  - id: second"),
        (["second"], "    reason: One.\n\n"),
        (["first", "second"], "# About this ledger.\ndivergences: []\n"),
        ([], TEXT),
    ],
)  # fmt: skip
def test_pruning_leaves_the_rest_of_the_file_alone(ids, left: str, tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(TEXT, encoding="utf-8")
    text = ledger.without(path, ids)
    assert left in text
    path.write_text(text, encoding="utf-8")
    assert [entry.id for entry in ledger.load(path)] == [
        i for i in ("first", "second") if i not in ids
    ]


AROUND = """\
# Head.
divergences:  # ours

  # --- the old ones

  # About the first.
  - id: first
    match: {field: size}
    why: by-design
    reason: >-
      One
      # and a half.

  # --- the new ones

  - id: second
    match: {field: nbytes}
    why: by-design
    reason: Two.
# Tail.
"""


@pytest.mark.parametrize(
    ("ids", "lines"),
    [
        (["first"], [*range(5), *range(13, 20)]),
        (["second"], [*range(15), 19]),
        (["first", "second"], [*range(5), 13, 14, 19]),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_pruning_leaves_what_belongs_to_no_entry(ids, lines, end: str, tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    whole = [line + end for line in AROUND.splitlines()]
    path.write_bytes("".join(whole).encode())
    if len(ids) == 2:
        whole[1] = f"divergences: []  # ours{end}"
    assert ledger.without(path, ids) == "".join(whole[number] for number in lines)


def test_entries_on_one_line_are_not_pruned(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    entries = ", ".join(f"{{id: {i}, match: {{}}, why: by-design, reason: b}}" for i in "ab")
    path.write_text(f"divergences: [{entries}]\n", encoding="utf-8")
    with pytest.raises(LedgerError, match="by hand"):
        ledger.without(path, ["a"])


def played(subject: str, version: str, scenarios, entries=None) -> Any:
    reference = subjects.resolve(f"mlx-lm=={version}")
    declared = ledger.between(subject, version) if entries is None else Ledger(entries, version)
    plan = Plan(subjects.resolve(subject), reference, LEVELS, declared, False, ())
    return run(plan, scenarios)


CHUNKED = select(["chunked/slide-*", "chunked/size-is-not-told"])


def test_a_difference_that_spreads_declares_what_follows_from_it() -> None:
    match = {"operation": "maybe_trim_front", "kind": "chunked"}
    alone = played("kvimpl", "0.31.3", CHUNKED, [made(match)])
    spread = played("kvimpl", "0.31.3", CHUNKED, [made(match, spreads=True)])
    assert alone.footer.exit_code == 1
    assert set(spread.footer.counts) <= {"declared", "conform"}


def test_a_first_ledger_is_refused_until_it_has_reasons_and_then_declares_everything(
    tmp_path: Path,
) -> None:
    found = played("kvimpl", "0.31.3", CHUNKED, [])
    text = ledger.draft(found.records)
    path = tmp_path / "one.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LedgerError, match="needs a reason in words"):
        ledger.load(path)
    filled = text.replace("why: ''", "why: by-design").replace("reason: ''", "reason: It is so.")
    path.write_text(filled, encoding="utf-8")
    again = played("kvimpl", "0.31.3", CHUNKED, ledger.load(path))
    assert found.footer.exit_code == 1
    assert (again.footer.exit_code, again.footer.counts.get("declared", 0) > 0) == (0, True)


GENTLE = """
from mlx_lm.models.cache import *
from mlx_lm.models.cache import RotatingKVCache as Theirs

class RotatingKVCache(Theirs):
    def trim(self, n):
        return super().trim(max(0, min(n, self.offset - 1)))
"""
PRUNED = """
divergences:
  - id: generated-only
    match: {scenario: generated/*, kind: rotating, operation: trim}
    spreads: true
    why: by-design
    reason: The second subject keeps a token.
  - id: at-no-level-that-is-compared
    match: {field: idx}
    why: by-design
    reason: Not looked at.
  - id: of-no-scenario
    match: {scenario: nowhere/*}
    why: by-design
    reason: There is none.
"""


def test_pruning_plays_what_the_gate_plays(tmp_path: Path) -> None:
    (tmp_path / "gentle.py").write_text(GENTLE, encoding="utf-8")
    (tmp_path / "led.yaml").write_text(PRUNED, encoding="utf-8")
    (tmp_path / "kvparity.toml").write_text(
        "subjects = ['mlx-lm', 'python:gentle']\nscenarios = 'tokens/*'\nkinds = 'rotating'\n"
        "levels = ['returned']\nexamples = 25\nledger = 'led.yaml'\njobs = 1\n",
        encoding="utf-8",
    )
    done = kvparity(tmp_path, "ledger", "prune")
    left = [entry.id for entry in ledger.load(tmp_path / "led.yaml")]
    assert (done.returncode, left) == (0, ["generated-only"]), done.stdout + done.stderr


def test_no_entry_of_a_ledger_that_speaks_of_more_than_is_played_is_stale() -> None:
    narrow = Config(scenarios=("tokens/*",))
    assert not gate.plan(narrow, ("kvimpl", "mlx-lm")).whole_corpus
    assert gate.plan(Config(), ("kvimpl", "mlx-lm")).whole_corpus


def test_a_first_ledger_of_several_kinds_leaves_no_entry_stale(tmp_path: Path) -> None:
    (tmp_path / "gentle.py").write_text(GENTLE, encoding="utf-8")
    (tmp_path / "kvparity.toml").write_text(
        "subjects = 'python:gentle'\nscenarios = 'tokens/*'\nkinds = ['rotating', 'list']\n"
        "examples = 25\nledger = 'led.yaml'\njobs = 1\n",
        encoding="utf-8",
    )
    path = tmp_path / "led.yaml"
    path.write_text("divergences: []\n", encoding="utf-8")
    first = kvparity(tmp_path, "gate", "--write-ledger", "led.yaml")
    text = path.read_text("utf-8").replace("why: ''", "why: by-design")
    path.write_text(text.replace("reason: ''", "reason: It is so."), encoding="utf-8")
    again = kvparity(tmp_path, "gate")
    assert (first.returncode, again.returncode) == (1, 0), again.stdout + again.stderr


def test_a_first_ledger_does_not_replace_one_that_declares_something(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(TEXT, encoding="utf-8")
    with pytest.raises(LedgerError, match="not written over"):
        ledger.check_draft(tmp_path / "one.yaml")


def test_what_the_reference_is_known_to_miss_is_no_news_to_another_subject() -> None:
    scenarios = select(["concatenate/trimmed-*"])
    assert {r.verdict for r in played("mlx-lm==0.32.2", "0.32.2", scenarios).records} == {
        "declared"
    }


def test_what_our_corpus_pins_is_not_held_against_two_old_sides_that_agree() -> None:
    scenarios = select(["masks/which-form-of-mask", "chunked/trim-stops-*"])
    done = played("mlx-lm==0.28.4", "0.28.4", scenarios)
    assert {r.verdict for r in done.records} <= PASSING


def test_what_a_users_scenario_pins_is_held_at_any_release() -> None:
    pinned = load_text(
        "family: f\nscenarios:\n"
        "  - {name: a, cache: {kind: standard}, steps: [{update: [1], expect: {offset: 9}}]}\n"
    )
    (record,) = played("mlx-lm==0.28.4", "0.28.4", pinned).records
    assert record.verdict == "reference-moved"


@pytest.mark.parametrize("version", ["0.28.4", "0.31.1", "0.31.3"])
def test_our_ledger_declares_what_differs_at_old_releases(version: str) -> None:
    sample = select([])[::17]
    failing = {
        r.id: r.summary
        for r in played("kvimpl", version, sample).records
        if r.verdict not in PASSING
    }
    assert failing == {}


def test_every_entry_of_ours_speaks_of_a_known_release_and_of_some_scenario() -> None:
    ids = [scenario.id for scenario in select([])]
    idle = [
        entry.id
        for entry in ledger.load(ledger.OWN)
        if list(entry.idle_globs(ids)) or not any(map(entry.speaks_of, lock.releases()))
    ]
    assert idle == []
