"""The gate: its configuration, what it plays, and how it is divided."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest
from typed import kvparity

from kvparity import config, gate
from kvparity.config import ConfigError, Shard
from kvreports import runfile
from kvscenarios.select import select


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reference = 'installed'", "kvparity.toml: reference: there is no such key; did you mean 'references'?"),
        ("levels = ['stat']", "kvparity.toml: levels: there is no 'stat'; did you mean 'state'?"),
        ("kinds = ['rotatin']", "kvparity.toml: kinds: there is no 'rotatin'; did you mean 'rotating'?"),
        ("outputs = ['junt']", "kvparity.toml: outputs: there is no 'junt'; did you mean 'junit'?"),
        ("subjects = []", "kvparity.toml: subjects: "),
        ("examples = -1", "kvparity.toml: examples: "),
        ("examples = 'many'", "kvparity.toml: examples: "),
        ("levels = 3", "kvparity.toml: levels"),
        ("subjects = ", "kvparity.toml: not TOML"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_configuration_is_named(text: str, said: str, here: Path) -> None:
    (here / "kvparity.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        config.load(None, {})
    assert said in str(caught.value)


def test_pyproject_will_do_and_two_configurations_will_not(here: Path) -> None:
    (here / "pyproject.toml").write_text("[tool.kvparity]\nexamples = 3\n", encoding="utf-8")
    assert config.load(None, {}).examples == 3
    (here / "kvparity.toml").write_text("examples = 4\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="keep one of them"):
        config.load(None, {})


def test_what_is_typed_stands_before_what_is_configured(here: Path) -> None:
    (here / "kvparity.toml").write_text("examples = 4\njobs = 2\n", encoding="utf-8")
    chosen = config.load(None, {"examples": 0})
    assert (chosen.examples, chosen.jobs) == (0, 2)


def test_the_ledger_stands_beside_the_configuration(here: Path) -> None:
    (here / "sub").mkdir()
    (here / "sub" / "kvparity.toml").write_text("ledger = 'known.yaml'\n", encoding="utf-8")
    assert config.load(Path("sub/kvparity.toml"), {}).ledger == Path("sub/known.yaml")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (("installed",), ["mlx-lm"]),
        (("0.31.3", "mlx-lm==0.31.3"), ["mlx-lm==0.31.3"]),
        (("python:mine",), ["python:mine"]),
        ((">=0.31.2,<0.32",), ["mlx-lm==0.31.3", "mlx-lm==0.31.2"]),
        ((">=0.30.6,<0.31",), ["mlx-lm==0.30.7"]),
    ],
)
def test_the_references_that_are_named(wanted: tuple[str, ...], found: list[str]) -> None:
    assert config.references(wanted) == found


@pytest.mark.parametrize("wanted", [">=99", "<0.1", "=> 0.3"])
def test_a_range_without_a_release_is_a_mistake(wanted: str) -> None:
    with pytest.raises(ConfigError, match="references"):
        config.references((wanted,))


@pytest.mark.parametrize("text", ["", "3", "0/5", "6/5", "a/b", "1/0", "-1/5", "1/5/7"])
def test_a_shard_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match="not a shard"):
        Shard.of(text)


def test_every_scenario_falls_into_one_shard_and_no_shard_is_empty() -> None:
    shards = [Shard.of(f"{part}/5") for part in range(1, 6)]
    found = Counter(shard.part for one in select([]) for shard in shards if shard.has(one.digest))
    assert (sum(found.values()), len(found)) == (len(select([])), 5)


def test_the_same_scenarios_are_generated_every_time_under_names_of_their_own() -> None:
    first, second = (gate.generated(["standard", "list"], 6) for _ in range(2))
    assert [one.id for one in first] == [one.id for one in second]
    assert len({one.id for one in first}) == len(first) > 6
    assert [one.digest for one in first] == [one.digest for one in second]


def test_none_are_generated_where_none_are_wanted() -> None:
    assert gate.generated(["standard"], 0) == []


def test_scenarios_of_some_kinds_have_no_cache_of_another() -> None:
    kept = gate.of_kinds(select(["list/*", "rotating/*", "masks/*"]), ["rotating"])
    assert {spec.kind for one in kept for spec in one.specs.values()} == {"rotating"}


FAULTY = """
from kvimpl import *
from kvimpl import CacheError, KVCache as Right

class KVCache(Right):
    def make_mask(self, *args, **kwargs):
        return None
"""


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A gate whose generated scenarios fail, and where it left its files."""
    here = tmp_path_factory.mktemp("red")
    (here / "faulty.py").write_text(FAULTY, encoding="utf-8")
    (here / "kvparity.toml").write_text(
        "subjects = 'python:faulty'\nscenarios = 'concatenate/*'\nkinds = ['standard', 'concatenate']\n"
        "examples = 10\noutputs = ['junit', 'sarif', 'markdown', 'github']\njobs = 1\n",
        encoding="utf-8",
    )
    return here, kvparity(here, "gate", "--json")


def test_a_generated_scenario_that_fails_is_shrunk_and_can_be_played_again(red) -> None:
    here, done = red
    assert done.returncode == 1, done.stderr
    (told,) = json.loads(done.stdout)
    failing = [
        one for one in told["failing"] if one["id"].startswith("generated/standard-make-mask")
    ]
    assert failing
    run = runfile.read(here / told["run"])
    smallest = next(record for record in run.records if record.id == failing[0]["id"])
    assert smallest.ops_total <= 2
    assert select([str(here / smallest.file)])[0].digest == smallest.digest


def test_the_outputs_that_are_configured_are_there(red) -> None:
    here, _done = red
    names = {path.name for path in (here / "kvparity-report").iterdir()}
    assert names == {
        "run.jsonl",
        "index.html",
        "junit.xml",
        "results.sarif",
        "summary.md",
        "generated",
    }


def test_several_references_have_a_page_each_and_one_over_them(tmp_path: Path) -> None:
    (tmp_path / "subject.py").write_text(FAULTY, encoding="utf-8")
    (tmp_path / "kvparity.toml").write_text(
        "subjects = 'python:subject'\nreferences = '>=0.32,<0.32.3'\n"
        "scenarios = 'concatenate/append'\nexamples = 0\njobs = 1\n",
        encoding="utf-8",
    )
    done = kvparity(tmp_path, "gate")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "kvparity-report"
    linked = set(re.findall(r'href="([^"#]+)"', (out / "index.html").read_text("utf-8")))
    assert linked == {
        f"python-subject-against-mlx-lm%3D%3D{release}/index.html"
        for release in ("0.32.0", "0.32.2")
    }
    assert all((out / unquote(page)).is_file() for page in linked)
    assert "python:subject conforms to all 2 references." in done.stdout


def test_an_entry_that_one_subject_needs_is_not_stale_for_the_other(tmp_path: Path) -> None:
    (tmp_path / "subject.py").write_text(FAULTY, encoding="utf-8")
    (tmp_path / "ledger.yaml").write_text(
        "divergences:\n"
        "  - {id: masks, match: {operation: make_mask, kind: standard}, why: by-design, reason: None.}\n"
        "  - {id: never, match: {operation: trim, kind: standard}, why: by-design, reason: None.}\n",
        encoding="utf-8",
    )
    (tmp_path / "kvparity.toml").write_text(
        "subjects = ['python:subject', 'kvimpl']\nreferences = '0.32.2'\nledger = 'ledger.yaml'\n"
        "scenarios = 'masks/standard-passes-the-window-through'\nexamples = 0\njobs = 1\n",
        encoding="utf-8",
    )
    told = json.loads(kvparity(tmp_path, "gate", "--json").stdout)
    assert [[one["id"] for one in pair["ledger"]] for pair in told] == [["never"], ["never"]]


def test_a_report_can_be_drawn_later_and_leaves_with_the_runs_code(red, tmp_path: Path) -> None:
    here, _done = red
    words = ["report", "kvparity-report/run.jsonl", "--format", "github"]
    done = subprocess.run(
        [sys.executable, "-m", "kvparity", *words],
        cwd=here, capture_output=True, text=True, check=False, timeout=120,
        env={"PATH": "", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")},
    )  # fmt: skip
    assert (done.returncode, done.stdout.startswith("::error file=")) == (1, True), done.stderr
    assert "does not conform" in (tmp_path / "summary.md").read_text(encoding="utf-8")
