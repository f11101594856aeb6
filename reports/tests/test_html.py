"""The page, read back as a browser would take it apart."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from kvreports.html import page
from kvreports.model import Run

VOID = {"meta", "br"}


class Page(HTMLParser):
    """The elements of a page with their attributes, and the text of each innermost element."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[int] = []
        self.texts: dict[int, str] = {}
        self.source = page(run)
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self.open.pop()][0] == tag, "an element that is not closed"
        if tag in {"td", "th"}:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        for element in self.open:
            self.texts[element] = self.texts.get(element, "") + data

    def all(self, tag: str, cls: str = "") -> list[str]:
        """The texts of the elements of this name and class."""
        return [
            " ".join(self.texts.get(index, "").split())
            for index, (name, attrs) in enumerate(self.elements)
            if name == tag and set(cls.split()) <= set((attrs.get("class") or "").split())
        ]

    def attributes(self, name: str) -> list[str]:
        return [value or "" for _, attrs in self.elements if (value := attrs.get(name)) is not None]

    @property
    def text(self) -> str:
        return self.texts[0]


@pytest.mark.parametrize(
    ("name", "cells", "facts"),
    [
        ("ring order", ["8", "4", "0", "8"], ["idx 1 5 ≠"]),
        ("offset only", [], ["offset 10 9 ≠"]),
        ("mask", ["x", "."], []),
        ("raised", [], ["outcome raised ValueError: too far returned 6 ≠"]),
        ("dtype", [], ["returned float16 [1, 2, 3, 4] float32 [1, 2, 3, 4] ≠"]),
        ("missing cache", [], ["cache not there there ≠"]),
        ("numbers", [], ["returned float32 [3] 1.0, 2.0, 3.5 float32 [3] 1.0, 2.0, 3.0 ≠"]),
        ("crash", [], ["outcome not played returned nothing ≠"]),
        ("pinned", ["9", "2"], []),
        ("aside", [], ["error OutOfRangeError RankMismatchError: keys are 3-D ≠"]),
        ("conform", [], []),
    ],
)
def test_what_differs_is_marked_and_nothing_else(name, cells, facts, case) -> None:
    drawn = Page(case(name))
    marked = [text.removeprefix("▸") for text in drawn.all("td", "differs")]
    assert (marked, drawn.all("tr", "differs")) == (cells, facts)


def test_the_cursor_and_the_pinned_prefix_are_told_in_signs_as_well(case) -> None:
    drawn = Page(case("ring order"))
    assert (drawn.all("td", "cursor"), "keep 4" in drawn.all("td")) == (["▸1", "▸5"], True)


def test_what_the_reference_did_aside_is_shown(case) -> None:
    assert Page(case("aside")).all("p", "aside") == [
        "reference (aside, on a copy): returned nothing"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "kvimpl does not conform to mlx-lm==0.32.2: 1 of 2 scenarios fail.",
        "kvimpl 1.2.3",
        "cache.py sha256 " + "c96cb169" * 8,
        "Python 3.11.7, Linux x86_64, Device(cpu, 0)",
        "kvparity run 'ring/*'",
        "corpus/ring.yaml:3",
        "What only this one would catch.",
        "family: ring\nscenarios:\n- name: one\n",
        "kvparity run scenario.yaml --subject kvimpl --reference mlx-lm==0.32.2",
        "decode 8 ← here",
    ],
)
def test_a_reader_finds(text: str, case) -> None:
    assert text in Page(case("ring order")).text


def test_a_run_at_one_level_is_reproduced_at_that_level(case) -> None:
    run = case("ring order")
    header = run.header.model_copy(update={"levels": ("state",)})
    assert "--level state" in page(run.model_copy(update={"header": header}))


def test_the_first_failure_alone_is_open_at_the_start(case, run_of) -> None:
    failing = case("ring order").records[0]
    run = run_of(*(failing.model_copy(update={"id": f"ring/s{i}"}) for i in range(3)))
    scenarios = [attrs for _, attrs in Page(run).elements if attrs.get("class") == "scenario"]
    assert ["open" in attrs for attrs in scenarios] == [True, False, False]


def test_hostile_text_makes_no_element(case) -> None:
    hostile, tame = Page(case("hostile")), Page(case("ring order"))
    assert len(hostile.all("script")) == 1
    assert {tag for tag, _ in hostile.elements} <= {tag for tag, _ in tame.elements} | {"section"}


def test_hostile_text_makes_no_attribute(case) -> None:
    hostile, tame = Page(case("hostile")), Page(case("raised"))
    names = {name for _, attrs in hostile.elements for name in attrs}
    assert names <= {name for _, attrs in tame.elements for name in attrs} | {"colspan"}


def test_hostile_text_is_shown_as_it_is_written(case) -> None:
    shown = r"<script>alert(1)</script>\x1b[31m\u202e[bold]&quot;'" + '"'
    run = case("hostile")
    assert Page(run).text.count(shown) >= 25


def test_no_control_character_is_on_the_page(any_case) -> None:
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", page(any_case)) is None


def test_nothing_is_loaded_from_anywhere(any_case) -> None:
    drawn = Page(any_case)
    assert drawn.attributes("src") == []
    assert [link for link in drawn.attributes("href") if not link.startswith("#")] == []
    assert not {"link", "img", "iframe", "object"} & {tag for tag, _ in drawn.elements}
    assert not re.search(
        r"url\(|@import|https?:", "".join(drawn.all("style") + drawn.all("script"))
    )


def test_the_policy_lets_the_page_s_own_style_and_script_through_and_nothing_else(case) -> None:
    source = page(case("ring order"))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', source)[1].replace(
        "&#39;", "'"
    )
    expected = {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}
    for tag in ("style", "script"):
        text = re.search(rf"<{tag}>(.*?)</{tag}>", source, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        expected[f"{tag}-src"] = f"'sha256-{digest}'"
    assert dict(part.split() for part in policy.split("; ")) == expected


def test_the_policy_forbids_no_style_that_the_page_uses(any_case) -> None:
    assert Page(any_case).attributes("style") == []


def test_every_link_has_its_target_and_every_target_its_own_name(any_case) -> None:
    drawn = Page(any_case)
    names = drawn.attributes("id")
    assert len(names) == len(set(names))
    assert {link[1:] for link in drawn.attributes("href")} <= set(names)


def test_a_conforming_scenario_costs_a_short_line(run_of, record_of) -> None:
    few, many = (
        len(page(run_of(*(record_of(f"s{i:05}") for i in range(count))))) for count in (100, 5000)
    )
    assert (many - few) / 4900 < 200


def test_past_a_number_of_failures_the_others_are_named_and_not_drawn(case, run_of) -> None:
    failing = case("ring order").records[0]
    run = run_of(*(failing.model_copy(update={"id": f"ring/s{i}"}) for i in range(205)))
    drawn = Page(run)
    assert (len(drawn.all("details", "scenario")), "ring/s204" in drawn.text) == (200, True)
