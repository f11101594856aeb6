"""The lines of a reference's `cache.py` and `base.py` that each operation of a scenario runs.

A scenario is played once more for them, operation by operation, with nothing else looked at.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType

import mlx.core as mx

from kvoracle.face import Face
from kvoracle.linetrace import Line, trace_lines
from kvparity import operations
from kvparity.facts import mask_rows
from kvparity.files import files
from kvparity.observe import array_bytes
from kvparity.paint import UNREADABLE, UNWRITTEN, Paint
from kvparity.program import Program
from kvparity.tables.cells import row_text
from kvparity.trace import Frozen

_FEW = 64
"""Numbers up to which an array that holds no tokens is written out."""
_GAP = 4
"""Unwritten slots in a row from which on they are counted."""


def lines_at(face: Face, program: Program, index: int) -> list[Line]:
    """The lines that the op of this index runs, once those before it have been played."""
    *_, lines = working(face, program, range(index, index + 1), index + 1)
    return lines


def working(
    face: Face, program: Program, traced: Container[int], end: int | None = None
) -> Iterator[list[Line]]:
    """The lines of each op in turn, up to `end`; none for those that are not `traced`.

    An input that is to be refused is played on a copy, as in a run against a hardened subject.
    """
    show, sources = _Shower(program.paint), files_of(face)
    with files() as own:
        caches = {
            name: operations.make(face, spec) for name, spec in program.scenario.specs.items()
        }
        inputs = program.inputs()
        for index, op in enumerate(program.ops[:end]):
            here = copy.deepcopy(caches) if op.refused else caches
            call = operations.Call(face, op, here, inputs[index], own)
            if index in traced:
                yield trace_lines(partial(operations.run, call), sources, show)
                continue
            with suppress(Exception):
                operations.run(call)
            yield []


def files_of(face: Face) -> frozenset[str]:
    """The files in which an implementation's caches and masks are written."""
    return frozenset(name for module in (face.cache, face.base) for name in _files(module))


def _files(module: ModuleType) -> Iterator[str]:
    origin = getattr(module.__spec__, "origin", None) or getattr(module, "__file__", None)
    if hasattr(module, "__path__"):
        for directory in module.__path__:
            yield from map(str, Path(directory).rglob("*.py"))
    elif origin:
        yield origin


class _Shower:
    """Arrays in words: tokens where they hold tokens, else few numbers, else their form."""

    def __init__(self, paint: Paint) -> None:
        self._paint = paint

    def __call__(self, value: object) -> str | None:
        if isinstance(value, mx.Dtype):
            return str(value).removeprefix("mlx.core.")
        if not isinstance(value, mx.array):
            return None
        try:
            return self._array(value)
        except Exception:  # noqa: BLE001 - an array that cannot be evaluated
            return None

    def _array(self, array: mx.array) -> str:
        dtype, shape = str(array.dtype).removeprefix("mlx.core."), array.shape
        frozen = Frozen(dtype, shape, array_bytes(array))
        if len(shape) == 4:
            rows = self._tokens(frozen)
            if rows is not None:
                texts = [_with_gaps(row) for row in rows]
                return texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
        if array.size <= _FEW and dtype == "bool":
            return "[" + " ".join(mask_rows(frozen)) + "]"
        if array.size <= _FEW and "float" not in dtype:
            return str(array.tolist())
        return f"{dtype}{list(shape)}"

    def _tokens(self, array: Frozen) -> list[list[int | str]] | None:
        """Rows of tokens; values are told from keys by their sign."""
        rows = self._paint.cells(array, "keys")
        if any(str(cell).startswith("v") for row in rows for cell in row):
            rows = self._paint.cells(array, "values")
        return None if any(cell == UNREADABLE for row in rows for cell in row) else rows


def _with_gaps(row: list[int | str]) -> str:
    """A row of tokens, a long end that was never written counted."""
    written = len(row)
    while written and row[written - 1] == UNWRITTEN:
        written -= 1
    gap = len(row) - written
    if gap < _GAP:
        return row_text([None if cell == UNWRITTEN else cell for cell in row])
    held = row_text([None if cell == UNWRITTEN else cell for cell in row[:written]])
    return f"{held[:-1]}{', ' if written else ''}_ x {gap}]"
