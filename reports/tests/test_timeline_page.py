"""The page of timelines."""

from __future__ import annotations

import re

from kvreports.timeline import Change, Stretch, Timeline, Transition
from kvreports.timeline_page import page


def timeline(name: str, *letters: str) -> Timeline:
    stretches = tuple(Stretch(letter=x, releases=(f"0.{i}",)) for i, x in enumerate(letters))
    change = Change(what="value", index=0, step=1, op="decode 1", field="offset", before=1, after=2)
    return Timeline(
        tool="1", mlx="2", python="3", platform="Linux", id=name, file="f.yaml", line=1, digest="d",
        about="<script>", stretches=stretches,
        transitions=tuple(
            Transition(before=f"0.{i}", after=f"0.{i + 1}", change=change)
            for i in range(len(letters) - 1)
        ),
    )  # fmt: skip


def test_it_says_how_many_change_and_draws_scenario_by_release() -> None:
    text = page([timeline("a", "A", "B"), timeline("c", "A")])
    assert "1 of 2 scenarios changed between 0.0 and 0.1" in text
    assert re.findall(r'aria-label="(\w, [\d.]+: \S*)"', text) == [
        "a, 0.0: A",
        "a, 0.1: B",
        "c, 0.0: A",
        "c, 0.1: ",
    ]
    assert "offset: 0.0 1, 0.1 2" in text


def test_text_is_escaped_and_nothing_runs() -> None:
    text = page([timeline("a", "A")])
    assert ("<script" in text, "&lt;script&gt;" in text) == (False, True)
    assert "script-src &#39;none&#39;" in text
