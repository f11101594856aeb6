"""Every locked release, real, from the package index or the store: what the adapter makes of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kvoracle import lock
from kvparity.commands.oracle import have
from kvparity.everyrelease import EveryRelease
from kvparity.program import Program
from kvparity.subjects import resolve
from kvreports import timeline, timeline_text
from kvscenarios import Scenario
from kvscenarios.select import select

DOCS = Path(__file__).parents[2] / "docs" / "timelines.md"
PAST_THE_END = re.compile(r"no-such-row")
"""What makes mlx read beyond an array: it does not check, and may take the process down."""


@pytest.fixture(scope="module")
def every() -> EveryRelease:
    assert have(list(lock.releases()))
    return EveryRelease(lock.releases())


@pytest.fixture(scope="module")
def corpus() -> dict[str, Scenario]:
    return {
        scenario.id: scenario
        for scenario in select([], None)
        if not PAST_THE_END.search(scenario.id)
    }


def test_no_release_crashes_or_is_called_wrongly(
    every: EveryRelease, corpus: dict[str, Scenario]
) -> None:
    wrong = []
    for scenario in list(corpus.values())[::9]:  # a ninth, spread over all families
        for played in every.play(Program(scenario)):
            trace = played.trace
            if trace.stop is not None and trace.stop.why == "crashed":
                wrong.append((scenario.id, played.release, trace.stop.message))
            wrong += [
                (scenario.id, played.release, entry.raised.message)
                for entry in trace.entries
                if entry.raised and "unexpected keyword argument" in entry.raised.message
            ]
    assert wrong == []


@pytest.mark.parametrize(
    ("release", "kind", "steps", "said"),
    [
        ("0.19.1", "{kind: quantized}", "[observe]", "no QuantizedKVCache in it (mlx-lm has it since 0.19.3)"),
        ("0.25.2", "{kind: concatenate}", "[observe]", "no ConcatenateKVCache in it (mlx-lm has it since 0.25.3)"),
        ("0.27.1", "{kind: batch, left_padding: [0]}", "[observe]", "no BatchKVCache in it (mlx-lm has it since 0.28.0)"),
        ("0.27.1", "{kind: arrays, size: 2, left_padding: [1]}", "[observe]", "no ArraysCache(left_padding) in it"),
        ("0.27.1", "{kind: standard}", "[{make_mask: {n: 2, window_size: 1}}]", "no base.create_attention_mask(window_size) in it"),
        ("0.31.1", "{kind: tokens}", "[observe]", "no TokenBuffer in it (mlx-lm has it since 0.31.2)"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("every")
def test_what_a_release_lacks_is_unsupported_with_the_release_that_has_it(
    release: str, kind: str, steps: str, said: str
) -> None:
    from kvscenarios import load_text

    text = f"family: f\nscenarios:\n  - name: s\n    cache: {kind}\n    steps: {steps}\n"
    trace = resolve(f"mlx-lm=={release}").driver.play(Program(load_text(text)[0]))
    assert trace.stop is not None
    assert trace.stop.why == "unsupported"
    assert said in trace.stop.message


@pytest.mark.parametrize(
    ("scenario", "row"),
    [
        (
            "state/rotating-prefill-right-after-a-round-trip@seen=4",
            "A 0.19.1 ... 0.19.3 | B 0.20.1 ... 0.28.0 | A 0.28.1 ... 0.32.2",
        ),
        (
            "masks/causal-with-a-window",
            "A 0.19.1 ... 0.21.5 | B 0.22.0 ... 0.26.3 | C 0.26.4 ... 0.32.2",
        ),
        (
            "masks/which-form-of-mask",
            "- 0.19.1 ... 0.27.1 | A 0.28.0 ... 0.30.5 | B 0.30.6 ... 0.32.2",
        ),
        ("rotating/keeps-prefix-and-window", "A 0.19.1 ... 0.32.2"),
    ],
)
def test_real_changes_are_found_where_they_were_made(
    scenario: str, row: str, every: EveryRelease, corpus: dict[str, Scenario]
) -> None:
    found = every.timeline(Program(corpus[scenario]))
    assert timeline_text.runs(found) == row


def test_the_table_in_the_docs_is_what_the_tool_says(
    every: EveryRelease, corpus: dict[str, Scenario]
) -> None:
    page = DOCS.read_text(encoding="utf-8")
    table = page.split("<!-- table: begin -->")[1].split("<!-- table: end -->")[0]
    written = dict(map(_stretches, re.findall(r"^\| `.*", table, re.MULTILINE)))
    assert len(written) >= 10
    made = (timeline_text.markdown_row(every.timeline(Program(corpus[id_]))) for id_ in written)
    assert dict(map(_stretches, made)) == written


def _stretches(row: str) -> tuple[str, str]:
    """A row's scenario and stretches; how mlx words its errors is left out."""
    name, stretches = row.split(" | ")[:2]
    return name.strip("| `"), stretches


def test_a_timeline_as_json_is_what_its_schema_says(
    every: EveryRelease, corpus: dict[str, Scenario]
) -> None:
    import jsonschema

    found = every.timeline(Program(corpus["masks/causal-with-a-window"]))
    published = json.loads(timeline.SCHEMA_PATH.read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(found.model_dump_json()), published)
    assert published == json.loads(timeline.schema_text())


def test_several_scenarios_give_the_timelines_that_each_gives_alone(
    every: EveryRelease, corpus: dict[str, Scenario]
) -> None:
    names = [name for name in corpus if name.startswith("rotating/trim")]
    programs = [Program(corpus[name]) for name in names]
    together = list(every.timelines(programs))
    assert len(together) == len(names) > 5
    assert together == [every.timeline(program) for program in programs]
