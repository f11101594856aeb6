"""A traced call says which lines ran, with the values put in, and does what it would do alone."""

from __future__ import annotations

import linecache
import sys
import threading
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import pytest

from kvoracle.linetrace import Line, trace_lines
from kvoracle.load import load
from kvoracle.releases import PINNED, release

FILE = "<lines>/models/lines.py"


class Ring:
    size, idx, keys = 8, 5, None


def call(body: str, **names: Any) -> Callable[[], Any]:
    """A function with this body, in a file of its own."""
    text = f"def f({', '.join(names)}):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    linecache.cache[FILE] = (len(text), None, text.splitlines(keepends=True), FILE)
    space: dict[str, Any] = {"mx": mx}
    exec(compile(text, FILE, "exec"), space)  # noqa: S102 - the case's own words
    return lambda: space["f"](**names)


def traced(body: str, **names: Any) -> list[Line]:
    return trace_lines(
        call(body, **names), {FILE}, lambda value: "array" if isinstance(value, mx.array) else None
    )


@pytest.mark.parametrize(
    ("body", "names", "expected"),
    [
        ("n = s - m", {"s": 8, "m": 6}, ["n = s - m = 8 - 6 = 2"]),
        ("r.idx = r.size", {"r": Ring()}, ["r.idx = r.size = 8"]),
        ("s += n", {"s": 8, "n": 2}, ["s += n = 8 + 2 = 10"]),
        ("a, b = pair", {"pair": (1, 2)}, ["a, b = pair = (1, 2)"]),
        ("n = min(s, m - 1)", {"s": 8, "m": 6}, ["n = min(s, m - 1) = min(8, 6 - 1) = 5"]),
        ("n = 0", {}, ["n = 0"]),
        ("n = a if b else c", {"a": 1, "b": 0, "c": 3}, ["n = a if b else c = 1 if 0 else 3 = 3"]),
        ("if n > 0:\n    n = 1", {"n": 0}, ["if n > 0: 0 > 0, not taken"]),
        ("if n > 0:\n    n = 1", {"n": 2}, ["if n > 0: 2 > 0, taken", "n = 1"]),
        (
            "if n > 2:\n    pass\nelif n > 1:\n    n = 1",
            {"n": 2},
            ["if n > 2: 2 > 2, not taken", "elif n > 1: 2 > 1, taken", "n = 1"],
        ),
        ("if r is None or (\n    n > 1\n):\n    n = 1", {"r": None, "n": 0}, ["if r is None or (n > 1): None is None or (0 > 1), taken", "n = 1"]),
        ("return n, n + 1", {"n": 2}, ["return n, n + 1 = 2, 2 + 1 = (2, 3)"]),
        ("d[n] = 7", {"d": [0, 0], "n": 1}, ["d[n] = 7: d[1] = 7, so d = [0, 7]"]),
        ("x.append(n)", {"x": [], "n": 1}, ["x.append(n) = x.append(1)"]),
        ("m = [n for n in x]", {"x": [1, 2]}, ["m = [n for n in x] = [1, 2]"]),
        ("k = a.shape[2]", {"a": mx.zeros((1, 2, 3))}, ["k = a.shape[2] = 3"]),
        ("b = a[:1]", {"a": mx.zeros((2,))}, ["b = a[:1] = array"]),
        ("m = mx", {}, ["m = mx"]),
        ("raise ValueError(n)", {"n": 3}, ["raise ValueError(n): raises ValueError: 3"]),
        ("for n in x:\n    m = n", {"x": [5]}, ["for n in x: n = 5", "m = n = 5"]),
    ],
)  # fmt: skip
def test_a_statement_in_words(body: str, names: dict[str, Any], expected: list[str]) -> None:
    assert [line.text for line in traced(body, **names)] == expected


def test_a_long_loop_is_folded_and_what_follows_is_not() -> None:
    texts = [line.text for line in traced("for n in x:\n    m = n\nm = 9", x=list(range(10)))]
    assert texts[-3:] == ["m = n = 2", "... and 7 more rounds of this loop", "m = 9"]
    assert len(texts) == 8


def test_lines_stand_where_the_file_has_them() -> None:
    (line,) = traced("n = 1")
    assert (line.file, line.number, line.function) == ("lines.py", 2, "f")
    assert str(line) == "lines.py:2  n = 1"


def test_other_files_are_not_looked_into() -> None:
    assert trace_lines(call("n = 1"), {"<other>"}) == []


def test_an_error_ends_the_lines_and_goes_no_further() -> None:
    assert traced("x = y.z", y=3)[-1].text.endswith(
        "raises AttributeError: 'int' object has no attribute 'z'"
    )


def test_nothing_is_installed_before_or_after() -> None:
    def own(frame: Any, event: str, arg: Any) -> None:
        del frame, event, arg

    seen: list[Any] = []

    def watched() -> None:
        sys.settrace(own)
        trace_lines(call("n = 1"), {FILE})
        seen.append(sys.gettrace())
        sys.settrace(None)

    thread = threading.Thread(target=watched)  # whose trace function no debugger of ours has set
    thread.start()
    thread.join()
    assert seen == [own]


def test_what_a_name_says_is_read_and_never_called() -> None:
    calls: list[int] = []

    def count() -> int:
        calls.append(1)
        return len(calls)

    traced("n = count() + 1", count=count)
    assert calls == [1]


def test_a_release_is_traced_by_its_own_line_numbers() -> None:
    sources = release(PINNED)
    cache, _ = load(sources)
    ring = cache.RotatingKVCache(max_size=4)
    keys = mx.zeros((1, 1, 2, 1))
    lines = trace_lines(
        lambda: ring.update_and_fetch(keys, keys), {f"<{sources.name}>/models/cache.py"}
    )
    text = sources.cache.decode().splitlines()
    assert lines
    for line in lines:
        assert line.file == "cache.py"
        assert line.source.split("(")[0].split()[0] in text[line.number - 1]
    assert ring.offset == 2
