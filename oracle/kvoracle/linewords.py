"""One statement in words: its source, the values of the names in it, and what it came to."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import CodeType, FrameType
from typing import Any

import executing

_PURE = (
    ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Tuple, ast.Constant, ast.BinOp,
    ast.UnaryOp, ast.operator, ast.unaryop, ast.expr_context,
)  # fmt: skip
"""What is evaluated to be shown: it reads, and calls nothing of its own."""
_OWN_NAMES = (
    ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip
"""Expressions with names of their own, which the frame does not know."""
_SPACES = re.compile(r"(?<=[(\[{]) +| +(?=[)\]}])|,(?= *[)\]}])")
_UNKNOWN = object()


def show_nothing(value: object) -> None:
    """Leave every name of what is not plain Python as it is."""
    del value


def shown(value: object, show: Callable[[object], str | None]) -> str | None:
    """A value in words, or None: numbers, words, and lists of what can be shown."""
    if value is None or type(value) in {bool, int, float, str}:
        return repr(value)
    if type(value) in {tuple, list}:
        assert isinstance(value, tuple | list)  # noqa: S101 - narrows the type
        parts = [shown(item, show) for item in value]
        words = [part for part in parts if part is not None]
        if len(words) < len(parts):
            return None
        return f"({', '.join(words)})" if type(value) is tuple else f"[{', '.join(words)}]"
    return show(value)


class Words:
    """A statement on its way: what is known before it runs, and `done` when it has run."""

    def __init__(
        self,
        file: executing.Source,
        node: ast.stmt,
        frame: FrameType,
        show: Callable[[object], str | None],
    ) -> None:
        self._node = node
        self._show = show
        self._tokens = file.asttokens()
        self.source = self._header()
        self._filled = {
            part: self._with_values(part, frame.f_globals, frame.f_locals) for part in self._parts()
        }

    def done(
        self, frame: FrameType, into: int | None, returned: tuple[Any, ...], *, called: bool
    ) -> str | None:
        """The statement in words, once it has run; None where there is nothing to say.

        `into` is the line that runs next, None where the frame returns `returned`; `called`, that
        a function ran whose own lines say what it gave back.
        """
        node = self._node
        if isinstance(node, ast.If | ast.While):
            taken = into is not None and _within(node.body, into)
            went = "taken" if taken else "not taken"
            values = self._filled[node.test]
            same = values == self._text(node.test)
            return f"{self.source} {went}" if same else f"{self.source} {values}, {went}"
        if isinstance(node, ast.For):
            return self._round(node, frame, into)
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            return self._assigned(node, frame)
        if isinstance(node, ast.Return) and node.value is not None:
            value = None if called or not returned else shown(returned[0], self._show)
            return self._chain(node.value, self._filled[node.value], value)
        if isinstance(node, ast.Expr):
            plain = isinstance(node.value, ast.Constant)
            return None if plain else self._chain(node.value, self._filled[node.value], None)
        return self.source

    def _round(self, node: ast.For, frame: FrameType, into: int | None) -> str | None:
        """What a loop's names stand for in this round; nothing where the loop is over."""
        if into is None or not _within(node.body, into):
            return None
        value = self._read(node.target, frame)
        words = shown(value, lambda one: self._show(one) or type(one).__name__)
        return f"{self.source} {self._text(node.target)} = {words}"

    def _assigned(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign, frame: FrameType) -> str:
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if node.value is None:
            return self.source
        filled = self._filled[node.value]
        if isinstance(target, ast.Subscript):
            into = f"{self._filled[target]} = {filled}"
            words = self.source if into == self.source else f"{self.source}: {into}"
            after = shown(self._read(target.value, frame), self._show)
            return words if after is None else f"{words}, so {self._text(target.value)} = {after}"
        after = shown(self._read(target, frame), self._show)
        if isinstance(node, ast.AugAssign):
            sign = self.source.removeprefix(self._text(target)).split("=", 1)[0].strip()
            filled = f"{self._filled[target]} {sign} {filled}"
        return self._chain(node.value, filled, after)

    def _chain(self, value: ast.expr, filled: str, result: str | None) -> str:
        """The source, the source with values, and what came of it, each said once."""
        said = [self._text(value)]
        for words in (filled, result):
            if words is not None and words not in {said[-1], f"({said[-1]})"}:
                said.append(words)
        return " = ".join([self.source, *said[1:]])

    def _read(self, target: ast.expr, frame: FrameType) -> Any:
        """What a target holds now."""
        if isinstance(target, ast.Tuple | ast.List):
            return tuple(self._read(part, frame) for part in target.elts)
        return _value(target, frame.f_globals, frame.f_locals)

    def _header(self) -> str:
        """The statement's source on one line; of one with a body, what stands before the body."""
        node = self._node
        text = self._text(node)
        body = getattr(node, "body", None)
        if body:
            start = self._tokens.get_text_range(node)[0]
            decorated = self._tokens.get_text_range(body[0])[0]
            text = _one_line(self._tokens.text[start:decorated])
        return text

    def _parts(self) -> Iterator[ast.expr]:
        """The expressions of the statement itself."""
        return (part for part in ast.iter_child_nodes(self._node) if isinstance(part, ast.expr))

    def _text(self, node: ast.AST) -> str:
        start, end = self._tokens.get_text_range(node)
        return _one_line(self._tokens.text[start:end])

    def _with_values(self, part: ast.expr, names: dict[str, Any], local: Mapping[str, Any]) -> str:
        """The expression's source with values in the place of names, attributes and subscripts."""
        start, end = self._tokens.get_text_range(part)
        text, at = "", start
        leaves = [
            (*self._tokens.get_text_range(node), words)
            for node, words in self._leaves(part, names, local)
        ]
        for first, last, words in sorted(leaves):
            text, at = text + self._tokens.text[at:first] + words, last
        return _one_line(text + self._tokens.text[at:end])

    def _leaves(
        self, node: ast.AST, names: dict[str, Any], local: Mapping[str, Any]
    ) -> Iterator[tuple[ast.AST, str]]:
        """The largest parts that have a value to show."""
        if isinstance(node, _OWN_NAMES):
            return
        stored = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and not stored:
            words = shown(_value(node, names, local), self._show)
            if words is not None:
                yield node, words
                return
            if not isinstance(node, ast.Subscript):
                return
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Call):
            children = [*node.args, *node.keywords]
        elif isinstance(node, ast.Subscript):
            children = [node.slice]
        for child in children:
            yield from self._leaves(child, names, local)


def _value(node: ast.expr, names: dict[str, Any], local: Mapping[str, Any]) -> Any:
    """The value of what only reads; a value that cannot be shown where there is none."""
    code = _code(node)
    if code is None:
        return _UNKNOWN
    try:
        return eval(code, names, dict(local))  # noqa: S307 - the reference's own words
    except Exception:  # noqa: BLE001 - a name that has no value yet, or no such attribute
        return _UNKNOWN


@cache
def _code(node: ast.expr) -> CodeType | None:
    """The expression compiled, if all it does is read; a target is read as well."""
    if not all(isinstance(part, _PURE) for part in ast.walk(node)):
        return None
    return compile(ast.unparse(node), "<read>", "eval")


def _within(body: list[ast.stmt], line: int) -> bool:
    last = body[-1]
    return body[0].lineno <= line <= (last.end_lineno or last.lineno)


def _one_line(text: str) -> str:
    code = " ".join(part.partition("  #")[0] for part in text.splitlines())
    return _SPACES.sub("", " ".join(code.split()))
