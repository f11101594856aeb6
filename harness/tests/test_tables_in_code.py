"""The tables in Rust and Swift: they compile where there is a compiler, and parse where not."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_rust
import tree_sitter_swift

from kvoracle.releases import PINNED
from kvparity.commands import table

PORT = Path(__file__).parent / "rust_port"
CARGO = shutil.which(
    "cargo", path=os.environ.get("PATH", "") + os.pathsep + str(Path.home() / ".cargo/bin")
)
SCENARIOS = """
family: mine
scenarios:
  - name: ring-then-prefill
    about: A turned ring is put into the order of time, then cut and appended to.
    cache: {kind: rotating, max_size: 8, keep: 4}
    steps: [{decode: 0..8}, {update: [9, 10]}, {make_mask: {n: 3}}, {make_mask: {n: 1, window_size: 2}}, {decode: [11]}]
  - name: rows-of-a-batch
    cache: {kind: rotating, max_size: 4, keep: 1, batch: 2}
    steps: [{decode: [[0, 1, 2, 3, 4], [10, 11, 12, 13, 14]]}]
  - name: trims-and-masks
    cache: {kind: standard}
    steps: [{update: 0..3}, {trim: 2}, {decode: [9]}, {make_mask: {n: 2, return_array: true}}, {make_mask: {n: 1}}]
  - name: chunk
    cache: {kind: chunked, chunk_size: 8}
    steps: [observe]
  - name: masks-alone
    steps: [{create_causal_mask: {n: 2, offset: 3, window_size: 4}}]
"""


def made(name: str, tmp_path: Path, *, trace: bool = True) -> Path:
    (tmp_path / "mine.yaml").write_text(SCENARIOS)
    out = tmp_path / f"table.{name}"
    table.command(
        [str(tmp_path / "mine.yaml")], f"mlx-lm=={PINNED}", name, None, trace=trace, out=out
    )
    return out


def broken(node: tree_sitter.Node) -> list[str]:
    """What a grammar could not read, with where it stands."""
    found = [f"{node.start_point}: {node.type}"] if node.is_error or node.is_missing else []
    return found + [place for child in node.children if child.has_error for place in broken(child)]


@pytest.mark.parametrize(
    ("name", "grammar"), [("rust", tree_sitter_rust), ("swift", tree_sitter_swift)]
)
def test_the_code_parses(name: str, grammar: object, tmp_path: Path) -> None:
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))  # type: ignore[attr-defined]
    tree = parser.parse(made(name, tmp_path).read_bytes())
    assert broken(tree.root_node) == []


HOSTILE = 'a"""b\'c\\\\d\\n\ne{{ 1 }}*/ \\u{7}\u202e\u2028\rf.yaml'
"""A file's name that would end a literal, a comment or a line, were it not spelled out."""
UNKIND = """
family: 7-none
scenarios:
  - name: 1@n=1
    about: >-
      He said \"\"\" and \\(no) and {x}, and */ and \\
    cache: {kind: standard}
    steps: [{update: 0..3}]
  - {name: 1@n=-1, cache: {kind: standard}, steps: [{update: 0..3}]}
"""


@pytest.mark.parametrize("name", ["python", "rust", "swift"])
def test_nothing_in_a_name_ends_a_literal_or_a_comment(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = tmp_path / HOSTILE.replace("/", ""), tmp_path / "table"
    path.write_text(UNKIND, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["kvparity", "table", str(path), '"""\n1/0', "--format", name])
    table.command([str(path)], f"mlx-lm=={PINNED}", name, None, trace=True, out=out)
    if name == "python":
        tree = ast.parse(out.read_bytes())
        tests = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
        assert tests[0] == "Tables"
        assert len(set(tests)) == 3
        assert not any(isinstance(node, ast.Expr) for node in tree.body)
        return
    grammar = {"rust": tree_sitter_rust, "swift": tree_sitter_swift}[name]
    tree = tree_sitter.Parser(tree_sitter.Language(grammar.language())).parse(out.read_bytes())
    assert broken(tree.root_node) == []
    named = re.findall(r"^ *(?:fn|func) (_7\w+|test_7\w+)\(", out.read_text(), re.MULTILINE)
    assert len(set(named)) == 2


def test_the_code_reads_as_a_table_of_steps(tmp_path: Path) -> None:
    text = made("rust", tmp_path).read_text()
    assert 'said: "9. decode 8", on: "cache",' in text
    assert "gives: Gives::Tokens { keys: &[&[0, 1, 2, 3, 8, 5, 6, 7]]" in text
    assert "// cache.py:504  trim_size = self.keys.shape[2] - self.max_size = 8 - 8 = 0" in text


@pytest.mark.skipif(
    CARGO is None, reason="there is no cargo here: the test above parses the module"
)
@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("", "", 0),
        ("              self.keep\n", "              0\n", 101),
    ],
    ids=["a port that works", "a ring that forgets its prefix"],
)  # fmt: skip
def test_the_rust_module_compiles_and_sees_a_fault(
    right: str, wrong: str, code: int, tmp_path: Path
) -> None:
    assert CARGO is not None
    port = tmp_path / "port"
    shutil.copytree(PORT, port)
    library = port / "src" / "lib.rs"
    text = library.read_text()
    assert right in text
    library.write_text(text.replace(right, wrong) if right else text)
    (port / "tests").mkdir()
    shutil.copy(made("rust", tmp_path, trace=False), port / "tests" / "table.rs")
    check = [CARGO, "check", "--tests", "--offline", "--quiet"]
    checked = subprocess.run(
        check, cwd=port, capture_output=True, text=True, check=False, timeout=300
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    run = [CARGO, "test", "--offline", "--quiet"]
    done = subprocess.run(run, cwd=port, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
