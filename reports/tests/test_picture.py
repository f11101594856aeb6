"""What is drawn of an operation: which slots, and which of them are marked."""

from __future__ import annotations

import pytest

from kvreports.model import CacheView, ListValue, OpView, SideView, TokenArray
from kvreports.picture import Picture, picture, trail


def view(*rows, dtype: str = "float32", values=None, **fields) -> CacheView:
    def array(of) -> TokenArray:
        return TokenArray(dtype=dtype, shape=(len(of), 1, len(of[0]), 1), rows=of)

    held = {"keys": array(rows), "values": array(values or rows)}
    return CacheView(kind="rotating", fields={**held, **fields})


def op(mine: CacheView, theirs: CacheView, index: int = 0) -> OpView:
    sides = (SideView(caches={"cache": one}) for one in (mine, theirs))
    return OpView(
        index=index,
        step=1,
        label="decode",
        **dict(zip(("subject", "reference"), sides, strict=True)),
    )


def drawn(mine: CacheView, theirs: CacheView, limit: int = 48) -> Picture:
    return picture(op(mine, theirs), limit)


def strips(mine: CacheView, theirs: CacheView, limit: int = 48):
    return drawn(mine, theirs, limit).caches[0].drawing.strips


def texts(strip) -> dict[str, str]:
    return {
        line.side: " ".join("…" if cell is None else cell.text for cell in line.cells)
        for line in strip.lines
    }


def marked(strip) -> dict[str, list[int]]:
    return {
        line.side: [i for i, cell in enumerate(line.cells) if cell is not None and cell.differs]
        for line in strip.lines
    }


def test_sides_that_agree_are_drawn_once_and_keys_with_values() -> None:
    (strip,) = strips(view((0, 1, 2)), view((0, 1, 2)))
    assert (strip.heading, texts(strip)) == ("keys and values", {"both": "0 1 2"})


def test_the_slots_that_differ_are_marked_on_both_sides() -> None:
    strip = strips(view((0, 9, 2)), view((0, 1, 2)))[0]
    assert marked(strip) == {"subject": [1], "reference": [1]}


def test_a_slot_that_one_side_has_not_is_marked_and_shown_as_missing() -> None:
    strip = strips(view((0, 1)), view((0, 1, 2)))[0]
    assert (texts(strip)["subject"], marked(strip)["subject"]) == ("0 1 -", [2])


def test_values_that_differ_alone_are_drawn_apart_from_the_keys() -> None:
    drawing = strips(view((0, 1), values=((0, 9),)), view((0, 1)))
    assert [(strip.heading, strip.differs) for strip in drawing] == [
        ("keys", False),
        ("values", True),
    ]


def test_every_batch_row_has_its_strip() -> None:
    drawing = strips(view((0,), (5,)), view((0,), (5,)))
    assert [strip.heading for strip in drawing] == [
        "keys and values, row 0",
        "keys and values, row 1",
    ]


def test_the_pinned_prefix_and_the_cursor_are_known_by_slot() -> None:
    ring = view((0, 1, 2, 3), keep=2, idx=3)
    (strip,) = strips(ring, ring)
    assert (strip.pinned, [cell.cursor for cell in strip.lines[0].cells]) == (
        2,
        [False] * 3 + [True],
    )


@pytest.mark.parametrize(("allocated", "text", "beyond"), [(4, "0 1 _ _", 0), (256, "0 1", 254)])
def test_slots_behind_those_held_are_drawn_or_counted(allocated, text, beyond) -> None:
    shape = ListValue(items=(1, 1, allocated, 1))
    held = view((0, 1), buffer_shape=shape)
    (strip,) = strips(held, held)
    assert (texts(strip)["both"], strip.lines[0].beyond) == (text, beyond)


def test_a_long_strip_shows_its_ends_and_what_differs() -> None:
    reference = tuple(range(300))
    subject = (*reference[:150], 999, *reference[151:])
    strip = strips(view(subject), view(reference))[0]
    shown = [column.start for column in strip.columns if not column.gap]
    assert shown == [*range(4), *range(144, 157), *range(296, 300)]


def test_a_cache_that_an_operation_did_not_change_is_left_out_of_the_trail() -> None:
    held = view((0, 1))
    first, second = trail([op(held, held, 0), op(held, held, 1)], 24)
    assert (len(first.caches), len(second.caches)) == (1, 0)
