"""YAML is read as data only, with its lines, and hostile documents are refused."""

from __future__ import annotations

import pytest

from kvscenarios import yamltree


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("on: a", {"on": "a"}),
        ("yes", "yes"),
        ("true", True),
        ("~", None),
        ("0..11", "0..11"),
        ("010", 10),
        ("1_000", "1_000"),
        ("'7'", "7"),
        ("1.5", 1.5),
        ("18446744073709551615", 2**64 - 1),
        ("2026-01-02", "2026-01-02"),
        ("a: [1, {b: ~}]", {"a": [1, {"b": None}]}),
        ("", None),
    ],
)
def test_plain_words_are_read_as_yaml_1_2_does(text: str, data: object) -> None:
    assert yamltree.read(text).data == data


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: &x [1]\nb: *x", 1, "anchors and aliases are not allowed"),
        ("a: 1\nb: *x", 2, "anchors and aliases are not allowed"),
        ("a: !!python/object:os.system x", 1, "tags are not allowed"),
        ("a: 1\na: 2", 2, "the key 'a' stands twice"),
        ("a: 1\n---\nb: 2", 2, "a file holds one document"),
        ("[" * 40, 1, "nested more than 24 deep"),
        ("? [1]\n: 2", 1, "a key is a word"),
        ("a: [1\nb: 2", 2, "not YAML"),
        ("a: \x00", None, "not YAML"),
    ],
)
def test_what_is_no_plain_data_is_refused_with_its_line(
    text: str, line: int | None, words: str
) -> None:
    with pytest.raises(yamltree.YamlError, match=words) as caught:
        yamltree.read(text)
    assert line is None or caught.value.line == line


def test_too_many_parts_are_refused() -> None:
    with pytest.raises(yamltree.YamlError, match="more than 200000 parts"):
        yamltree.read("[" + "1," * (yamltree.MAX_PARTS + 1) + "]")


def test_a_part_is_found_by_its_path() -> None:
    tree = yamltree.read("a:\n  - b: 1\n  - b: 2\n    c: 3\n")
    assert [tree.line(path) for path in [("a",), ("a", 1), ("a", 1, "c")]] == [1, 3, 4]


def test_a_path_that_ends_nowhere_gives_the_deepest_part_on_it() -> None:
    assert yamltree.read("a:\n  b: 1\n").line(("a", "b", "tag", 7)) == 2
