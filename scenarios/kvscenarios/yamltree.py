"""YAML read safely, with the line on which each part stands.

The parser is PyYAML's (libyaml where it is there). Its events are taken as data only: no tags, no
anchors or aliases, no duplicate keys, and bounds on depth and on the number of parts, all held
before anything is built. Plain words follow YAML 1.2: `on` is a word, not a truth value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

MAX_DEPTH = 24
MAX_PARTS = 200_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"^[-+]?[0-9]{1,40}$")
_FLOAT = re.compile(r"^[-+]?[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?$")
_NUMERIC = frozenset("+-0123456789")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}


class YamlError(ValueError):
    """What is wrong with the text, and its line (from 1)."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line


class Tree:
    """The data of one YAML document and the lines of its parts."""

    def __init__(self) -> None:
        self.data: Any = None
        self._lines: dict[tuple[int, Any], int] = {}

    def mark(self, container: Any, key: Any, line: int) -> None:
        """Note that `container[key]` stands on this line."""
        self._lines[id(container), key] = line

    def line(self, path: tuple[Any, ...]) -> int | None:
        """The line of the deepest part on the path; steps that are not there are passed over."""
        container, found = self.data, None
        for key in path:
            line = self._lines.get((id(container), key))
            if line is not None:
                found, container = line, container[key]
        return found


def read(text: str) -> Tree:
    """Read one document. Raises YamlError."""
    loader = _Loader(text)
    try:
        return _build(loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = error.problem or error.context or "not YAML"
        raise YamlError(f"not YAML: {what}", mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise YamlError(f"not YAML: {str(error).splitlines()[0]}", None) from None
    finally:
        loader.dispose()


def _events(loader: Any) -> Iterator[Any]:
    event = loader.get_event()
    while event is not None and type(event) is not yaml.StreamEndEvent:
        yield event
        event = loader.get_event()


def _build(loader: Any) -> Tree:
    tree = Tree()
    stack: list[Any] = []
    keys: list[Any] = []
    documents = parts = 0
    for event in _events(loader):
        kind = type(event)
        if kind in _ENDS:
            stack.pop()
            keys.pop()
            continue
        line = event.start_mark.line + 1
        if kind not in _NODES:
            documents += kind is yaml.DocumentStartEvent
            if documents > 1:
                raise YamlError("a file holds one document", line)
            continue
        _refuse(event, line)
        parts += 1
        if parts > MAX_PARTS:
            raise YamlError(f"more than {MAX_PARTS} parts", line)
        value = _value(event) if kind is yaml.ScalarEvent else _NODES[kind]()
        if stack and keys[-1] is _NO_KEY and type(stack[-1]) is dict:
            keys[-1] = _key(value, stack[-1], line)
            tree.mark(stack[-1], keys[-1], line)
            continue
        _attach(tree, stack, keys, value, line)
        if kind is not yaml.ScalarEvent:
            if len(stack) >= MAX_DEPTH:
                raise YamlError(f"nested more than {MAX_DEPTH} deep", line)
            stack.append(value)
            keys.append(_NO_KEY)
    return tree


_NO_KEY = object()
_ENDS = {yaml.MappingEndEvent, yaml.SequenceEndEvent}
_NODES: dict[type, type] = {
    yaml.ScalarEvent: str,
    yaml.AliasEvent: str,
    yaml.MappingStartEvent: dict,
    yaml.SequenceStartEvent: list,
}
"""The events that stand for a part, and what the part is."""


def _refuse(event: Any, line: int) -> None:
    if event.anchor:  # an alias has its anchor's name
        raise YamlError("anchors and aliases are not allowed", line)
    if event.tag is not None and event.tag != "!":
        raise YamlError(f"tags are not allowed: {event.tag}", line)


def _value(event: Any) -> Any:
    text = event.value
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC:
        return text
    if _INT.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text


def _key(value: Any, mapping: dict[Any, Any], line: int) -> Any:
    if not isinstance(value, str | int):
        raise YamlError("a key is a word", line)
    if value in mapping:
        raise YamlError(f"the key {value!r} stands twice", line)
    mapping[value] = None
    return value


def _attach(tree: Tree, stack: list[Any], keys: list[Any], value: Any, line: int) -> None:
    if not stack:
        tree.data = value
    elif isinstance(stack[-1], dict):
        stack[-1][keys[-1]] = value
        keys[-1] = _NO_KEY
    else:
        tree.mark(stack[-1], len(stack[-1]), line)
        stack[-1].append(value)
