"""Prompt caches as files: written whole or not at all, and read with nothing taken on trust.

Files are safetensors, with the names that ``layouts`` gives. Reading checks what the header claims
against what the file holds before mlx is shown it, and evaluates all arrays, so that the file may
be gone or overwritten afterwards. mlx-lm does neither, and reads each other layout as no caches.
"""

from __future__ import annotations

import json
import math
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import mlx.core as mx

from .errors import CapExceededError, LengthMismatchError, MetaParseError, UnknownKindError
from .layouts import pack_031, pack_032, unpack

MAX_FILE_BYTES = 2**42
"""Four tebibytes, more than any prompt takes."""

MAX_HEADER_BYTES = 100_000_000
"""The limit of the safetensors format."""

_SUFFIX = ".safetensors"
_PACK = {"0.31": pack_031, "0.32": pack_032}
_DTYPES = {
    "BOOL": mx.bool_, "U8": mx.uint8, "I8": mx.int8, "U16": mx.uint16, "I16": mx.int16,
    "F16": mx.float16, "BF16": mx.bfloat16, "U32": mx.uint32, "I32": mx.int32, "F32": mx.float32,
    "U64": mx.uint64, "I64": mx.int64, "F64": mx.float64, "C64": mx.complex64,
}  # fmt: skip


def save_prompt_cache(
    file_name: str | os.PathLike[str],
    cache: Sequence[Any],
    metadata: Mapping[str, str] | None = None,
    layout: Literal["0.31", "0.32"] = "0.32",
) -> None:
    """Write the caches of a prompt, a layer each; the file appears whole or stays as it was.

    Args:
        file_name: ``.safetensors`` is added if it does not end so.
        cache: the caches.
        metadata: strings that are read back with them.
        layout: ``"0.32"`` is read by mlx-lm 0.32.0 and later, ``"0.31"`` by mlx-lm up to 0.31.3.

    Raises:
        LayerError: a cache that is of no known kind, that is between ``prepare`` and ``finalize``,
            or that the older layout cannot hold: an empty one, or slots without arrays.
        MetaParseError: metadata that is not strings.
        UnknownKindError: no such layout.
        OSError: the file cannot be written.

    """
    texts = dict(metadata or {})
    if not all(isinstance(text, str) for pair in texts.items() for text in pair):
        raise MetaParseError("save_prompt_cache", "metadata")
    if layout not in _PACK:
        raise UnknownKindError("save_prompt_cache: layout", str(layout), tuple(_PACK))
    arrays, strings = _PACK[layout](cache, texts)
    path = Path(file_name)
    path = path if path.suffix == _SUFFIX else path.with_name(path.name + _SUFFIX)
    unfinished = path.with_name(f".{uuid.uuid4().hex}{_SUFFIX}")
    try:
        _write(unfinished, arrays, strings)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _write(path: Path, arrays: Mapping[str, mx.array], strings: dict[str, str]) -> None:
    """Write a file with mlx, which up to 0.32.0 refuses arrays without elements.

    Such arrays have no bytes in a file: to name them in its header is all there is to do.
    """
    names = {dtype: name for name, dtype in _DTYPES.items()}
    empty = {
        key: {"dtype": names[array.dtype], "shape": array.shape, "data_offsets": (0, 0)}
        for key, array in arrays.items()
        if array.size == 0
    }
    full = {key: array for key, array in arrays.items() if key not in empty}
    mx.save_safetensors(str(path), full, strings)
    if not empty:
        return
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:start]) | empty).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[start:])


@overload
def load_prompt_cache(
    file_name: str | os.PathLike[str], return_metadata: Literal[False] = False
) -> list[Any]: ...


@overload
def load_prompt_cache(
    file_name: str | os.PathLike[str], return_metadata: Literal[True]
) -> tuple[list[Any], dict[str, str]]: ...


def load_prompt_cache(
    file_name: str | os.PathLike[str], return_metadata: bool = False
) -> list[Any] | tuple[list[Any], dict[str, str]]:
    """Read the caches of a prompt, in whichever layout mlx-lm has used.

    Returns:
        The caches, or with ``return_metadata`` a pair of them and the metadata.

    Raises:
        LayerError: a cache that cannot be restored, ``UnknownKindError`` within for its class.
        LengthMismatchError: a file that ends too early, or that holds other layers than it names.
        MetaParseError: a file that is no safetensors, or whose names are no paths.
        CapExceededError: a file, a header or a nesting past all sense.
        OSError: the file cannot be read, ``FileNotFoundError`` if there is none.

    """
    context = "load_prompt_cache"
    path = Path(file_name)
    _check_header(context, path)
    loaded: Any = mx.load(str(path), format="safetensors", return_metadata=True)
    arrays, strings = loaded
    mx.eval(list(arrays.values()))
    caches, metadata = unpack(context, arrays, strings)
    return (caches, metadata) if return_metadata else caches


def _check_header(context: str, path: Path) -> None:
    """Refuse a file whose header is malformed or promises what the file does not hold."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_FILE_BYTES:
            raise CapExceededError(context, "file size", MAX_FILE_BYTES, size)
        if size < 8:
            raise LengthMismatchError(f"{context}: bytes", 8, size)
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER_BYTES:
            raise CapExceededError(context, "header size", MAX_HEADER_BYTES, length)
        if 8 + length > size:
            raise LengthMismatchError(f"{context}: bytes", 8 + length, size)
        header = _parsed(context, file.read(length))
    strings = header.pop("__metadata__", None) or {}  # mlx writes null for none
    if not isinstance(strings, dict) or not all(isinstance(s, str) for s in strings.values()):
        raise MetaParseError(context, "__metadata__")
    for name, entry in header.items():
        _check_entry(f"{context}: {name[:80]}", entry, size - 8 - length)


def _parsed(context: str, text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except RecursionError as error:
        raise CapExceededError(context, "nesting depth of the header", 2, len(text)) from error
    except ValueError as error:
        raise MetaParseError(context, "header") from error
    if not isinstance(header, dict):
        raise MetaParseError(context, "header")
    return header


def _check_entry(context: str, entry: Any, data_bytes: int) -> None:
    try:
        item, shape, (start, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
        numbers = [*shape, start, stop]
        well_formed = all(type(n) is int and n >= 0 for n in numbers) and len(shape) <= 32
        width = _DTYPES[item].size
    except (TypeError, KeyError, ValueError) as error:
        raise MetaParseError(context, "header entry") from error
    if not well_formed:
        raise MetaParseError(context, "header entry")
    if (promised := math.prod(shape) * width) != stop - start:
        raise LengthMismatchError(f"{context}: bytes", promised, stop - start)
    if stop > data_bytes:
        raise LengthMismatchError(f"{context}: bytes", stop, data_bytes)
