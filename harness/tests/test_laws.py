"""The laws hold for kvimpl, are broken by planted faults, and by mlx-lm where that is known."""

from __future__ import annotations

import functools
from typing import Any

import mlx.core as mx
import planted
import pytest
from here import PINNED_SAVES_EMPTY_CACHES

import kvimpl
from kvimpl import BatchKVCache, KVCache
from kvoracle.face import Face
from kvoracle.releases import PINNED
from kvparity import subjects
from kvparity.campaign import Arena, Round, play_round
from kvparity.laws.checking import KINDS, LAWS, Trial
from kvparity.laws.twins import Choice
from kvparity.ledger import Ledger
from kvparity.outcome import LAW, REFERENCE_LAW
from kvparity.play import InProcess
from kvscenarios import Scenario
from kvscenarios.loader import load_text

FIRST = Choice(0, 0)

NOTHING = Ledger((), None)


@functools.cache
def implementation(name: str) -> subjects.Implementation:
    return subjects.resolve(name)


def breached(steps: str, cache: str, law: str, name: str, choice: Choice = FIRST) -> str:
    """How the law is broken in the scenario, or nothing."""
    trial = Trial(scenario(cache, steps), choice, implementation(name).driver)
    return "; ".join(breach.broken.sentence for breach in trial.breaches([law]))


def scenario(cache: str, steps: str) -> Scenario:
    caches = f"cache: {cache}" if cache.startswith("{kind") else f"caches: {cache}"
    text = f"family: l\nscenarios:\n  - name: l\n    {caches}\n    steps: {steps}\n"
    return load_text(text)[0]


# --- a fault for every law


class overwrites_the_first_token_on_a_second_prefill(KVCache):
    def update_and_fetch(self, keys: Any, values: Any) -> Any:
        if self.offset and keys.shape[2] > 1:
            wiped = self.keys[...]
            wiped[..., 0, :] = 0
            self.keys = wiped
        return super().update_and_fetch(keys, values)


class gives_every_row_the_tokens_of_the_first(BatchKVCache):
    def update_and_fetch(self, keys: Any, values: Any) -> Any:
        return super().update_and_fetch(mx.broadcast_to(keys[:1], keys.shape), values)


class merges_its_rows_backwards(KVCache):
    @classmethod
    def merge(cls, caches: Any) -> Any:
        return KVCache.merge(caches[::-1])


def loses_a_token__load_prompt_cache(path: str, **how: Any) -> Any:
    caches, metadata = kvimpl.load_prompt_cache(path, **how)
    for cache in caches:
        cache.trim(1)
    return caches, metadata


class shares_its_buffer_with_its_copy(KVCache):
    def copy(self) -> KVCache:
        fork = super().copy()
        original = self

        def trim(n: int) -> int:
            original.offset -= min(n, original.offset)
            return KVCache.trim(fork, n)

        fork.trim = trim
        return fork


class trims_when_somebody_looks(KVCache):
    """Puts a trim off until it is asked for its size."""

    owed = 0

    def trim(self, n: int) -> int:
        self.owed = min(n, self.offset)
        return self.owed

    def size(self) -> int:
        self.offset -= self.owed
        self.owed = 0
        return self.offset


BY_LAW = {
    "prefill-in-chunks": (overwrites_the_first_token_on_a_second_prefill, "standard"),
    "save-and-load": (loses_a_token__load_prompt_cache, "standard"),
    "copy": (shares_its_buffer_with_its_copy, "standard"),
    "row-alone": (gives_every_row_the_tokens_of_the_first, "batch"),
    "merge-and-extract": (merges_its_rows_backwards, "rows"),
    "trim-and-again": (planted.keeps_one_token_too_many_on_trim, "standard"),
    "looking": (trims_when_somebody_looks, "standard"),
    "raised": (planted.half_commits_on_error, "standard"),
    "handed-out": (planted.hands_out_its_own_buffer, "standard"),
}


def test_there_is_a_fault_for_every_law() -> None:
    assert tuple(BY_LAW) == LAWS


@pytest.mark.parametrize("law", BY_LAW)
def test_a_fault_breaks_its_law(law: str) -> None:
    fault, kind = BY_LAW[law]
    name = fault.__name__.rpartition("__")[2]
    if isinstance(fault, type):
        name = next(c.__name__ for c in fault.__mro__ if c.__module__.startswith("kvimpl"))
    wrong = planted.module(planted.Fault("", frozenset(), {name: fault}))
    driver = InProcess(Face("wrong", wrong))
    caches, steps = SCENARIOS[kind]
    broken = [
        breach.law
        for at in range(6)
        for breach in Trial(scenario(caches, steps), Choice(at, at), driver).breaches([law])
    ]
    assert broken


SCENARIOS = {
    "standard": (
        "{kind: standard, step: 4}",
        "[{update: 0..3}, {trim: 2}, {decode: [4]}, {update: {keys: {shape: [3]}}, "
        "expect: {error: CacheError}}, {update: 5..7}, {decode: [8]}, {trim: 1}]",
    ),
    "batch": (
        "{kind: batch, left_padding: [0, 1]}",
        "[{update: [[0, 1, 2], [9, 3, 4]]}, {decode: [[5], [6]]}, {trim: 1}]",
    ),
    "rows": (
        "{a: {kind: standard}, b: {kind: standard}}",
        "[{on: a, update: 0..3}, {on: b, update: [4, 5]}, {merge: [a, b], as: rows}, "
        "{on: rows, decode: [[6], [7]]}, {on: a, decode: [8]}]",
    ),
    # Their batch casts them, and alone they are not cast.
    "rows of unlike types": (
        "{a: {kind: standard}, b: {kind: standard, dtype: float16}, c: {kind: standard}}",
        "[{on: a, update: 0..3}, {on: b, update: [4, 5]}, {on: c, update: [6]}, "
        "{merge: [a, b], as: rows}, {on: rows, decode: [7]}, {merge: [b], as: more}, "
        "{merge: [c], as: joining}, {on: more, extend: joining}, {on: more, decode: [8]}]",
    ),
    # What is turned into the padding is a token or a spare row: a loaded batch has others.
    "padding that is turned": (
        "{kind: batch, left_padding: [0, 0], step: 4}",
        "[{decode: [0]}, {prepare: {lengths: [3, 4], right_padding: [1, 0]}}, {update: 1..4}, "
        "{finalize: }, {decode: [5]}]",
    ),
}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("kind", SCENARIOS)
def test_without_a_fault_the_law_holds_there(kind: str, law: str) -> None:
    caches, steps = SCENARIOS[kind]
    for at in range(6):
        assert breached(steps, caches, law, "kvimpl", Choice(at, at)) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_kvimpl_keeps_the_laws(kind: str) -> None:
    own = implementation("kvimpl")
    outcome = play_round(Arena(own, own, NOTHING), Round(kind, 0, 4, "gate", laws=True))
    assert {one.sentence for one in outcome.failures.values()} == set()


RING = "{kind: rotating, max_size: 3}"


@pytest.mark.parametrize(
    ("law", "cache", "steps", "said"),
    [
        ("trim-and-again", RING, "[{decode: 0..4}]", "offset: 5 the plain way, 4 the other way"),
        ("trim-and-again", "{kind: concatenate}", "[{update: 0..2}]", "[0 1 2 2]"),
        ("raised", "{kind: standard}", "[{update: [0]}, {update: {keys: {tokens: [1], heads: 3}}, "
         "expect: {error: CacheError}}, {decode: [3]}]", "the other way"),
        ("handed-out", RING, "[{decode: 0..4}]", "what decode 2 returned was changed"),
        ("handed-out", "{kind: standard}", "[{decode: [0]}, {decode: [1]}]", "the state after decode 0 was changed"),
        ("save-and-load", "{kind: batch_rotating, max_size: 3, left_padding: [0, 1]}",
         "[{decode: [0]}, {decode: [1]}]", "AttributeError"),
    ],
)  # fmt: skip
def test_mlx_lm_breaks_a_law(law: str, cache: str, steps: str, said: str) -> None:
    assert said in breached(steps, cache, law, f"mlx-lm=={PINNED}")


def test_a_full_ring_that_says_so_is_left_alone_by_a_trim() -> None:
    assert breached("[{decode: 0..4}]", RING, "trim-and-again", "kvimpl") == ""


def test_a_ring_is_asked_for_its_window_and_not_for_an_order() -> None:
    # In chunks it holds four of six tokens, at once all of them: the window is in both.
    assert breached("[{update: 0..5}]", RING, "prefill-in-chunks", f"mlx-lm=={PINNED}") == ""


def test_a_law_that_the_subject_breaks_is_told_from_one_that_the_reference_breaks() -> None:
    own, wrong = implementation("kvimpl"), planted.FAULTS["keeps_one_token_too_many_on_trim"]
    faulty = subjects.Implementation(
        "wrong", None, "planted", {}, InProcess(Face("wrong", planted.module(wrong)))
    )
    task = Round("standard", 1, 25, "debug", laws=True)
    told = [play_round(Arena(*sides, NOTHING), task) for sides in ((faulty, own), (own, faulty))]
    assert [len(one.findings) for one in told] == [1, 0]
    assert [len(one.about_reference) for one in told] == [0, 1]
    whose = [print_.what for one in told for print_ in one.failures]
    assert whose == [LAW, REFERENCE_LAW]


@pytest.mark.skipif(
    not PINNED_SAVES_EMPTY_CACHES, reason="a law that is no hardening breaks: save-and-load"
)
def test_a_subject_that_is_not_hardened_is_not_asked_what_only_hardened_ones_promise() -> None:
    theirs = implementation(f"mlx-lm=={PINNED}")
    outcome = play_round(
        Arena(theirs, theirs, NOTHING), Round("standard", 0, 20, "debug", laws=True)
    )
    assert outcome.findings == []
    assert {one.fingerprint.operation for one in outcome.about_reference} <= {
        "raised",
        "handed-out",
    }
    assert outcome.about_reference
