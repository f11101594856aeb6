"""Painted tokens read back, and every swap shows."""

from __future__ import annotations

import mlx.core as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvparity.observe import fill
from kvparity.paint import UNREADABLE, UNWRITTEN, Paint, PaintError
from kvparity.trace import Frozen

DTYPES = ("float32", "float16", "bfloat16")
PAINT = Paint(batch=2, heads=2, lanes=4)


def painted(rows, *, side="keys", dtype="float32", lanes=4) -> mx.array:
    return PAINT.tensor(tuple(map(tuple, rows)), (2, 2, lanes), dtype, side).array


def read(array: mx.array, side="keys") -> list[list[int | str]]:
    mx.eval(array)
    value = Frozen()
    fill(value, array)
    return PAINT.cells(value, side)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    tokens=st.lists(st.integers(0, 1500), max_size=6),
    dtype=st.sampled_from(DTYPES),
    side=st.sampled_from(["keys", "values"]),
    lanes=st.integers(1, 4),
)
def test_every_token_is_read_back_in_every_dtype(tokens, dtype, side, lanes) -> None:
    assert read(painted([tokens], side=side, dtype=dtype, lanes=lanes), side) == [tokens, tokens]


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_two_numbers_of_a_token_row_are_alike(dtype: str) -> None:
    keys, values = (
        painted([[5], [6]], side=side, dtype=dtype).astype(mx.float32).flatten().tolist()
        for side in ("keys", "values")
    )
    assert len({*keys, *values}) == len(keys) + len(values)
    assert 0 not in keys + values


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("fault", "cell"),
    [
        (lambda k: k[:, ::-1], "7*"),  # heads swapped
        (lambda k: k[..., ::-1], "7*"),  # lanes swapped
        (lambda k: -k, "v7"),  # a value in a key's place
        (mx.zeros_like, UNWRITTEN),
        (lambda k: k * mx.array([1, 1, 1, 0], k.dtype), UNREADABLE),  # a lane lost
        (lambda k: mx.full(k.shape, 0.3, k.dtype), UNREADABLE),
    ],
    ids=["heads", "lanes", "value", "unwritten", "lost lane", "foreign"],
)
def test_a_swap_or_a_loss_shows_in_the_cell(dtype: str, fault, cell: str) -> None:
    slot = read(fault(painted([[7]], dtype=dtype)))[0][0]
    foreign_16_bit = cell == UNREADABLE and dtype != "float32"
    assert slot == cell or (foreign_16_bit and slot != 7)


def test_a_row_that_was_painted_as_another_still_shows_its_token() -> None:
    assert read(painted([[3], [4]])[::-1]) == [[4], [3]]


@pytest.mark.parametrize(
    ("dtype", "most"), [("float32", 1048574), ("float16", 1919), ("bfloat16", 2031)]
)
def test_a_token_that_the_dtype_cannot_tell_apart_is_refused(dtype: str, most: int) -> None:
    PAINT.check(most, dtype)
    with pytest.raises(PaintError, match=f"ids go up to {most}"):
        PAINT.check(most + 1, dtype)
