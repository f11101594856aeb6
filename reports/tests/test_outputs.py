"""The forms of a run for other programs: each as its own readers take it apart."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import xmlschema
from junitparser import JUnitXml

from kvreports.formats import FORMATS, as_format
from kvreports.github import as_annotations
from kvreports.junit import as_junit
from kvreports.markdown import as_markdown
from kvreports.sarif import as_sarif

DATA = Path(__file__).parent / "data"
SHOWN = r"\x1b[31m\u202e"
"""How the control characters of the hostile text are spelled out."""
HOSTILE_NAME = "a/../../etc/x\n::error::y\r\n<b>|`%,:@team"


def told(run, name: str) -> str:
    return as_format(run, name, Path("report/index.html"))


@pytest.fixture(scope="module")
def junit_schema() -> xmlschema.XMLSchema:
    """What the Jenkins plug-in for xUnit accepts; it is kept as pytest's own tests have it."""
    return xmlschema.XMLSchema(DATA / "junit-10.xsd")


def test_junit_is_what_ci_systems_accept(any_case, junit_schema) -> None:
    assert [str(error) for error in junit_schema.iter_errors(as_junit(any_case))] == []


@pytest.mark.parametrize(
    ("verdict", "element"),
    [
        ("conform", None),
        ("declared", "system-out"),
        ("unsupported", "skipped"),
        ("diverge", "failure"),
        ("refused", "failure"),
        ("subject-moved", "failure"),
        ("reference-moved", "failure"),
        ("crashed", "error"),
        ("timeout", "error"),
    ],
)
def test_the_junit_element_of_each_verdict(verdict: str, element, run_of, record_of) -> None:
    (case,) = next(iter(JUnitXml.fromstring(as_junit(run_of(record_of(verdict=verdict))).encode())))
    assert [part.tag for part in case._elem] == ([element] if element else [])


def test_junit_counts_what_fails(case, run_of, record_of) -> None:
    run = run_of(
        record_of("a", verdict="crashed"),
        record_of("b", verdict="unsupported"),
        *case("ring order").records,
        ledger=case("hostile").footer.ledger,
    )
    document = JUnitXml.fromstring(as_junit(run).encode())
    assert (document.tests, document.failures, document.errors) == (5, 2, 1)
    assert {suite.name: (suite.failures, suite.skipped) for suite in document} == {
        "ring": (1, 1),
        "ledger": (1, 0),
    }


def test_a_junit_failure_tells_the_steps_up_to_the_one_that_differs(case) -> None:
    document = JUnitXml.fromstring(as_junit(case("offset only")).encode())
    (text,) = (result.text for case in next(iter(document)) for result in case.result)
    assert "step 2: decode 8   <- here\nsubject offset: 10\nreference offset: 9\n" in text


def test_sarif_is_what_its_schema_says(any_case) -> None:
    schema = json.loads((DATA / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    found = jsonschema.Draft4Validator(schema).iter_errors(json.loads(as_sarif(any_case)))
    assert [error.message for error in found] == []


def test_sarif_places_a_result_on_the_scenarios_line(case) -> None:
    (run,) = json.loads(as_sarif(case("offset only")))["runs"]
    (result,) = run["results"]
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "corpus/ring.yaml"},
        "region": {"startLine": 3},
    }


def test_an_annotation_stands_on_the_scenarios_line(case) -> None:
    assert as_annotations(case("offset only")).startswith(
        "::error file=corpus/ring.yaml,line=3,title=diverge%3A ring/one::it differs%0A"
    )


def test_a_passing_run_is_one_notice(case) -> None:
    assert as_annotations(case("conform")).startswith("::notice title=kvparity::")


def test_ten_annotations_at_most_and_the_last_counts_the_others(run_of, record_of) -> None:
    run = run_of(*(record_of(f"s{i}", verdict="diverge") for i in range(14)))
    lines = as_annotations(run).splitlines()
    assert (len(lines), "5 more fail" in lines[-1]) == (10, True)


def test_an_annotation_is_escaped_as_githubs_toolkit_does_it(run_of, record_of) -> None:
    bad = record_of(HOSTILE_NAME, verdict="diverge", file="a,b:c%.yaml", summary="50%\nno")
    (line,) = as_annotations(run_of(bad)).splitlines()
    properties, _, message = line.removeprefix("::error ").partition("::")
    assert properties.startswith(
        "file=a%2Cb%3Ac%25.yaml,line=3,title=diverge%3A ring/a/../../etc/x"
    )
    assert message.startswith("50%25%0Ano%0A")


def test_markdown_names_what_fails_and_where(case) -> None:
    text = as_markdown(case("ring order"))
    assert "kvimpl does not conform to mlx-lm==0.32.2: 1 of 2 scenarios fails." in text
    assert "| diverge | ring/one | it differs |" in text


@pytest.mark.parametrize("name", FORMATS)
def test_hostile_text_reaches_no_output_raw(name: str, case) -> None:
    text = told(case("hostile"), name)
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text) is None
    if name not in {"terminal", "json", "github", "sarif"}:
        assert "<script>alert" not in text
    if name == "json":
        assert text.isascii()
    else:
        assert SHOWN.replace("\\", "\\\\") in text or SHOWN in text or r"\x1b\[31m" in text


@pytest.mark.parametrize("name", ["markdown", "github", "junit", "sarif", "terminal"])
def test_a_hostile_name_breaks_no_line(name: str, run_of, record_of) -> None:
    run = run_of(record_of(HOSTILE_NAME, verdict="diverge"))
    lines = told(run, name).splitlines()
    assert [line for line in lines if line.startswith(("::error::y", "<b>"))] == []


def test_a_hostile_name_makes_no_markup_and_mentions_nobody(run_of, record_of) -> None:
    text = as_markdown(run_of(record_of(HOSTILE_NAME, verdict="diverge")))
    assert "@" not in text
    row = next(line for line in text.splitlines() if line.startswith("| diverge") and "etc" in line)
    assert row.replace("\\|", "").count("|") == 4
