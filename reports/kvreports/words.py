"""Values, findings and verdicts in words, for every report to say the same thing alike.

Nothing is laid out here, and nothing is escaped but by `plain`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from kvreports.model import (
    PASSING,
    Finding,
    ListValue,
    MaskArray,
    NumberArray,
    QuantizedArray,
    RaisedValue,
    Run,
    TokenArray,
    Value,
    Verdict,
)

MEANING: dict[Verdict, str] = {
    "diverge": "the subject differs from the reference",
    "refused": "one side raised where the other went on",
    "subject-moved": "the subject does not meet what the scenario pins",
    "lacking": "the subject lacks what the reference has",
    "crashed": "an implementation could not be played to the end",
    "timeout": "an implementation took too long",
    "reference-moved": "the reference no longer meets what the scenario pins",
    "hand-differs": "the reference does not do what was traced by hand",
    "stale": "declared, but no longer diverging",
    "declared": "differs as the ledger declares",
    "unsupported": "not compared: an implementation lacks what the scenario needs",
    "conform": "both sides agree in every step",
}
"""Every verdict, in the order in which a reader wants them."""

UNWRITTEN = "·"
_UNREADABLE = "?"
MISSING = "not there"
"""A value that one side does not have at all."""

_WIDTH = 72
_STOPS = {
    "crashed": "crashed",
    "timeout": "ran out of time",
    "unsupported": "was not compared",
    "lacking": "lacks what the reference has",
}
_MASK_SIGNS = ({"x"}, {"."}, {"x", "."})
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def plain(text: str, keep: str = "") -> str:
    """The text with every control, format and bidi character spelled out, as Python would.

    Names and messages come from strangers: none of them may steer a terminal or reorder a page.
    Characters in `keep` stay.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char in keep or unicodedata.category(char) not in _INVISIBLE else _spelled(char)
        for char in text
    )


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def in_words(value: Value, width: int | None = _WIDTH) -> str:
    """A value on one line, cut off at `width` characters."""
    text = _words(value)
    return text if width is None or len(text) <= width else text[: width - 1] + "…"


def _words(value: Value) -> str:
    if isinstance(value, TokenArray | QuantizedArray):
        rows = ["[" + ", ".join(map(str, row)) + "]" for row in value.rows]
        return rows[0] if len(rows) == 1 else "[" + ", ".join(rows) + "]"
    if isinstance(value, MaskArray):
        return " ".join(value.rows) or "an empty mask"
    if isinstance(value, NumberArray):
        more = ", …" if _size(value.shape) > len(value.numbers) else ""
        return f"{form(value)} {', '.join(map(_scalar, value.numbers))}{more}".rstrip()
    if isinstance(value, RaisedValue):
        return f"{value.raised}: {value.message}"
    if isinstance(value, ListValue):
        return "[" + ", ".join(map(_words, value.items)) + "]"
    return _scalar(value)


def _scalar(value: bool | int | float | str | None) -> str:
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _size(shape: Sequence[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def form(array: TokenArray | QuantizedArray | MaskArray | NumberArray) -> str:
    """Type and shape, such as `float16 [1, 2, 6, 4]`."""
    quantized = "quantized " if isinstance(array, QuantizedArray) else ""
    return f"{quantized}{array.dtype} {list(array.shape)}"


def cell_in_words(cell: int | str | None) -> str:
    """What a slot holds, spelled out."""
    if cell is None:
        return "has no such slot"
    if isinstance(cell, int):
        return f"holds token {cell}"
    if cell == UNWRITTEN:
        return "holds nothing (unwritten)"
    if cell.endswith("*"):
        return f"holds token {cell[:-1]} with its lanes in the wrong places"
    if cell[:1] in {"k", "v"} and cell[1:].isdigit():
        return f"holds the {'key' if cell[0] == 'k' else 'value'} of token {cell[1:]}"
    return "holds what no token was painted as"


def token_rows(value: Value) -> list[list[int | str]] | None:
    """The slots of an array of tokens, or of tokens that a scenario pins; None for other values."""
    if isinstance(value, TokenArray | QuantizedArray):
        return [list(row) for row in value.rows]
    if not isinstance(value, ListValue) or not value.items:
        return None
    rows = [_pinned_row(item) for item in value.items]
    return [row for row in rows if row is not None] if None not in rows else None


def _pinned_row(value: Value) -> list[int | str] | None:
    if not isinstance(value, ListValue):
        return None
    cells = [cell for cell in value.items if isinstance(cell, int | str)]
    return cells if len(cells) == len(value.items) else None


def mask_rows(value: Value) -> list[str] | None:
    """The rows of a mask, or of one that a scenario pins; None for other values."""
    if isinstance(value, MaskArray):
        return list(value.rows)
    if not isinstance(value, ListValue) or not value.items:
        return None
    rows = [
        item
        for item in value.items
        if isinstance(item, str) and item and not set(item) - {"x", "."}
    ]
    return rows if len(rows) == len(value.items) else None


def leaves(name: str, left: Value, right: Value) -> Iterator[tuple[str, Value, Value]]:
    """The values two sides have of one thing: keys and values, or the slots of an arrays cache."""
    if not _holds_arrays(left) and not _holds_arrays(right):
        yield name, left, right
        return
    lefts, rights = _items(left), _items(right)
    count = max(len(lefts), len(rights))
    pair = count == 2 and name != "slots"
    parts = ("keys", "values") if pair else tuple(f"part {i}" for i in range(count))
    if not (len(lefts) == len(rights) == count):
        yield name, left, right
        return
    for part, mine, theirs in zip(parts, lefts, rights, strict=True):
        yield f"{name} {part}", mine, theirs


def _holds_arrays(value: Value) -> bool:
    arrays = TokenArray | QuantizedArray | MaskArray | NumberArray
    return isinstance(value, ListValue) and any(isinstance(item, arrays) for item in value.items)


def _items(value: Value) -> tuple[Value, ...]:
    return value.items if isinstance(value, ListValue) else ()


def alike(left: Value, right: Value) -> bool:
    """Whether two values are the same; `1` is not `true`."""
    return type(left) is type(right) and left == right


def placed(finding: Finding) -> str:
    """Where something was found, and what, in one sentence."""
    return f"step {finding.step} ({finding.op}): {sentence(finding)}"


def sentence(finding: Finding) -> str:
    """A finding in one sentence: which slot, entry or number is wrong, and what both sides have."""
    if finding.what == "stop":
        return f"the {finding.side} {_STOPS.get(finding.field, 'stopped')}: {finding.message}"
    if finding.what in {"fact", "promise"}:
        actual = finding.subject if finding.side == "subject" else finding.reference
        found = str(finding.side), actual
        if finding.what == "fact":
            return contrast(finding.field, finding.place, ("pinned", finding.expected), found)
        said = contrast(finding.field, finding.place, ("before", finding.expected), found)
        return f"{finding.message}: {said}"
    sides = ("subject", finding.subject), ("reference", finding.reference)
    if finding.what == "refused":
        return f"{finding.message}: " + ", ".join(_outcome(*side) for side in sides)
    return contrast(finding.field, finding.place, *sides)


def _outcome(side: str, value: Value) -> str:
    did = "raised" if isinstance(value, RaisedValue) else "returned"
    return f"the {side} {did} {in_words(value)}"


def contrast(
    field: str, place: dict[str, int], left: tuple[str, Value], right: tuple[str, Value]
) -> str:
    """Where two values of a field first differ, each with whose it is: `slot 4: A holds ...`."""
    for name, mine, theirs in leaves(field, left[1], right[1]):
        if not alike(mine, theirs):
            return _leaf(name, place, (left[0], mine), (right[0], theirs))
    return _leaf(field, place, left, right)


def _leaf(
    name: str, place: dict[str, int], left: tuple[str, Value], right: tuple[str, Value]
) -> str:
    mine, theirs = left[1], right[1]
    tokens, others = token_rows(mine), token_rows(theirs)
    if tokens is not None and others is not None:
        return _tokens(name, place, left, right, first_difference(tokens, others))
    queries, against = mask_rows(mine), mask_rows(theirs)
    if queries is not None and against is not None:
        at = first_difference(queries, against)
        if at is not None:
            said = (
                f"{side} {_MASKED.get(str(cell), 'has no such entry')}"
                for side, cell in ((left[0], at[2]), (right[0], at[3]))
            )
            return f"{name}, {_query(mine, at[0])}, key {at[1]}: {', '.join(said)}"
    if (
        isinstance(mine, NumberArray)
        and isinstance(theirs, NumberArray)
        and _same_form(left, right)
    ):
        for index, (number, other) in enumerate(zip(mine.numbers, theirs.numbers, strict=False)):
            if number != other:
                return f"{name}, number {index}: {left[0]} {number}, {right[0]} {other}"
        return f"{name}: the first {len(mine.numbers)} numbers agree, later ones do not"
    if not _same_form(left, right):
        return f"{name}: {left[0]} {_form(left)}, {right[0]} {_form(right)}"
    part = _part_that_differs(mine, theirs)
    if part is not None:
        return _leaf(f"{name} part {part[0]}", place, (left[0], part[1]), (right[0], part[2]))
    return f"{name}: {left[0]} {in_words(mine)}, {right[0]} {in_words(theirs)}"


def _part_that_differs(left: Value, right: Value) -> tuple[int, Value, Value] | None:
    """The first part in which two lists differ that are too long to be told whole."""
    mine, theirs = _items(left), _items(right)
    if len(mine) != len(theirs) or max(len(_words(left)), len(_words(right))) <= _WIDTH:
        return None
    pairs = enumerate(zip(mine, theirs, strict=True))
    return next(((at, *pair) for at, pair in pairs if not alike(*pair)), None)


_MASKED = {"x": "attends", ".": "masks it"}


def _query(mask: Value, line: int) -> str:
    """Which query a line of a mask stands for, and which batch row where the mask has several."""
    many = isinstance(mask, MaskArray) and len(mask.shape) == 4
    row, query = divmod(line, queries_of(mask)) if many else (0, line)
    return f"row {row}, query {query}" if many else f"query {query}"


def queries_of(mask: Value) -> int:
    """The lines of a mask that belong to one batch row."""
    if isinstance(mask, MaskArray) and len(mask.shape) == 4:
        return max(1, mask.shape[2])
    return max(1, len(mask_rows(mask) or ()))


def _tokens(
    name: str,
    place: dict[str, int],
    left: tuple[str, Value],
    right: tuple[str, Value],
    at: tuple[int, int, int | str | None, int | str | None] | None,
) -> str:
    forms = "" if _same_form(left, right) else f"{left[0]} {_form(left)}, {right[0]} {_form(right)}"
    if at is None:
        if forms:
            return f"{name}: the tokens agree, type or shape does not: {forms}"
        packed = packed_difference(left[1], right[1])
        if packed is not None:
            row = f"row {packed[0]}, " if _many_rows(left[1]) else ""
            return (
                f"{name}, {row}slot {packed[1]}: the same token on both sides, its packed numbers, "
                "scales or biases differ"
            )
        where = ", ".join(f"{axis} {index}" for axis, index in place.items()) or "somewhere"
        return f"{name}: the tokens read alike, the numbers do not: {where}"
    if forms and _UNREADABLE in (at[2], at[3]):
        return f"{name}: {forms}"  # what is read in another type says nothing
    row = f"row {at[0]}, " if _many_rows(left[1]) or _many_rows(right[1]) else ""
    said = f"{name}, {row}slot {at[1]}: {left[0]} {cell_in_words(at[2])}, "
    said += f"{right[0]} {cell_in_words(at[3])}"
    return f"{said} ({forms})" if forms else said


def packed_difference(left: Value, right: Value) -> tuple[int, int] | None:
    """Row and slot where two quantized arrays first hold other numbers."""
    if not (isinstance(left, QuantizedArray) and isinstance(right, QuantizedArray)):
        return None
    if len(left.digests) != len(right.digests):
        return None
    at = first_difference(left.digests, right.digests)
    return at[:2] if at is not None else None


def _many_rows(value: Value) -> bool:
    return len(token_rows(value) or ()) > 1


def _form(side: tuple[str, Value]) -> str:
    value = side[1]
    arrays = TokenArray | QuantizedArray | NumberArray
    return form(value) if isinstance(value, arrays) else ""


def _same_form(left: tuple[str, Value], right: tuple[str, Value]) -> bool:
    """Whether type and shape agree; tokens that a scenario pins have neither."""
    mine, theirs = _form(left), _form(right)
    return not mine or not theirs or mine == theirs


def first_difference(
    left: Sequence[Sequence[int | str]], right: Sequence[Sequence[int | str]]
) -> tuple[int, int, int | str | None, int | str | None] | None:
    """Row, column and both cells where two tables first differ; None for a cell that is not there.

    One row stands for each row of the other side.
    """
    left, right = paired(left, right)
    for row in range(max(len(left), len(right))):
        mine = left[row] if row < len(left) else ()
        theirs = right[row] if row < len(right) else ()
        for column in range(max(len(mine), len(theirs))):
            cell = mine[column] if column < len(mine) else None
            other = theirs[column] if column < len(theirs) else None
            if cell != other:
                return row, column, cell, other
    return None


def paired(
    left: Sequence[Sequence[int | str]], right: Sequence[Sequence[int | str]]
) -> tuple[Sequence[Sequence[int | str]], Sequence[Sequence[int | str]]]:
    """Both tables, a single row repeated for as many as the other has, as scenarios pin it."""
    if len(left) == 1 < len(right):
        return [*left] * len(right), right
    return left, right


def verdict_in_words(run: Run) -> str:
    """What the whole run comes to."""
    counts, total = run.footer.counts, run.footer.scenarios
    subject, reference = run.header.subject.name, run.header.reference.name
    if not total:
        return "Nothing was compared: no scenario was played."
    if counts.get("unsupported", 0) == total:
        return "Nothing was compared: every scenario is unsupported."
    failing = sum(counts.get(verdict, 0) for verdict in failing_verdicts())
    pinned = counts.get("reference-moved", 0) + counts.get("hand-differs", 0)
    if failing and failing == pinned:
        return f"{reference} does not meet what {failing} of {_many(total)} {_do('pin', failing)}."
    if failing:
        fail = f"{failing} of {_many(total)} {_do('fail', failing)}"
        return f"{subject} does not conform to {reference}: {fail}."
    left_out = counts.get("unsupported", 0)
    in_these = _many(total - left_out)
    but = f" ({counts['declared']} declared)" if counts.get("declared") else ""
    besides = f"; {left_out} {'was' if left_out == 1 else 'were'} not compared" if left_out else ""
    if run.footer.ledger:
        passing = f"{in_these} pass{'es' if total - left_out == 1 else ''}"
        return f"{passing}{but}, but the ledger does not hold{besides}."
    return f"{subject} conforms to {reference} in {in_these}{but}{besides}."


def failing_verdicts() -> list[Verdict]:
    """The verdicts that a gate does not let through, in the order of MEANING."""
    return [verdict for verdict in MEANING if verdict not in PASSING]


def _many(count: int) -> str:
    return f"{count} scenario{'' if count == 1 else 's'}"


def _do(verb: str, count: int) -> str:
    return f"{verb}s" if count == 1 else verb
