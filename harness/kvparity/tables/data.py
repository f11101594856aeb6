"""Tables as data: JSON, and safetensors with the very arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlx.core as mx
import numpy as np

from kvparity.observe import array_bytes
from kvparity.tables.columns import COLUMNS
from kvparity.tables.document import Document
from kvparity.tables.made import Table
from kvparity.tables.rows import MASKS
from kvparity.trace import Frozen


def as_json(document: Document) -> str:
    """One object: the provenance, the columns with what each holds, and the rows."""
    provenance = document.provenance.model_dump(mode="json")
    content = {"provenance": provenance, "columns": COLUMNS, "rows": _rows(document)}
    return json.dumps(content, indent=1) + "\n"


def _rows(document: Document) -> list[dict[str, Any]]:
    return [
        {**row, "working": row["working"] and [str(line) for line in row["working"]]}
        for table in document.tables
        for row in table.rows
    ]


def safetensors(document: Document) -> bytes:
    """The arrays that each operation was given and gave back, and that each cache held after it.

    Named `SCENARIO/OP/given.keys`, `SCENARIO/OP/returned.keys`, `SCENARIO/OP/mask` and
    `SCENARIO/OP/CACHE.keys`, with OP from 1; those of no elements are left out. The metadata has
    the provenance, and the rows as JSON under `rows`.
    """
    arrays = {
        name: _array(frozen)
        for table in document.tables
        for name, frozen in _arrays(table)
        if frozen.data
    }
    metadata = {
        "provenance": "\n".join(document.provenance.lines()),
        "rows": json.dumps(_rows(document)),
    }
    with TemporaryDirectory(prefix="kvparity-") as directory:
        path = Path(directory) / "table.safetensors"
        mx.save_safetensors(str(path), arrays, metadata)
        return path.read_bytes()


def _arrays(table: Table) -> Iterator[tuple[str, Frozen]]:
    inputs = table.program.inputs()
    for index, entry in enumerate(table.trace.entries):
        op, at = table.program.ops[index], f"{table.scenario.id}/{index + 1}"
        sides = ("keys", "values") if len(inputs[index]) == 2 else ("array",)
        for side, given in zip(sides, inputs[index], strict=False):
            dtype = str(given.dtype).removeprefix("mlx.core.")
            yield f"{at}/given.{side}", Frozen(dtype, given.shape, array_bytes(given))
        what = "mask" if op.name in MASKS else "returned"
        yield from _flat(f"{at}/{what}", entry.returned)
        for cache, held in entry.held.items():
            for name, value in zip(held.names, held.values, strict=True):
                yield from _flat(f"{at}/{cache}.{name}", value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Frozen]]:
    """The arrays in a value: of two, keys and values; of three, what a quantized one is made of."""
    if isinstance(value, Frozen):
        yield name, value
    elif isinstance(value, tuple):
        words = {2: ("keys", "values"), 3: ("packed", "scales", "biases")}
        names = words.get(len(value)) or tuple(map(str, range(len(value))))
        for part, item in zip(names, value, strict=True):
            yield from _flat(f"{name}.{part}", item)


def _array(frozen: Frozen) -> mx.array:
    if frozen.dtype == "bool":
        return mx.array(np.frombuffer(frozen.data, np.bool_)).reshape(frozen.shape)
    whole = mx.array(np.frombuffer(frozen.data, np.uint8))
    return whole.view(getattr(mx, frozen.dtype)).reshape(frozen.shape)
