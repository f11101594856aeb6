"""Stepping, filtering, following links and copying, in a browser."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([], "Step 2 decode 8"),
        (["ArrowLeft"], "Step 1 decode 7"),
        (["ArrowLeft", "ArrowLeft"], "Step 1 decode 7"),
        (["ArrowLeft", "ArrowRight"], "Step 2 decode 8"),
        (["ArrowRight"], "Step 2 decode 8"),
    ],
)
def test_the_arrow_keys_step(keys, expected, drawn, case):
    tab = drawn(case("ring order"))
    for key in keys:
        tab.keyboard.press(key)
    assert tab.heading() == expected


def test_arrow_keys_in_the_text_filter_stay_there(drawn, case):
    tab = drawn(case("ring order"))
    tab.locator("input[name=q]").focus()
    tab.keyboard.press("ArrowLeft")
    assert tab.heading() == "Step 2 decode 8"


def test_a_step_is_reached_and_chosen_by_keyboard_alone(drawn, case):
    tab = drawn(case("ring order"))
    tab.locator(".steps a").first.focus()
    tab.keyboard.press("Enter")
    assert tab.heading() == "Step 1 decode 7"
    assert tab.evaluate("document.activeElement.getAttribute('aria-current')") == "step"


def test_the_address_holds_the_step_and_opens_there_again(drawn, case):
    run = case("ring order")
    tab = drawn(run)
    tab.keyboard.press("ArrowLeft")
    address = "#" + tab.url.partition("#")[2]
    assert address == "#scenario=ring/one&at=0"
    assert drawn(run, address).heading() == "Step 1 decode 7"


def test_an_address_of_no_scenario_says_so(drawn, case):
    tab = drawn(case("ring order"), "#scenario=ring/none")
    assert tab.texts(".detail") == ["No scenario on this page is called ring/none."]


@pytest.mark.parametrize(
    ("control", "value", "hash_", "left"),
    [
        ("verdict", "conform", "verdict=conform", ["ring/two"]),
        ("kind", "chunked", "kind=chunked", ["ring/two"]),
        ("op", "trim", "op=trim", ["ring/two"]),
        ("level", "returned", "level=returned", ["ring/masks"]),
        ("q", "MASKS it", "q=MASKS%20it", ["ring/masks"]),
        ("q", "nothing has this", "q=nothing%20has%20this", []),
    ],
)
def test_a_filter_is_kept_in_the_address_and_by_it(control, value, hash_, left, drawn, two_kinds):
    run = two_kinds
    tab = drawn(run)
    field = tab.locator(f"[name={control}]")
    field.fill(value) if control == "q" else field.select_option(value)
    assert (tab.listed(), tab.url.partition("#")[2]) == (left, hash_)
    again = drawn(run, f"#{hash_}")
    assert again.listed() == left
    assert again.locator(f"[name={control}]").input_value() == value
    again.get_by_role("button", name="show all").click()
    assert len(again.listed()) == 3


def test_a_cell_of_the_matrix_leads_to_its_scenarios(drawn, two_kinds):
    tab = drawn(two_kinds)
    tab.locator("summary", has_text="kind by operation").click()
    tab.get_by_role("link", name="trim, chunked: 0 of 1 fail").click()
    assert (tab.listed(), tab.texts(".scenario h2")) == (
        ["ring/two"],
        ["conform ring/two"],
    )


def test_a_count_leads_to_the_scenarios_of_that_verdict(drawn, case):
    tab = drawn(case("ring order"))
    tab.get_by_role("link", name="1 conform").click()
    assert tab.listed() == ["ring/two"]


def test_back_returns_to_the_scenario_before(drawn, two_kinds):
    tab = drawn(two_kinds)
    tab.locator(".scenarios a").nth(1).click()
    tab.locator(".scenarios a").nth(2).click()
    tab.go_back()
    assert tab.texts(".scenario h2") == ["diverge ring/masks"]


# --- taking away


@pytest.mark.parametrize(
    ("button", "expected"),
    [
        ("Copy YAML", "family: ring\nscenarios:\n- name: one\n"),
        ("Copy mlx-lm script", "print('a script')\n"),
        ("Copy command", "kvparity run scenario.yaml --subject kvimpl --reference mlx-lm==0.32.2"),
        ("Copy link to this step", "#scenario=ring/one&at=1"),
    ],
)
def test_copying(button, expected, drawn, told):
    tab = drawn(told, permissions=["clipboard-read", "clipboard-write"])
    tab.get_by_role("button", name=button).click()
    tab.get_by_role("button", name="Copied").wait_for()
    copied = tab.evaluate("navigator.clipboard.readText()")
    assert copied == (tab.url.partition("#")[0] + expected if "#" in expected else expected)


def test_copying_works_where_the_clipboard_is_forbidden(drawn, told):
    tab = drawn(told, permissions=["clipboard-read", "clipboard-write"])
    tab.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    tab.get_by_role("button", name="Copy YAML").click()
    tab.get_by_role("button", name="Copied").wait_for()
    assert tab.evaluate("navigator.clipboard.readText()").startswith("family: ring")


def test_what_is_open_at_the_start_is_in_sight_in_the_list_however_long_that_is(
    drawn, case, run_of
):
    failing = case("ring order").records[0]
    records = [failing.model_copy(update={"id": f"ring/s{i}", "ops_total": 9}) for i in range(300)]
    records[250] = records[250].model_copy(update={"ops_total": 1})
    tab = drawn(run_of(*records), viewport={"width": 1280, "height": 900})
    chosen, list_ = tab.locator(".list [aria-current]"), tab.locator(".list")
    assert chosen.inner_text().splitlines()[1] == "ring/s250"
    assert abs(chosen.bounding_box()["y"] - list_.bounding_box()["y"]) < 10
