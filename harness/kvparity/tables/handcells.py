"""Cells of a table traced by hand, read strictly: what is not plainly meant is refused.

Numbers are those of a scenario file (YAML 1.2: 010 is ten, 1:20 and yes are words).
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from kvscenarios import yamltree
from kvscenarios.errors import shown
from kvscenarios.expect import Expect
from kvscenarios.sentences import sentence
from kvscenarios.tokens import UNWRITTEN

ROWS = frozenset({"keys", "values", "fetched", "tokens"})
"""Facts that are rows of tokens."""
TOKENS = re.compile(r"[\[\]\d\s,._]*")
"""What rows of tokens are written with."""
_TOKEN = re.compile(r"\d+(\.\.\d+)?|_")
_WHOLE = re.compile(r"(\*{1,3}|`+)([^*`]+)\1")
_INSIDE = re.compile(r"(?<![^\s,\[])(\*{1,3}|`)(\d+(?:\.\.\d+)?)\1(?![^\s,\]])")
"""A number in bold, slanted or as code, among others."""
_MASK_ROWS = re.compile(r"\[?\s*[x.]+(?:[\s,]+[x.]+)*\s*\]?")
_PYTHON = {"None": None, "True": True, "False": False}
_NOTHING = frozenset({"None", "null", "~"})
_REMARK = re.compile(r"(^|\s)#")

_COUNT = "a whole number"
_COUNTS = "a whole number, or a list of them, a row of the batch each"
_LIST = "a list of whole numbers, such as [1, 0]"
_SHAPE = "a shape, such as [1, 2, 8, 4]"
_TRUTH = "true or false"
_EXPECTED = {
    **dict.fromkeys(("offset", "rope_offset"), _COUNTS),
    **dict.fromkeys(("shape", "fetched_shape", "mask_shape"), _SHAPE),
    **dict.fromkeys(("left_padding", "lengths"), _LIST),
    **dict.fromkeys(("empty", "trimmable", "rotated"), _TRUTH),
    **dict.fromkeys(("size", "max_size", "idx", "nbytes", "allocated_nbytes"), _COUNT),
    **dict.fromkeys(("state_count", "start_position", "chunk_size", "length"), _COUNT),
    "meta_state": 'a list of words, such as ["4", "8"]',
    "error": "the class of an error, such as RankMismatchError",
}
"""What a cell of each fact holds, for those who wrote something else."""
_TOKENS_EXPECTED = "tokens, such as 0 1 2, [0..3, 8] or [[0, 1], [2, 3]]"
_CELLS_EXPECTED = f"{_TOKENS_EXPECTED}, with _ for a slot never written"


def unmarked(cell: str) -> str:
    """The cell without the signs of bold, slant or code around all of it."""
    bare = cell.strip()
    whole = _WHOLE.fullmatch(bare)
    return whole[2].strip() if whole else bare


def fact(name: str, cell: str) -> Any:
    """What a cell pins as this fact, in the words of the language. Raises ValueError."""
    if name == "mask":
        return mask(cell)
    value = tokens(cell, slots=name != "tokens") if name in ROWS else plain_value(cell)
    if _EXPECTED.get(name) is _TRUTH and not isinstance(value, bool):
        raise ValueError(f"expected {_TRUTH}, got {shown(cell)}")
    try:
        Expect.model_validate({name: value})
    except ValidationError as error:
        raise ValueError(_what_is_wrong(name, cell, error)) from None
    return value


def _what_is_wrong(name: str, cell: str, error: ValidationError) -> str:
    """One sentence, though a cell that may be either of two things is wrong twice."""
    if name in _EXPECTED:
        return f"expected {_EXPECTED[name]}, got {shown(cell)}"
    item = error.errors(include_url=False)[0]
    return sentence({**item, "loc": ()})


def tokens(cell: str, *, slots: bool) -> Any:
    """Tokens as a person writes them: `[0, 1]`, `0 1`, `0, 1`, `0..5`, `[[0], [1]]`.

    `slots`, if one may be unwritten. Raises ValueError.
    """
    expected = _CELLS_EXPECTED if slots else _TOKENS_EXPECTED
    text = _INSIDE.sub(r"\2", unmarked(cell)).replace("·", UNWRITTEN)
    if not TOKENS.fullmatch(text) or re.search(r",\s*,", text):
        raise ValueError(f"expected {expected}, got {shown(cell)}")
    if "[" in text or "]" in text:
        return _yaml(text, expected)
    parts = [part for part in re.split(r"[\s,]+", text.strip()) if part]
    for part in parts:
        if not _TOKEN.fullmatch(part):
            raise ValueError(f"expected {expected}, got {shown(cell)}: {part!r} is none")
    return [_yaml(part, expected) for part in parts]


def mask(cell: str) -> Any:
    """A mask: one of its two words, or its rows. Raises ValueError."""
    text = cell.lower()
    if text in {"none", "causal"}:
        return text
    if not _MASK_ROWS.fullmatch(text):
        raise ValueError(
            "expected none, causal, or rows of x (attended) and . (masked) with a space between "
            f"them, such as x.. xx. xxx; got {shown(cell)}"
        )
    return re.findall(r"[x.]+", text)


def plain_value(cell: str) -> Any:
    """A number, a truth, a word or a list, as a scenario file has it. Raises ValueError."""
    if _REMARK.search(cell):
        raise ValueError(f"expected a value and no remark behind it, got {shown(cell)}")
    value = _pythonic(_yaml(cell, "a number, a word or a list"))
    if value is None and cell not in _NOTHING:
        raise ValueError(f"cannot be read: {shown(cell)}")
    return value


def _pythonic(value: Any) -> Any:
    """The value with Python's three words for what they mean, as kvparity's labels print them."""
    if isinstance(value, list):
        return [_pythonic(item) for item in value]
    return _PYTHON.get(value, value) if isinstance(value, str) else value


def _yaml(text: str, expected: str) -> Any:
    try:
        return yamltree.read(text).data
    except yamltree.YamlError as error:
        raise ValueError(
            f"cannot be read ({error}): expected {expected}, got {shown(text)}"
        ) from None
