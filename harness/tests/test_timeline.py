"""A timeline from traces: stretches, letters, transitions. The traces are made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from kvparity.program import Program
from kvparity.timeline import Played, timeline
from kvparity.trace import Entry, Held, Raised, Stop, Trace
from kvreports import timeline_text
from kvreports.timeline import Timeline
from kvscenarios import load_text

TEXT = """
family: t
scenarios:
  - name: t
    cache: {kind: standard}
    steps: [{update: [1]}, {trim: 1}]
"""
PROGRAM = Program(load_text(TEXT)[0])


def after_update(**fields: Any) -> Entry:
    return Entry(held={"cache": Held("standard", tuple(fields), tuple(fields.values()))})


def held(**fields: Any) -> Trace:
    """A trace after whose first step the cache has these fields."""
    return Trace([after_update(**fields), Entry(returned=1)])


def raising(name: str) -> Trace:
    return Trace([after_update(), Entry(raised=Raised(name, (), "no"))])


def stopped(message: str = "there is no trim in it", index: int = 1) -> Trace:
    return Trace([after_update()][:index], Stop("unsupported", message, index))


def of(*traces: Trace) -> Timeline:
    """The timeline of releases 1, 2, 3 ..."""
    return timeline(PROGRAM, [Played(str(n), trace) for n, trace in enumerate(traces, 1)])


@pytest.mark.parametrize(
    ("traces", "row"),
    [
        ([held(offset=1)] * 3, "A 1 ... 3"),
        ([held(offset=1), held(offset=1), held(offset=2)], "A 1 ... 2 | B 3"),
        ([held(offset=1), held(offset=2), held(offset=1)], "A 1 | B 2 | A 3"),
        ([held(offset=1), held(offset=2), held(offset=3)], "A 1 | B 2 | C 3"),
        ([held(offset=1), held(offset=1, size=1), held(offset=1, size=2)], "A 1 ... 2 | B 3"),
        ([held(size=1), held(offset=1), held(size=2, offset=1)], "A 1 ... 2 | B 3"),
        ([held(offset=1), held(offset=True)], "A 1 | B 2"),
        ([raising("ValueError"), raising("ValueError")], "A 1 ... 2"),
        ([raising("ValueError"), raising("TypeError")], "A 1 | B 2"),
        ([held(), raising("ValueError")], "A 1 | B 2"),
        ([stopped(), stopped("said otherwise"), held()], "- 1 ... 2 | A 3"),
        ([stopped(index=0), stopped(index=1)], "- 1 | - 2"),
    ],
)
def test_the_row(traces: list[Trace], row: str) -> None:
    assert timeline_text.runs(of(*traces)) == row


@pytest.mark.parametrize(
    ("before", "after", "what", "said"),
    [
        (held(offset=1), held(offset=2), "value", "step 1 (update [1]): offset: 1 1, 2 2"),
        (held(), raising("OSError"), "raised", "step 2 (trim 1): 1 returned 1, 2 raised OSError"),
        (
            raising("KeyError"),
            raising("OSError"),
            "raised",
            "step 2 (trim 1): 1 raised KeyError: no, 2 raised OSError: no",
        ),
        (
            stopped(),
            held(),
            "support",
            "step 2 (trim 1): 1 stops, unsupported: there is no trim in it; 2 plays on",
        ),
    ],
)
def test_what_changed_is_said_with_both_sides(
    before: Trace, after: Trace, what: str, said: str
) -> None:
    (transition,) = of(before, after).transitions
    assert transition.change.what == what
    assert said in timeline_text.changed(transition)


def test_other_fields_that_differ_are_named_after_the_first() -> None:
    (transition,) = of(held(offset=1, size=1), held(offset=2, size=2)).transitions
    assert transition.change.also == ("size",)


def test_a_field_that_comes_into_sight_is_no_change_but_is_told() -> None:
    found = of(held(offset=1), held(offset=1, size=1))
    assert [(seen.release, seen.come) for seen in found.visible] == [("2", ("size",))]
    assert found.transitions == ()


def test_a_change_and_its_undoing_are_said_to_be_one() -> None:
    last = list(timeline_text.lines(of(held(offset=1), held(offset=2), held(offset=1))))[-1]
    assert last == "3 releases, 2 changes, 2 behaviours, with a change undone"


def test_what_an_implementation_says_steers_no_terminal() -> None:
    lines = list(timeline_text.lines(of(stopped("\x1b[2J\nred"))))
    assert not any("\x1b" in line or "\n" in line for line in lines)
