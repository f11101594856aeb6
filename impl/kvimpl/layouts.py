"""The two ways in which mlx-lm has laid out prompt caches as named arrays and strings.

Up to 0.31.3 a layer was its logical arrays, and its numbers were strings. Since 0.32.0 it is its
attributes, buffers whole, with numbers, names and missing values turned into arrays that a list of
scalars tells apart. Names are paths: ``"2.0.1"`` is entry 1 of entry 0 of entry 2. Here is only the
translation; ``files`` reads and writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import mlx.core as mx

from .buffers import numbers_of
from .cache_list import MAX_DEPTH, CacheList
from .errors import (
    CacheError,
    CapExceededError,
    InvariantViolationError,
    LayerError,
    LengthMismatchError,
    MetaParseError,
    UnknownKindError,
)
from .fields import FIELDS, from_fields
from .restore import KINDS, from_state

Packed = tuple[dict[str, mx.array], dict[str, str]]
"""What a file holds: named arrays, named strings."""

MAX_PATH = 2 * MAX_DEPTH + 8
"""A level of a list of caches takes two entries of a path, and a cache a few more."""


def pack_032(caches: Sequence[Any], user: Mapping[str, str]) -> Packed:
    """Return the layout since 0.32.0."""
    arrays: dict[str, mx.array] = {}
    metadata = {f"0.{key}": text for key, text in user.items()} | {"2.0": ""}
    scalars = 0
    for i, cache in enumerate(caches):
        name, fields = _in_layer("save_prompt_cache", i, _fields, cache)
        metadata[f"1.{i}"] = name
        for path, value in _leaves(str(i), fields):
            if isinstance(value, mx.array):
                arrays[path] = value
                continue
            scalars += 1
            arrays[path], kind = _as_array(value)
            metadata |= {f"2.{scalars}.0": path, f"2.{scalars}.1": kind}
    return arrays, metadata


def _fields(cache: Any) -> tuple[str, Any]:
    name = getattr(cache, "reference_class_name", type(cache).__name__)
    if isinstance(cache, CacheList):
        return name, [_fields(child)[::-1] for child in cache.caches]
    if name not in FIELDS:
        raise UnknownKindError("layout", name, tuple(FIELDS))
    if getattr(cache, "_pending", None) is not None:
        raise InvariantViolationError(name, "finalize must come before saving")
    return name, [getattr(cache, field) for field in FIELDS[name]]


def _as_array(value: Any) -> tuple[mx.array, str]:
    """Return how a file holds what is no array: mlx-lm reads it so."""
    if value is None:
        return mx.zeros(1), "none"  # mlx-lm writes no element, which mlx up to 0.32.0 cannot
    if isinstance(value, str):
        return mx.array([ord(character) for character in value]), "string"
    if value < 2**63:
        return mx.array(value), "scalar"
    high, low = (mx.array(part, mx.uint64) for part in divmod(value, 2**32))
    return mx.left_shift(high, mx.array(32, mx.uint64)) + low, "scalar"


def pack_031(caches: Sequence[Any], user: Mapping[str, str]) -> Packed:
    """Return the layout up to 0.31.3."""
    arrays: dict[str, mx.array] = {}
    metadata = {f"1.{key}": text for key, text in user.items()}
    for i, cache in enumerate(caches):
        name, state, meta = _in_layer("save_prompt_cache", i, _state_031, cache)
        arrays |= dict(_leaves(str(i), state))
        metadata |= dict(_leaves(f"0.{i}", meta))
        metadata[f"2.{i}"] = name
    return arrays, metadata


def _state_031(cache: Any) -> tuple[str, Any, Any]:
    name, _ = _fields(cache)
    state, meta = cache.state, cache.meta_state or ""
    if isinstance(cache, CacheList):
        children = [_state_031(child) for child in cache.caches]
        state, meta = [part for _, part, _ in children], [[n for n, _, _ in children]]
        meta.append([part for _, _, part in children])
    if not state or any(part is None for part in state):
        raise InvariantViolationError(name, "the layout up to 0.31.3 cannot hold an empty cache")
    if meta and name == "ArraysCache":
        requirement = "the layout up to 0.31.3 cannot hold the padding and lengths of this kind"
        raise InvariantViolationError(name, requirement)
    return name, state, meta


def unpack(
    context: str, arrays: Mapping[str, mx.array], metadata: Mapping[str, str]
) -> tuple[list[Any], dict[str, str]]:
    """Return the caches and the user's metadata out of either layout.

    Raises:
        LayerError: a cache that cannot be restored.
        CapExceededError: paths that nest too deep.
        MetaParseError: names that are no paths.
        LengthMismatchError: arrays or metadata of more layers than there are class names.

    """
    # Only here is an empty string: class names, which used to be in its place, are not empty.
    is_032 = metadata.get("2.0") == ""
    user_at, names_at = ("0", "1") if is_032 else ("1", "2")
    user = {
        key.partition(".")[2]: text
        for key, text in metadata.items()
        if key.partition(".")[0] == user_at
    }
    rest = [pair for pair in metadata.items() if pair[0].partition(".")[0] != user_at]
    described = _tree(context, rest)
    names = _entries(context, described.pop(names_at, {}))
    if is_032:
        scalars = _entries(context, described.pop("2"))[1:]
        layers = _tree(context, _with_scalars(context, arrays, scalars).items())
        restored = [
            _in_layer(context, i, _from_032, name, layers.pop(str(i), {}))
            for i, name in enumerate(names)
        ]
    else:
        layers = _tree(context, arrays.items())
        metas = _children(context, described.pop("0", {}))
        restored = [
            _in_layer(context, i, _from_031, name, layers.pop(str(i), {}), metas.pop(str(i), ""))
            for i, name in enumerate(names)
        ]
        described |= metas
    if layers or described:
        raise LengthMismatchError(f"{context}: layers", len(names), len(names) + len(layers))
    return restored, user


def _with_scalars(
    context: str, arrays: Mapping[str, mx.array], scalars: Iterable[Any]
) -> dict[str, Any]:
    values: dict[str, Any] = dict(arrays)
    for entry in scalars:
        path, kind = _entries(context, entry, 2)
        array = values.get(path)
        if not isinstance(array, mx.array):
            raise MetaParseError(context, "scalars")
        if kind == "none":
            values[path] = None
        elif kind == "scalar" and array.size == 1:
            values[path] = array.item()
        elif kind == "string" and array.dtype == mx.int32 and array.ndim == 1 and array.size <= 256:
            values[path] = "".join(chr(code % 0x110000) for code in numbers_of(array))
        else:
            raise MetaParseError(context, "scalars")
    return values


def _from_032(name: Any, node: Any) -> Any:
    kind = _kind("load_prompt_cache", name)
    if kind == "CacheList":
        children = [_entries(kind, child, 2) for child in _entries(kind, node)]
        return CacheList(
            *(_in_layer(kind, i, _from_032, *child[::-1]) for i, child in enumerate(children))
        )
    # A list of no slots leaves no trace in a path.
    values = [_value(kind, node, str(i), []) for i in range(len(FIELDS[kind]))]
    if len(_children(kind, node)) > len(values):
        raise LengthMismatchError(kind, len(values), len(_children(kind, node)))
    return from_fields(kind, values)


def _value(context: str, node: Any, key: str, absent: Any) -> Any:
    value = _children(context, node).get(key, absent)
    return _entries(context, value) if isinstance(value, dict) else value


def _from_031(name: Any, node: Any, meta: Any) -> Any:
    kind = _kind("load_prompt_cache", name)
    meta, state = _plain(kind, meta), _entries(kind, node)
    if kind == "CacheList":
        if [len(state)] * 2 != [len(part) for part in meta if isinstance(part, list)]:
            raise LengthMismatchError(f"{kind}: meta_state", len(state), len(meta))
        children = zip(meta[0], state, meta[1], strict=True)
        return CacheList(
            *(_in_layer(kind, i, _from_031, *child) for i, child in enumerate(children))
        )
    if kind == "QuantizedKVCache":
        state = [_entries(kind, triple) for triple in state]
    arrays = [array for part in state for array in (part if isinstance(part, list) else [part])]
    if not all(isinstance(array, mx.array) for array in arrays):
        raise MetaParseError(kind, "state")
    if not all(isinstance(text, str) for text in meta):
        raise MetaParseError(kind, "meta_state")
    return from_state(kind, state, meta)


def _in_layer(context: str, layer: int, function: Any, *args: Any) -> Any:
    try:
        return function(*args)
    except CacheError as error:
        raise LayerError(context, layer, error) from error


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, list | tuple):
        yield path, value
        return
    for i, item in enumerate(value):
        yield from _leaves(f"{path}.{i}", item)


def _tree(context: str, pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return values by path as nested dicts."""
    root: dict[str, Any] = {}
    for path, value in pairs:
        *parents, last = path.split(".", MAX_PATH + 1)
        if len(parents) > MAX_PATH:
            raise CapExceededError(context, "nesting depth", MAX_PATH, path.count(".") + 1)
        node = root
        for parent in parents:
            node = _children(context, node.setdefault(parent, {}))
        if last in node:
            raise MetaParseError(context, "path")
        node[last] = value
    return root


def _children(context: str, node: Any) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise MetaParseError(context, "path")
    return node


def _entries(context: str, node: Any, expected: int | None = None) -> list[Any]:
    """Return the children of a node that is a list: they are counted from 0 without a gap."""
    if isinstance(node, list):
        return node
    children = _children(context, node)
    if expected not in (None, len(children)):
        raise LengthMismatchError(context, expected or 0, len(children))
    try:
        return [children[str(i)] for i in range(len(children))]
    except KeyError as error:
        raise MetaParseError(context, "path") from error


def _plain(context: str, meta: Any) -> Any:
    """Return a cache's metadata as a list, whose own entries may be lists; none is ``""``."""
    if isinstance(meta, str):
        return [meta] if meta else []
    if isinstance(meta, list):
        return meta
    return [_plain(context, e) if isinstance(e, dict) else e for e in _entries(context, meta)]


def _kind(context: str, name: Any) -> str:
    """Return the class in mlx-lm that a class name in a file stands for."""
    if not isinstance(name, str):
        raise MetaParseError(context, "class name")
    if name not in KINDS:
        raise UnknownKindError(context, name, tuple(KINDS))
    kind: str = KINDS[name].reference_class_name
    return kind
