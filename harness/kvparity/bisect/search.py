"""Which commit is the first bad one, found with few trials over a history with merges.

Pure: a history is a mapping from commits to their parents, a trial a function with three answers.
A commit that cannot be judged is passed over; what then cannot be told apart is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Answer = Literal["good", "bad", "unknown"]
History = Mapping[str, tuple[str, ...]]
"""Each commit with its parents; parents outside the history are taken for good."""


@dataclass(frozen=True)
class Found:
    """The outcome: the first bad commit, or all that could be it.

    `suspects` are in the order of the history, the last of them known to be bad; one of them alone
    is the culprit.
    """

    suspects: tuple[str, ...]
    trials: tuple[tuple[str, Answer], ...]

    @property
    def culprit(self) -> str | None:
        """The first bad commit, where it is one."""
        return self.suspects[0] if len(self.suspects) == 1 else None


def first_bad(history: History, tip: str, trial: Callable[[str], Answer]) -> Found:
    """The first bad commit among the tip (known to be bad) and its ancestors in the history."""
    above = _ancestors(history)
    suspects = {tip, *above[tip]}
    unknown: set[str] = set()
    trials: list[tuple[str, Answer]] = []
    while True:
        open_ = suspects - unknown - {tip}
        if not open_:
            break
        commit = _halving(open_, suspects, above)
        answer = trial(commit)
        trials.append((commit, answer))
        if answer == "bad":
            tip = commit
            suspects &= {commit, *above[commit]}
        elif answer == "good":
            suspects -= {commit, *above[commit]}
        else:
            unknown.add(commit)
    order = [commit for commit in _oldest_first(history) if commit in suspects]
    return Found(tuple(order), tuple(trials))


def _halving(candidates: set[str], suspects: set[str], above: Mapping[str, set[str]]) -> str:
    """The candidate whose answer splits the suspects most evenly."""

    def split(commit: str) -> tuple[int, str]:
        older = len(suspects & above[commit]) + 1
        return min(older, len(suspects) - older), commit

    return max(candidates, key=split)


def _ancestors(history: History) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for commit in _oldest_first(history):
        parents = [parent for parent in history[commit] if parent in history]
        found[commit] = set(parents).union(*(found[parent] for parent in parents))
    return found


def _oldest_first(history: History) -> list[str]:
    """The commits, every parent before its children."""
    order: list[str] = []
    done: set[str] = set()
    for start in history:
        pending = [(start, False)]
        while pending:
            commit, ready = pending.pop()
            if ready:
                order.append(commit)
            elif commit not in done:
                done.add(commit)
                pending.append((commit, True))
                parents = [parent for parent in history[commit] if parent in history]
                pending += [(parent, False) for parent in reversed(parents)]
    return order
