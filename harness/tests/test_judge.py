"""Every verdict, from the smallest scenario that gives it; two sides are made to order."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import mlx.core as mx
import pytest

import kvimpl
from kvoracle.face import Face
from kvoracle.load import load
from kvoracle.releases import PINNED, release
from kvparity import ledger
from kvparity.judge import Judgement, judge
from kvparity.observe import LEVELS, Level, Observer
from kvparity.play import InProcess
from kvparity.program import Program
from kvscenarios import load_text

REFERENCE = load(release(PINNED))


def module(base: ModuleType, **parts: Any) -> ModuleType:
    made = ModuleType("made")
    made.__dict__.update({k: v for k, v in vars(base).items() if not k.startswith("__")})
    made.__dict__.update(parts)
    return made


def verdict_on(
    steps: str,
    subject: ModuleType = kvimpl,
    reference: ModuleType = REFERENCE[0],
    cache: str = "{kind: standard}",
    levels: tuple[Level, ...] = LEVELS,
    entries: tuple[ledger.Entry, ...] = (),
) -> Judgement:
    text = f"family: f\nscenarios:\n  - name: a\n    cache: {cache}\n    steps: {steps}\n"
    program = Program(load_text(text)[0])
    mine = Face("subject", subject)
    theirs = Face("reference", reference, REFERENCE[1])
    return judge(
        program,
        InProcess(mine).play(program),
        InProcess(theirs).play(program, aside=mine.typed_errors),
        face=mine,
        levels=levels,
        ledger=ledger.Ledger(entries, "0.32.2"),
    )


class Longer(kvimpl.KVCache):
    """Says one token more than it holds."""

    def size(self) -> int:
        return super().size() + 1


class Raising(kvimpl.KVCache):
    """Cannot trim."""

    def trim(self, n: int) -> int:
        raise RuntimeError("no trim today")


class Unmade(kvimpl.KVCache):
    """Cannot even be made."""

    def __init__(self) -> None:
        raise OSError("no room")


LONGER = module(kvimpl, KVCache=Longer)
STEPS = "[{update: [1, 2]}, {trim: 1}]"


def declared(why: str, field: str = "size") -> ledger.Entry:
    match = ledger.Match(field=field)
    return ledger.Entry(id="known", match=match, why=why, reason="for the test")


@pytest.mark.parametrize(
    ("verdict", "field", "options"),
    [
        ("conform", None, {}),
        ("diverge", "size", {"subject": LONGER}),
        ("diverge", "size", {"reference": module(REFERENCE[0], KVCache=Longer), "subject": REFERENCE[0]}),
        ("declared", "size", {"subject": LONGER, "entries": (declared("by-design"),)}),
        ("diverge", "size", {"subject": LONGER, "entries": (declared("by-design", "offset"),)}),
        ("refused", "raised", {"subject": module(kvimpl, KVCache=Raising)}),
        ("crashed", "crashed", {"subject": module(kvimpl, KVCache=Unmade)}),
        ("lacking", "lacking", {"subject": module(kvimpl, KVCache=None)}),
        ("declared", "lacking", {"subject": module(kvimpl, KVCache=None), "entries": (declared("by-design", "lacking"),)}),
        ("unsupported", "unsupported", {"subject": module(kvimpl, KVCache=None), "reference": module(REFERENCE[0], KVCache=None)}),
        ("unsupported", "unsupported", {"reference": module(REFERENCE[0], KVCache=None)}),
        ("conform", None, {"subject": LONGER, "levels": ("returned",)}),
        ("conform", None, {"subject": LONGER, "levels": ("internals",)}),
    ],
)  # fmt: skip
def test_the_verdict_on_two_sides(verdict: str, field: str | None, options: dict[str, Any]) -> None:
    judgement = verdict_on(STEPS, **options)
    assert judgement.verdict == verdict
    assert [f.field for f in judgement.findings[:1]] == ([] if field is None else [field])


BATCH = "{kind: batch, left_padding: [1, 0]}"


def of_reference(name: str, **members: Any) -> ModuleType:
    """The reference's caches, one class of them with other members."""
    return module(REFERENCE[0], **{name: type(name, (getattr(REFERENCE[0], name),), members)})


def counts_in_place(self: Any, keys: mx.array, values: mx.array) -> Any:
    before = self.offset
    fetched = REFERENCE[0].BatchKVCache.update_and_fetch(self, keys, values)
    before[:] = self.offset
    self.offset = before
    return fetched


def writes_to_what_it_is_given(self: Any, keys: mx.array, values: mx.array) -> Any:
    fetched = REFERENCE[0].KVCache.update_and_fetch(self, keys, values)
    keys[:] = 0
    return fetched


def without_bits(self: Any, name: str) -> Any:
    if name == "bits":
        raise AttributeError(name)
    return object.__getattribute__(self, name)


@pytest.mark.parametrize(
    ("field", "what", "subject", "cache", "steps"),
    [
        ("offset", "promise", of_reference("BatchKVCache", update_and_fetch=counts_in_place), BATCH, "[{update: [1, 2]}, {update: [3]}]"),
        ("handed_in", "promise", of_reference("KVCache", update_and_fetch=writes_to_what_it_is_given), "{kind: standard}", "[{update: [1, 2]}]"),
        ("layout", "difference", of_reference("KVCache", state=property(lambda self: (self.values, self.keys, self.offset))), "{kind: standard}", "[{update: [1, 2]}]"),
        ("bits", "difference", of_reference("QuantizedKVCache", __getattribute__=without_bits), "{kind: quantized}", "[observe]"),
    ],
    ids=["counts in place", "writes to what it is given", "lays its state out otherwise", "has no bits"],
)  # fmt: skip
def test_a_subject_that_is_not_hardened_is_held_to_what_the_reference_keeps(
    field: str, what: str, subject: ModuleType, cache: str, steps: str
) -> None:
    judgement = verdict_on(steps, subject, cache=cache)
    assert judgement.verdict == "diverge"
    assert (judgement.findings[0].field, judgement.findings[0].what) == (field, what)


def test_the_layout_of_a_file_is_compared() -> None:
    def save(file: str, cache: Any) -> None:
        REFERENCE[0].save_prompt_cache(file, cache, {"by": "me"})

    steps = "[{update: [1, 2]}, {save: {file: f}}]"
    judgement = verdict_on(steps, module(REFERENCE[0], save_prompt_cache=save))
    assert [(f.field, f.cache) for f in judgement.findings] == [("layout", "file f")]


def test_what_cannot_be_evaluated_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_observer: Observer) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(Observer, "read", fails)
    ring = "{kind: rotating, max_size: 2}"
    judgement = verdict_on("[{decode: 0..4}]", REFERENCE[0], cache=ring)
    assert (judgement.verdict, judgement.findings[0].message) == (
        "crashed",
        "cannot be evaluated: RuntimeError: no memory",
    )


@pytest.mark.parametrize(
    ("verdict", "subject", "reference", "pinned"),
    [
        ("conform", kvimpl, REFERENCE[0], 2),
        ("reference-moved", kvimpl, module(REFERENCE[0], KVCache=Longer), 2),
        ("diverge", LONGER, REFERENCE[0], 2),
        ("reference-moved", kvimpl, REFERENCE[0], 7),
        ("diverge", LONGER, REFERENCE[0], 7),
    ],
    ids=["both", "reference not", "subject not", "neither, alike", "neither, unlike"],
)
def test_whose_fault_a_fact_that_does_not_hold_is(
    verdict: str, subject: ModuleType, reference: ModuleType, pinned: int
) -> None:
    steps = f"[{{update: [1, 2], expect: {{size: {pinned}}}}}]"
    assert verdict_on(steps, subject, reference).verdict == verdict


def test_the_subject_alone_moved_where_the_levels_hide_the_difference() -> None:
    steps = "[{update: [1, 2], expect: {size: 2}}]"
    assert verdict_on(steps, LONGER, levels=("returned",)).verdict == "subject-moved"


@pytest.mark.parametrize("why", ["upstream-bug", "hardening"])
def test_blaming_the_reference_does_not_excuse_the_subject(why: str) -> None:
    steps = "[{update: [1, 2], expect: {size: 2}}]"
    judgement = verdict_on(steps, LONGER, entries=(declared(why),))
    assert judgement.verdict == "subject-moved"


def test_a_step_that_is_to_be_refused_is_played_aside_by_the_reference() -> None:
    steps = "[{update: [1]}, {trim: -1, expect: {error: OutOfRangeError}}, {update: [2]}]"
    assert verdict_on(steps).verdict == "conform"


def test_a_fact_that_no_cache_of_the_kind_has_holds_of_none() -> None:
    judgement = verdict_on("[{update: [1], expect: {chunk_size: 4}}]")
    assert judgement.verdict == "subject-moved"
    assert [finding.field for finding in judgement.findings] == ["chunk_size"]


def test_a_fact_that_a_release_has_not_yet_is_passed_over() -> None:
    old = load(release("0.29.1"))[0]  # its caches have no size
    assert verdict_on("[{update: [1], expect: {size: 1}}]", reference=old).verdict == "conform"


def test_the_wrong_error_is_a_fact_that_the_subject_misses() -> None:
    judgement = verdict_on("[{trim: -1, expect: {error: RankMismatchError}}]")
    assert judgement.verdict == "subject-moved"
    assert judgement.findings[0].field == "error"


def test_a_base_class_of_the_error_will_do() -> None:
    assert verdict_on("[{trim: -1, expect: {error: CacheError}}]").verdict == "conform"


def test_two_untyped_sides_play_a_refused_step_as_it_is() -> None:
    steps = "[{update: [1]}, {trim: -1, expect: {error: OutOfRangeError}}, {update: [2]}]"
    assert verdict_on(steps, subject=REFERENCE[0]).verdict == "conform"


def test_no_fact_is_held_behind_a_step_that_two_untyped_sides_played_for_real() -> None:
    steps = (
        "[{update: [1]}, {trim: -1, expect: {error: OutOfRangeError}}, "
        "{update: [2], expect: {offset: 2}}]"
    )
    assert verdict_on(steps, subject=REFERENCE[0]).verdict == "conform"
    assert verdict_on(steps).verdict == "conform"


def test_both_sides_raising_is_agreement_whatever_they_say() -> None:
    raising = module(REFERENCE[0], KVCache=Raising)

    class OtherRaising(REFERENCE[0].KVCache):  # type: ignore[name-defined,misc]
        def trim(self, n: int) -> int:
            raise KeyError(n)

    OtherRaising.__name__ = "KVCache"
    other = module(REFERENCE[0], KVCache=OtherRaising)
    assert verdict_on(STEPS, raising, other, levels=("returned",)).verdict == "conform"


def test_the_first_differing_element_is_placed() -> None:
    class Rolled(kvimpl.KVCache):
        def update_and_fetch(self, keys: mx.array, values: mx.array) -> Any:
            k, v = super().update_and_fetch(keys, values)
            changed = k[...]
            changed[1, 1, 2, 3] = 0
            return changed, v

    judgement = verdict_on(
        "[{update: [5, 6, 7, 8]}]",
        module(kvimpl, KVCache=Rolled),
        cache="{kind: standard, batch: 2}",
    )
    assert judgement.findings[0].place == {"row": 1, "head": 1, "slot": 2, "lane": 3}


def test_a_dtype_of_the_same_bytes_is_a_difference() -> None:
    class Viewed(kvimpl.KVCache):
        def update_and_fetch(self, keys: mx.array, values: mx.array) -> Any:
            k, v = super().update_and_fetch(keys, values)
            return k.view(mx.int32), v

    judgement = verdict_on("[{update: [1]}]", module(kvimpl, KVCache=Viewed))
    assert (judgement.verdict, judgement.findings[0].field) == ("diverge", "returned")


def test_true_is_not_one() -> None:
    class Counting(kvimpl.KVCache):
        def is_trimmable(self) -> Any:
            return 1

    judgement = verdict_on("[observe]", module(kvimpl, KVCache=Counting))
    assert [f.field for f in judgement.findings] == ["trimmable"]


@pytest.mark.parametrize(
    ("subject", "verdict"), [(kvimpl, "subject-moved"), (REFERENCE[0], "declared")]
)
def test_a_hardened_subject_is_held_to_what_the_reference_is_known_to_miss_as_well(
    subject: ModuleType, verdict: str
) -> None:
    match = ledger.Match(scenario=("f/a",), operation=("prepare",))
    known = ledger.Entry(id="known", match=match, why="upstream-bug", reason="for the test")
    program = Program(
        load_text(
            "family: f\nscenarios:\n  - name: a\n    cache: {kind: arrays, size: 1, batch: 2}\n"
            "    steps: [{prepare: {lengths: [2, 1]}},"
            " {prepare: {right_padding: [0, 1]}, expect: {lengths: [9, 9]}}]\n"
        )[0]
    )
    mine, theirs = Face("subject", subject), Face("reference", *REFERENCE)
    judgement = judge(
        program,
        InProcess(mine).play(program),
        InProcess(theirs).play(program, aside=mine.typed_errors),
        face=mine,
        levels=LEVELS,
        ledger=ledger.Ledger((known,), "0.32.2", known=(known,)),
    )
    assert judgement.verdict == verdict
