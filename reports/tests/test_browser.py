"""The page in a real browser, opened from disk: `tox -e browser`.

Needs the extra `[browser]` and a Chromium, as Debian's packages have one; conftest.py leaves this
file out of the suite.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from kvreports.html import page as page_of
from kvreports.model import Era, Run, TraceLine

Opened = Callable[..., Any]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    assert found, "no Chromium on this machine (Debian: apt-get install chromium)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any, tmp_path: Path) -> Iterator[Opened]:
    """Opens a run's page at an address on it. What is asked of any network, and errors, are kept."""
    contexts = []

    def open_(run: Run, address: str = "", **options: Any) -> Any:
        path = tmp_path / "index.html"
        path.write_text(options.pop("source", None) or page_of(run), encoding="utf-8")
        context = chromium.new_context(**options)
        contexts.append(context)
        tab = context.new_page()
        tab.requests, tab.errors = [], []
        tab.on("request", lambda request: tab.requests.append(request.url))
        tab.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.on("console", lambda message: tab.errors.append(message.text))
        tab.on("dialog", lambda dialog: tab.errors.append("a dialog"))
        tab.goto(path.as_uri() + address)
        if options.get("java_script_enabled", True) and "source" not in options:
            tab.wait_for_function("document.readyState === 'complete'")
        return tab

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture
def drawn(opened: Opened) -> Opened:
    """Opens a page and waits until its scripts have drawn it."""

    def draw(run: Run, address: str = "", **options: Any) -> Any:
        tab = opened(run, address, **options)
        tab.wait_for_selector("#app:not([hidden])")
        return tab

    return draw


def texts(tab: Any, selector: str) -> list[str]:
    """What a reader sees of the elements."""
    return [" ".join(text.split()) for text in tab.locator(selector).all_inner_texts()]


def listed(tab: Any) -> list[str]:
    """The names in the list of scenarios, also of those out of sight."""
    return tab.locator(".scenarios .id").all_text_contents()


# --- what is drawn


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
        ("crash", [], ["outcome not played returned nothing ≠"]),
        ("pinned", ["9", "2"], []),
        ("aside", [], ["error OutOfRangeError raised RankMismatchError: keys are 3-D ≠"]),
    ],
)
def test_the_first_divergence_is_drawn_and_what_differs_is_marked(name, slots, facts, drawn, case):
    tab = drawn(case(name))
    assert (texts(tab, ".stage td.differs"), texts(tab, ".stage tr.differs")) == (slots, facts)


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
    found = texts(drawn(case(name)), f".stage {selector}")
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


def why_of(case: Callable[[str], Run]) -> Run:
    run = case("offset only")
    declared = {"declared": "an-entry", "why": "by-design", "reason": "The port counts so."}
    record = run.records[0].model_copy(
        update={
            "findings": (run.records[0].findings[0].model_copy(update=declared),),
            "trace": (TraceLine(file="cache.py", line=7, text="self.offset += 1 = 9"),),
            "eras": (
                Era(letter="A", releases=("0.30.0", "0.31.0")),
                Era(letter="B", releases=("0.32.0",), change="offset: 0.31.0 8, 0.32.0 9"),
            ),
            "snippet": "print('a script')\n",
        }
    )
    return run.model_copy(update={"records": (record, *run.records[1:])})


@pytest.mark.parametrize(
    "text",
    [
        "Declared as an-entry (by-design): The port counts so.",
        "cache.py:7 self.offset += 1 = 9",
        "A 0.30.0 … 0.31.0",
        "B 0.32.0 offset: 0.31.0 8, 0.32.0 9",
    ],
)
def test_why_tells(text, drawn, case):
    assert text in " ".join(drawn(why_of(case)).locator(".why").inner_text().split())


def test_the_overview_has_a_scenario_by_release_in_which_each_cell_leads_to_its_scenario(
    drawn, case
):
    tab = drawn(why_of(case))
    assert texts(tab, ".eras td a") == ["A", "B"] or not tab.locator(".eras").is_visible()
    tab.locator("summary", has_text="Since when").click()
    tab.locator(".eras td a").nth(1).click()
    assert "scenario=ring/one" in tab.url


# --- stepping, filters, links


def heading(tab: Any) -> str:
    return texts(tab, ".stepper h3")[0]


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
    assert heading(tab) == expected


def test_arrow_keys_in_the_text_filter_stay_there(drawn, case):
    tab = drawn(case("ring order"))
    tab.locator("input[name=q]").focus()
    tab.keyboard.press("ArrowLeft")
    assert heading(tab) == "Step 2 decode 8"


def test_a_step_is_reached_and_chosen_by_keyboard_alone(drawn, case):
    tab = drawn(case("ring order"))
    tab.locator(".steps a").first.focus()
    tab.keyboard.press("Enter")
    assert heading(tab) == "Step 1 decode 7"
    assert tab.evaluate("document.activeElement.getAttribute('aria-current')") == "step"


def test_the_address_holds_the_step_and_opens_there_again(drawn, case):
    run = case("ring order")
    tab = drawn(run)
    tab.keyboard.press("ArrowLeft")
    address = "#" + tab.url.partition("#")[2]
    assert address == "#scenario=ring/one&at=0"
    assert heading(drawn(run, address)) == "Step 1 decode 7"


def test_an_address_of_no_scenario_says_so(drawn, case):
    tab = drawn(case("ring order"), "#scenario=ring/none")
    assert texts(tab, ".detail") == ["No scenario on this page is called ring/none."]


def two_kinds(case: Callable[[str], Run], run_of: Any, record_of: Any) -> Run:
    failing = case("offset only").records[0]
    other = case("mask").records[0].model_copy(update={"id": "ring/masks", "kinds": ("standard",)})
    return run_of(failing, other, record_of("two", operations=("trim",), kinds=("chunked",)))


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
def test_a_filter_is_kept_in_the_address_and_by_it(
    control, value, hash_, left, drawn, case, run_of, record_of
):
    run = two_kinds(case, run_of, record_of)
    tab = drawn(run)
    field = tab.locator(f"[name={control}]")
    field.fill(value) if control == "q" else field.select_option(value)
    assert (listed(tab), tab.url.partition("#")[2]) == (left, hash_)
    again = drawn(run, f"#{hash_}")
    assert listed(again) == left
    assert again.locator(f"[name={control}]").input_value() == value
    again.get_by_role("button", name="show all").click()
    assert len(listed(again)) == 3


def test_a_cell_of_the_matrix_leads_to_its_scenarios(drawn, case, run_of, record_of):
    tab = drawn(two_kinds(case, run_of, record_of))
    tab.locator("summary", has_text="kind by operation").click()
    tab.get_by_role("link", name="trim, chunked: 0 of 1 fail").click()
    assert (listed(tab), texts(tab, ".scenario h2")) == (
        ["ring/two"],
        ["conform ring/two"],
    )


def test_a_count_leads_to_the_scenarios_of_that_verdict(drawn, case):
    tab = drawn(case("ring order"))
    tab.get_by_role("link", name="1 conform").click()
    assert listed(tab) == ["ring/two"]


def test_back_returns_to_the_scenario_before(drawn, case, run_of, record_of):
    tab = drawn(two_kinds(case, run_of, record_of))
    tab.locator(".scenarios a").nth(1).click()
    tab.locator(".scenarios a").nth(2).click()
    tab.go_back()
    assert texts(tab, ".scenario h2") == ["diverge ring/masks"]


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
def test_copying(button, expected, drawn, case):
    tab = drawn(why_of(case), permissions=["clipboard-read", "clipboard-write"])
    tab.get_by_role("button", name=button).click()
    tab.get_by_role("button", name="Copied").wait_for()
    copied = tab.evaluate("navigator.clipboard.readText()")
    assert copied == (tab.url.partition("#")[0] + expected if "#" in expected else expected)


def test_copying_works_where_the_clipboard_is_forbidden(drawn, case):
    tab = drawn(why_of(case), permissions=["clipboard-read", "clipboard-write"])
    tab.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    tab.get_by_role("button", name="Copy YAML").click()
    tab.get_by_role("button", name="Copied").wait_for()
    assert tab.evaluate("navigator.clipboard.readText()").startswith("family: ring")


# --- how it looks: dark, narrow, on paper, without scripts


def test_it_is_dark_where_the_reader_wants_it_dark(drawn, case):
    papers = [
        drawn(case("mask"), color_scheme=scheme).evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("light", "dark")
    ]
    assert papers == ["rgb(255, 255, 255)", "rgb(15, 20, 25)"]


def test_nothing_sticks_out_on_a_phone(any_case, drawn):
    tab = drawn(any_case, viewport={"width": 360, "height": 740})
    assert tab.evaluate("document.documentElement.scrollWidth") == 360


def test_on_paper_the_chosen_step_is_whole_and_nothing_is_there_to_press(drawn, case):
    tab = drawn(case("ring order"))
    tab.emulate_media(media="print")
    assert [
        tab.locator(part).is_visible() for part in (".strip >> nth=0", ".why, .take >> nth=0")
    ] == [
        True,
        True,
    ]
    assert not any(one.is_visible() for one in tab.locator("button, select, input").all())


def test_without_scripts_there_is_the_list_with_the_tables(opened, case):
    tab = opened(case("ring order"), java_script_enabled=False)
    assert "cache idx 1 5 ≠" in texts(tab, "#list tr.differs")
    assert not tab.locator("#app").is_visible()


@pytest.mark.parametrize("data", ["", "bm90IGd6aXA="], ids=["no data", "damaged data"])
def test_where_the_data_cannot_be_read_the_static_list_stays(data, opened, case):
    run = case("ring order")
    source = re.sub(r'(id="data">)[^<]*', rf"\g<1>{data}", page_of(run))
    tab = opened(run, source=source)
    tab.wait_for_function("!document.documentElement.classList.contains('scripted')")
    assert tab.locator("#list").is_visible()


# --- safe and for everybody


def test_no_request_leaves_and_no_error_shows(any_case, drawn):
    tab = drawn(any_case)
    assert [url for url in tab.requests if not url.startswith("file:")] == []
    assert (len(tab.requests), tab.errors) == (1, [])


@pytest.mark.parametrize(
    "attempt",
    [
        "fetch('http://127.0.0.1:9/')",
        "new Promise((_, fail) => { const i = new Image(); i.onerror = fail; i.src = 'http://127.0.0.1:9/'; })",
        "import('data:text/javascript,1')",
    ],
)
def test_the_policy_blocks_what_the_page_never_does(attempt, drawn, case):
    tab = drawn(case("mask"))
    tab.evaluate(f"{attempt}.catch(() => null)")
    assert any("Content Security Policy" in error for error in tab.errors)


def test_hostile_text_is_shown_as_text(drawn, case):
    tab = drawn(case("hostile"))
    shown = tab.locator("body").inner_text()
    assert r"<script>alert(1)</script>\x1b[31m\u202e[bold]&quot;'" in shown
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown) is None
    assert (tab.locator("script").count(), tab.errors) == (2, [])


def test_hostile_yaml_is_copied_as_it_is(drawn, case):
    run = case("hostile")
    tab = drawn(run, permissions=["clipboard-read", "clipboard-write"])
    tab.get_by_role("button", name="Copy YAML").click()
    tab.get_by_role("button", name="Copied").wait_for()
    assert tab.evaluate("navigator.clipboard.readText()") == run.records[0].yaml


@pytest.mark.parametrize("width", [360, 1280])
def test_a_name_of_ten_thousand_characters_stays_inside_the_page(width, drawn, case):
    run = case("ring order")
    record = run.records[0].model_copy(update={"id": "n" * 10_000, "about": "a" * 10_000})
    tab = drawn(
        run.model_copy(update={"records": (record,)}), viewport={"width": width, "height": 800}
    )
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.locator(".stage").bounding_box()["y"] < 1500


def violations(tab: Any) -> list[str]:
    found = Axe().run(tab).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


def test_axe_finds_nothing(any_case, drawn):
    tab = drawn(any_case)
    tab.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    assert violations(tab) == []


@pytest.mark.parametrize("name", ["ring order", "mask", "batch padding", "raised", "conform"])
def test_axe_finds_nothing_in_the_dark(name, drawn, case):
    tab = drawn(case(name), color_scheme="dark")
    tab.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    assert violations(tab) == []


def test_axe_finds_nothing_in_what_explains_a_failure(drawn, case):
    assert violations(drawn(why_of(case))) == []


def test_axe_finds_nothing_without_scripts_either(opened, case):
    tab = opened(case("ring order"))
    tab.evaluate("document.documentElement.classList.remove('scripted')")
    tab.evaluate("document.getElementById('app').hidden = true")
    assert violations(tab) == []


def test_axe_would_find_a_control_without_a_name(drawn, case):
    tab = drawn(case("mask"))
    tab.evaluate("document.querySelector('select').closest('label').querySelector('span').remove()")
    assert any(one.startswith("select-name") for one in violations(tab))
