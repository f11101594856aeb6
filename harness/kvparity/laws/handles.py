"""The law of handles: an array that was handed out never changes, whatever is done afterwards.

The scenario is played by itself, every array that comes out of an operation or of a cache's state
kept as it is beside a snapshot, and the two are held against each other at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import mlx.core as mx

from kvoracle.face import Face, Unsupported
from kvparity import operations, output, patience
from kvparity.files import Files, files
from kvparity.laws.twins import Broken
from kvparity.observe import ANY_ERROR, array_bytes
from kvparity.program import Op, Program
from kvparity.watch import arrays

_Handed = tuple[Op, str, str, tuple[mx.array, mx.array]]
"""An array handed out by an op, of a cache of which kind, as what, and a snapshot of it."""


def changed(face: Face, program: Program) -> Iterator[Broken]:
    """The first array returned that is no longer what it was, and the first out of a state."""
    handed: list[_Handed] = []
    # What does not come to an end is another check's affair, too.
    with (
        output.kept_clear(),
        files() as own,
        suppress(patience.TookTooLong),
        patience.limited(lambda: len(handed)),
    ):
        handed.extend(_handed(face, program, own))
    try:
        mx.eval([pair for *_, pair in handed])
    except Exception:  # noqa: BLE001 - what cannot be evaluated is another check's affair
        return
    for wanted in ("returned", "state"):
        for op, kind, what, (handle, snapshot) in handed:
            if what == wanted and not _as_it_was(handle, snapshot):
                where = f"what {program.label(op)} returned"
                if what == "state":
                    where = f"the state after {program.label(op)}"
                yield Broken(kind, what, op.index, f"{where} was changed by a later step")
                break


def _as_it_was(handle: mx.array, snapshot: mx.array) -> bool:
    return handle.shape == snapshot.shape and array_bytes(handle) == array_bytes(snapshot)


def _handed(face: Face, program: Program, own: Files) -> Iterator[_Handed]:
    caches: dict[str, Any] = {}
    try:
        for name, spec in program.scenario.specs.items():
            caches[name] = operations.make(face, spec)
    except ANY_ERROR:  # the implementation's, whatever it is
        return
    for op, given in zip(program.ops, program.inputs(), strict=True):
        call = operations.Call(face, op, caches, given, own)
        try:
            result = operations.run(call)
        except Unsupported:
            return
        except ANY_ERROR:  # a step that raises hands nothing out
            continue
        cache = None
        with suppress(*ANY_ERROR):
            cache = call.find(operations.subject_of(op) or "")
        kind = _kind(face, cache)
        for array in arrays(result):
            yield op, kind, "returned", (array, array[...])
        with suppress(*ANY_ERROR):
            for array in arrays(getattr(cache, "state", None)):
                yield op, kind, "state", (array, array[...])


def _kind(face: Face, cache: Any) -> str:
    try:
        return face.kind_of(cache)
    except Unsupported:
        return "none"
