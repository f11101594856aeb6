"""The first bad commit is found, whatever the history and whatever cannot be judged."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from kvparity.bisect.search import Answer, Found, first_bad


def linear(count: int) -> dict[str, tuple[str, ...]]:
    return {str(n): (str(n - 1),) if n else () for n in range(count)}


def search(history, tip, bad, unknown=frozenset()) -> Found:
    def trial(commit: str) -> Answer:
        if commit in unknown:
            return "unknown"
        return "bad" if commit in bad else "good"

    return first_bad(history, tip, trial)


@st.composite
def histories(draw):
    """A history with merges, and a commit from which the fault is in all that descends from it."""
    count = draw(st.integers(1, 14))
    history = {}
    for n in range(count):
        most = min(n, 2)
        parents = (
            draw(st.lists(st.integers(0, n - 1), min_size=min(1, most), max_size=most, unique=True))
            if n
            else []
        )
        history[str(n)] = tuple(map(str, parents))
    tip = str(count - 1)
    reach = {tip}
    for n in range(count - 1, -1, -1):
        if str(n) in reach:
            reach |= set(history[str(n)])
    culprit = draw(st.sampled_from(sorted(reach)))
    bad = {culprit}
    for n in range(count):
        if bad & set(history[str(n)]):
            bad.add(str(n))
    unknown = draw(st.sets(st.sampled_from(sorted(reach)), max_size=3)) - {tip}
    return history, tip, culprit, bad, unknown


@settings(max_examples=300, deadline=None, derandomize=True)
@given(histories())
def test_the_culprit_is_always_among_the_suspects(case) -> None:
    history, tip, culprit, bad, unknown = case
    found = search(history, tip, bad, unknown)
    assert culprit in found.suspects
    assert set(found.suspects) - {culprit} <= unknown | bad
    if not unknown:
        assert found.culprit == culprit


def test_a_linear_history_takes_a_logarithm_of_trials() -> None:
    found = search(linear(1000), "999", {str(n) for n in range(617, 1000)})
    assert found.culprit == "617"
    assert len(found.trials) <= math.ceil(math.log2(1000)) + 1


def test_no_commit_is_tried_twice_and_the_tip_never() -> None:
    found = search(linear(50), "49", {str(n) for n in range(20, 50)}, {"19", "20", "24"})
    tried = [commit for commit, _ in found.trials]
    assert len(tried) == len(set(tried))
    assert "49" not in tried


def test_what_cannot_be_judged_stays_suspect_beside_its_bad_child() -> None:
    assert search(linear(6), "5", {"3", "4", "5"}, {"2", "3"}).suspects == ("2", "3", "4")


def test_a_fault_that_comes_with_a_branch_is_found_on_the_branch() -> None:
    history = {"a": (), "b": ("a",), "c": ("a",), "m": ("b", "c"), "t": ("m",)}
    assert search(history, "t", {"c", "m", "t"}).culprit == "c"


def test_a_fault_that_only_the_merge_makes_is_the_merges() -> None:
    history = {"a": (), "b": ("a",), "c": ("a",), "m": ("b", "c"), "t": ("m",)}
    assert search(history, "t", {"m", "t"}).culprit == "m"
