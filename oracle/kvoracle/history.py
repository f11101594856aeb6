"""Since which release there is what: classes, methods, functions and their parameters.

`since.json` is package data, written with the lock from the sources by `ast`. A name is written as
it is used: `KVCache.trim`, `RotatingKVCache(keep)`, `KVCache.make_mask(window_size)`; what
`models/base.py` has stands behind `base.`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from kvoracle.sources import Sources

PATH = Path(__file__).parent / "since.json"
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def since() -> Mapping[str, str]:
    """By name, the first release that has it, and `first to last` where the newest has not."""
    table: dict[str, str] = json.loads(PATH.read_text(encoding="utf-8"))
    return table


def note(name: str) -> str:
    """When mlx-lm has or had this, for the end of a message; nothing where it never had."""
    first, _, last = since().get(name, "").partition(" to ")
    if last:
        return f" (mlx-lm had it from {first} to {last})"
    return f" (mlx-lm has it since {first})" if first else ""


def write(releases: list[Sources]) -> None:
    """Write the table from the sources of all releases, oldest first. Raises OSError."""
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    for sources in releases:
        for name in names(sources):
            first.setdefault(name, sources.version)
            last[name] = sources.version
    newest = releases[-1].version
    table = {
        name: first[name] if last[name] == newest else f"{first[name]} to {last[name]}"
        for name in sorted(first)
    }
    PATH.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    since.cache_clear()


def names(sources: Sources) -> set[str]:
    """Everything that a user of the two files can name."""
    return {
        *_of_module(ast.parse(sources.cache), ""),
        *_of_module(ast.parse(sources.base), "base."),
    }


def _of_module(module: ast.Module, prefix: str) -> Iterator[str]:
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    for node in module.body:
        if isinstance(node, _Function):
            yield from _of_function(node, prefix + node.name)
    for name in classes:
        if not name.startswith("_"):
            yield prefix + name
            for member in _members(classes, name):
                yield from _of_member(member, prefix + name)


def _members(classes: Mapping[str, ast.ClassDef], name: str) -> Iterator[_Function]:
    """The functions of a class, and those that it inherits from others in the file."""
    node = classes[name]
    own = [part for part in node.body if isinstance(part, _Function)]
    yield from own
    overridden = {function.name for function in own}
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            inherited = _members(classes, base.id)
            yield from (each for each in inherited if each.name not in overridden)


def _of_member(function: _Function, owner: str) -> Iterator[str]:
    if function.name == "__init__":
        yield from _parameters(function, owner)
    elif not function.name.startswith("_"):
        yield from _of_function(function, f"{owner}.{function.name}")


def _of_function(function: _Function, name: str) -> Iterator[str]:
    yield name
    if not any(isinstance(mark, ast.Attribute) for mark in function.decorator_list):  # no setter
        yield from _parameters(function, name)


def _parameters(function: _Function, name: str) -> Iterator[str]:
    arguments = function.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if argument.arg not in ("self", "cls", "_"):
            yield f"{name}({argument.arg})"
