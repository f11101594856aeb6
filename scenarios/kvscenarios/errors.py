"""What is said to a person whose scenario cannot be read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One mistake and where it stands: file, line, scenario and step, as far as they are known."""

    message: str
    file: str
    line: int | None = None
    scenario: str | None = None
    step: int | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        within = [f"scenario {self.scenario!r}"] if self.scenario else []
        if self.step is not None:
            within.append(f"step {self.step}")
        return ": ".join([place, *([", ".join(within)] if within else []), self.message])


class ScenarioError(ValueError):
    """A scenario file that is missing, malformed or over the limits.

    `problems` holds every mistake found, in the order of the file.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[ScenarioError], tuple[tuple[Problem, ...]]]:
        """A worker process hands the error over whole."""
        return type(self), (self.problems,)


_SHOWN = 80
"""Characters of the offending value that a message shows."""


def shown(value: object) -> str:
    """The value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def encodable(text: str) -> str:
    """The text with bytes spelled out that stand in a file's name and are no characters."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def nearest(word: str, words: Iterable[str]) -> str:
    """The end of an error message: the valid word meant, or all of them where none is near."""
    candidates = sorted(words)
    close = difflib.get_close_matches(word, candidates, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return "valid: " + ", ".join(candidates)
