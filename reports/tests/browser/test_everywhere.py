"""Dark, narrow, on paper, without scripts; nothing loaded, nothing run, axe-core's rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from kvreports.html import page as page_of
from kvreports.pairs import Pair
from kvreports.pairs import page as page_of_pairs


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
    assert "cache idx 1 5 ≠" in tab.texts("#list tr.differs")
    assert not tab.locator("#app").is_visible()


@pytest.mark.parametrize("data", ["", "bm90IGd6aXA="], ids=["no data", "damaged data"])
def test_where_the_data_cannot_be_read_the_static_list_stays(data, opened, case):
    run = case("ring order")
    source = re.sub(r'(id="data">)[^<]*', rf"\g<1>{data}", page_of(run))
    tab = opened(run, source=source)
    tab.locator("#list article").wait_for()
    assert "cache idx 1 5 ≠" in tab.texts("#list tr.differs")


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


def test_axe_finds_nothing_in_what_explains_a_failure(drawn, told):
    assert violations(drawn(told)) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_page_over_several_runs(scheme, opened, case):
    runs = [case("ring order"), case("conform"), case("hostile")]
    source = page_of_pairs([Pair(run, f"{at}.html") for at, run in enumerate(runs)])
    tab = opened(
        runs[0], source=source, color_scheme=scheme, viewport={"width": 390, "height": 800}
    )
    assert (violations(tab), tab.errors, len(tab.requests)) == ([], [], 1)
    assert tab.evaluate("document.documentElement.scrollWidth") == 390


def test_a_cell_of_the_page_over_several_runs_opens_the_scenario(opened, case):
    run = case("mask")
    tab = opened(run, source=page_of_pairs([Pair(run, "one.html")] * 2))
    Path(tab.url.removeprefix("file://")).with_name("one.html").write_text(page_of(run), "utf-8")
    tab.get_by_role("link", name=": diverge").first.click()
    tab.wait_for_selector(".stage")
    assert tab.locator(".scenario h2").inner_text().endswith(run.records[0].id)


def test_axe_finds_nothing_in_the_static_list(opened, case):
    run = case("ring order")
    tab = opened(run, source=re.sub(r'(id="data">)[^<]*', r"\1", page_of(run)))
    tab.locator("#list article").wait_for()
    assert violations(tab) == []


def test_hostile_text_in_the_static_list_is_shown_as_text(opened, case):
    run = case("hostile")
    tab = opened(run, source=re.sub(r'(id="data">)[^<]*', r"\1", page_of(run)))
    tab.locator("#list article").wait_for()
    assert r"<script>alert(1)</script>\x1b[31m" in tab.locator("#list").inner_text()
    assert (tab.locator("script").count(), "a dialog" in tab.errors) == (2, False)


def test_axe_would_find_a_control_without_a_name(drawn, case):
    tab = drawn(case("mask"))
    tab.evaluate("document.querySelector('select').closest('label').querySelector('span').remove()")
    assert any(one.startswith("select-name") for one in violations(tab))
