"""What the page draws of a scenario, in a browser."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("name", "slots", "facts"),
    [
        ("ring order", ["8", "4", "0", "8"], ["idx 1 5 ≠"]),
        ("offset only", [], ["offset 10 9 ≠"]),
        ("mask", ["x", "."], []),
        ("batch mask", [".", "x"], []),
        ("batch padding", [], ["left_padding [0, 1] [1, 0] ≠"]),
        ("quantized", ["1", "1"], ["keys, row 0, slot 1: digest of its numbers 02 12 ≠"]),
        ("arrays", ["2", "3"], []),
        ("long", ["599", "0"], []),
        ("raised", [], ["outcome raised ValueError: too far returned 6 ≠"]),
        (
            "dtype",
            [],
            ["returned float16 [1, 2, 3, 4] float32 [1, 2, 3, 4] ≠"],
        ),
        ("missing cache", [], ["cache not there there ≠"]),
        ("numbers", [], ["returned [1, 2, 3.5] [1, 2, 3] ≠"]),
        (
            "later numbers",
            [],
            [
                "returned float32 [2] [1, 2], sha256 000000000000"
                " float32 [2] [1, 2], sha256 111111111111 ≠"
            ],
        ),
        ("crash", [], ["outcome not played returned nothing ≠"]),
        (
            "layout",
            [],
            ["part 1 1.0: KVCache 0.0: KVCache ≠", "part 2 not there 1.x: y ≠"],
        ),
        ("lacking", [], ["outcome not played returned nothing ≠"]),
        ("promised", [], ["offset [3, 2] [4, 3] ≠"]),
        ("pinned", ["9", "2"], []),
        ("aside", [], ["error OutOfRangeError raised RankMismatchError: keys are 3-D ≠"]),
    ],
)
def test_the_first_divergence_is_drawn_and_what_differs_is_marked(name, slots, facts, drawn, case):
    tab = drawn(case(name))
    assert (tab.texts(".stage td.differs"), tab.texts(".stage tr.differs")) == (slots, facts)


@pytest.mark.parametrize(
    ("name", "selector", "expected"),
    [
        ("ring order", ".band", ["keep", ""]),
        ("ring order", ".strip .slot.cursor", ["►1", "►5"]),
        ("batch padding", ".strip .slot.padding", ["·", "4"]),
        ("batch padding", ".strip caption", ["keys and values, row 0", "keys and values, row 1"]),
        ("batch mask", "figcaption", None),
        ("long", ".strip .gap button", ["+589"]),
    ],
)
def test_slots_are_told_apart_by_more_than_colour(name, selector, expected, drawn, case):
    found = drawn(case(name)).texts(f".stage {selector}")
    if expected is None:
        assert [text.split(" x ")[0] for text in found] == [
            "returned, batch row 0",
            "returned, batch row 1",
        ]
    else:
        assert found == expected


def test_a_gap_unfolds_and_keeps_the_keyboard_where_it_was(drawn, case):
    tab = drawn(case("long"))
    tab.locator(".strip .gap button").click()
    assert tab.locator(".strip thead th").count() == 600
    assert tab.evaluate("document.activeElement.className") == "scroll"


def test_a_long_scenario_folds_its_steps_and_unfolds_them(drawn, case):
    tab = drawn(case("long"))
    folded = tab.locator(".steps > li").count()
    tab.locator(".steps .gap button").first.click()
    assert (folded < 20, tab.locator(".steps > li").count()) == (True, 40)


@pytest.mark.parametrize(
    "text",
    [
        "Declared as an-entry (by-design): The port counts so.",
        "cache.py:7 self.offset += 1 = 9",
        "A 0.30.0 … 0.31.0",
        "B 0.32.0 offset: 0.31.0 8, 0.32.0 9",
    ],
)
def test_a_scenario_tells_why(text, drawn, told):
    assert text in " ".join(drawn(told).locator(".scenario").inner_text().split())


def test_the_overview_has_a_scenario_by_release_in_which_each_cell_leads_to_its_scenario(
    drawn, told
):
    tab = drawn(told)
    assert tab.texts(".eras td a") == ["A", "B"] or not tab.locator(".eras").is_visible()
    tab.locator("summary", has_text="Since when").click()
    tab.locator(".eras td a").nth(1).click()
    assert "scenario=ring/one" in tab.url
