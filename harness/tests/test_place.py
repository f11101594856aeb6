"""Where two arrays first differ, by the names of their axes."""

from __future__ import annotations

import pytest

from kvparity.compare import place
from kvparity.trace import Frozen


@pytest.mark.parametrize(
    ("dtype", "shape", "width", "element", "expected"),
    [
        ("float32", (2, 1, 3, 4), 4, 17, {"row": 1, "head": 0, "slot": 1, "lane": 1}),
        ("bfloat16", (1, 2, 3, 4), 2, 23, {"row": 0, "head": 1, "slot": 2, "lane": 3}),
        ("bool", (2, 1, 3, 4), 1, 17, {"row": 1, "head": 0, "query": 1, "key": 1}),
        ("bool", (3, 4), 1, 7, {"query": 1, "key": 3}),
        ("int32", (3,), 4, 2, {"key": 2}),
    ],
)
def test_the_first_element_that_differs_is_named(dtype, shape, width, element, expected):
    size = width
    for length in shape:
        size *= length
    changed = bytearray(size)
    changed[element * width + width - 1] = 1
    assert (
        place(Frozen(dtype, shape, bytes(size)), Frozen(dtype, shape, bytes(changed))) == expected
    )


@pytest.mark.parametrize(
    "other", [Frozen("int32", (2,), bytes(8)), Frozen("int32", (1,), bytes(4))]
)
def test_arrays_of_another_dtype_or_shape_differ_nowhere_in_particular(other):
    assert place(Frozen("float32", (2,), bytes(8)), other) == {}
