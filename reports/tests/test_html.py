"""The page as it stands without its scripts, read back as a browser would take it apart.

What the scripts make of it is tested in a browser: `browser/`.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

import pytest

from kvreports.html import page
from kvreports.model import Run
from kvreports.words import plain

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
    ("name", "facts"),
    [
        (
            "ring order",
            [
                "cache keys [8, 1, 2, 3, 4, 5, 6, 7] [0, 1, 2, 3, 8, 5, 6, 7] ≠",
                "cache values [8, 1, 2, 3, 4, 5, 6, 7] [0, 1, 2, 3, 8, 5, 6, 7] ≠",
                "cache idx 1 5 ≠",
            ],
        ),
        ("offset only", ["cache offset 10 9 ≠"]),
        ("mask", ["returned xx.. xxx. xx.. .xx. ≠"]),
        ("raised", ["outcome raised ValueError: too far returned 6 ≠"]),
        ("dtype", ["returned [0, 1, 2] ≠"]),
        ("missing cache", ["extra not there there ≠"]),
        ("numbers", ["returned float32 [3] 1.0, 2.0, 3.5 float32 [3] 1.0, 2.0, 3.0 ≠"]),
        (
            "later numbers",
            [
                "returned float32 [2] 1.0, 2.0 sha256 000000000000"
                " float32 [2] 1.0, 2.0 sha256 111111111111 ≠"
            ],
        ),
        ("crash", ["outcome not played returned nothing ≠"]),
        ("pinned", []),
        ("aside", []),
        ("conform", []),
    ],
)
def test_what_differs_is_marked_and_nothing_else(name, facts, case) -> None:
    assert Page(case(name)).all("tr", "differs") == facts


def test_what_the_reference_did_aside_is_shown(case) -> None:
    assert "aside reference (aside, on a copy): returned nothing" in Page(case("aside")).all("tr")


@pytest.mark.parametrize(
    "text",
    [
        "kvimpl does not conform to mlx-lm==0.32.2: 1 of 2 scenarios fails.",
        "kvimpl 1.2.3",
        "cache.py sha256 " + "c96cb169" * 8,
        "Python 3.11.7, Linux x86_64, Device(cpu, 0)",
        "kvparity run 'ring/*'",
        "What only this one would catch.",
        "family: ring\nscenarios:\n- name: one\n",
        "kvparity run scenario.yaml --subject kvimpl --reference mlx-lm==0.32.2",
        "step 2, decode 8: keys, slot 0: subject holds token 8, reference holds token 0",
    ],
)
def test_a_reader_without_scripts_finds(text: str, case) -> None:
    assert text in Page(case("ring order")).text


def test_a_declared_difference_comes_with_its_reason(case, run_of) -> None:
    [failing, _] = case("offset only").records
    why = {"declared": "an-entry", "why": "by-design", "reason": "The port counts so."}
    findings = (failing.findings[0].model_copy(update=why),)
    run = run_of(failing.model_copy(update={"findings": findings, "verdict": "declared"}))
    assert "Declared as an-entry (by-design): The port counts so." in Page(run).all("p")


def test_a_run_at_one_level_is_reproduced_at_that_level(case) -> None:
    run = case("ring order")
    header = run.header.model_copy(update={"levels": ("state",)})
    assert "--level state" in page(run.model_copy(update={"header": header}))


def data_of(run: Run) -> dict[str, Any]:
    """What the scripts draw from."""
    packed = re.search(r'<script type="text/plain" id="data">([^<]*)</script>', page(run))[1]
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def test_the_page_carries_the_records_of_what_was_found_whole(case) -> None:
    run = case("ring order")
    assert data_of(run)["scenarios"][0]["record"] == run.records[0].model_dump(mode="json")


def test_the_page_carries_of_a_conforming_scenario_what_it_is(case) -> None:
    conforming = data_of(case("ring order"))["scenarios"][1]["record"]
    assert set(conforming) == {
        "id",
        "file",
        "line",
        "about",
        "source",
        "kinds",
        "operations",
        "steps",
        "verdict",
    }


def test_the_same_run_gives_the_same_page(any_case) -> None:
    assert page(any_case) == page(any_case)


def test_whole_numbers_that_scripts_would_round_are_carried_as_text(case) -> None:
    run = case("offset only")
    huge = run.records[0].findings[0].model_copy(update={"subject": 2**64 - 1})
    record = run.records[0].model_copy(
        update={"findings": (huge,), "about": "x, 12345678901234567890, y"}
    )
    [found] = data_of(run.model_copy(update={"records": (record,)}))["scenarios"]
    assert found["record"]["findings"][0]["subject"] == "18446744073709551615"
    assert found["record"]["about"] == "x, 12345678901234567890, y"


def test_hostile_text_makes_no_element(case) -> None:
    hostile, tame = Page(case("hostile")), Page(case("ring order"))
    assert len(hostile.all("script")) == 2
    assert {tag for tag, _ in hostile.elements} <= {tag for tag, _ in tame.elements} | {"section"}


def test_hostile_text_makes_no_attribute(case) -> None:
    hostile, tame = Page(case("hostile")), Page(case("raised"))
    names = {name for _, attrs in hostile.elements for name in attrs}
    assert names <= {name for _, attrs in tame.elements for name in attrs} | {"colspan"}


def test_hostile_text_is_shown_as_it_is_written(case) -> None:
    shown = r"<script>alert(1)</script>\x1b[31m\u202e[bold]&quot;'" + '"'
    assert Page(case("hostile")).text.count(shown) >= 15


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
    links = {plain(unquote(link[1:])) for link in drawn.attributes("href")}
    assert links <= set(names)


def test_a_conforming_scenario_costs_a_short_line(run_of, record_of) -> None:
    few, many = (
        len(page(run_of(*(record_of(f"s{i:05}") for i in range(count))))) for count in (100, 5000)
    )
    assert (many - few) / 4900 < 200


def test_past_a_number_of_failures_the_others_are_named_without_their_tables(case, run_of) -> None:
    failing = case("ring order").records[0]
    run = run_of(*(failing.model_copy(update={"id": f"ring/s{i}"}) for i in range(205)))
    drawn = Page(run)
    assert (len(drawn.all("article")), "ring/s204" in drawn.text) == (200, True)
