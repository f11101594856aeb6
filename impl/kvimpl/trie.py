"""Values filed under the prompts of models, and the prompt nearest to another; no caches in here.

mlx-lm's ``PromptTrie``. Tokens are whatever can be hashed. Every leaf has a value: what would leave
one without is refused or pruned.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import MissingKeyError


@dataclass
class PromptTrieResult:
    """What there is near a prompt.

    Attributes:
        model: whose prompts were searched.
        exact: the prompt itself, if it has a value; then the others are ``None`` and 0.
        shorter: the longest beginning of the prompt, of a token at least, that has a value.
        longer: the shortest prompt with a value that goes on from where the two part.
        common_prefix: how many tokens the prompt shares with any that is filed.

    """

    model: Any
    exact: list[Any] | None
    shorter: list[Any] | None
    longer: list[Any] | None
    common_prefix: int


class _Nothing:
    """Stands for no value: ``None`` is one."""


class _Node:
    __slots__ = ("children", "value")

    def __init__(self) -> None:
        self.children: dict[Hashable, _Node] = {}
        self.value: Any = _Nothing


class PromptTrie:
    """Values under (model, prompt)."""

    def __init__(self) -> None:
        self._trie: dict[Hashable, _Node] = {}

    def add(self, model: Hashable, tokens: Sequence[Hashable], value: Any) -> Any:
        """File ``value``; returns the one that it replaces, or ``None``.

        Raises:
            TypeError: a token that cannot be hashed, before anything has changed.

        """
        hash(tuple(tokens))
        node = self._trie.setdefault(model, _Node())
        for token in tokens:
            node = node.children.setdefault(token, _Node())
        replaced, node.value = node.value, value
        return None if replaced is _Nothing else replaced

    def get(self, model: Hashable, tokens: Sequence[Hashable]) -> Any:
        """Return the value of a prompt.

        Raises:
            MissingKeyError: it has none.

        """
        return self._path_to_value("PromptTrie.get", model, tokens)[-1].value

    def pop(self, model: Hashable, tokens: Sequence[Hashable]) -> Any:
        """Take out a prompt and return its value.

        Raises:
            MissingKeyError: it has none.

        """
        path = self._path_to_value("PromptTrie.pop", model, tokens)
        value, path[-1].value = path[-1].value, _Nothing
        for parent, node, token in zip(path[-2::-1], path[:0:-1], reversed(tokens), strict=True):
            if node.children or node.value is not _Nothing:
                break
            del parent.children[token]
        return value

    def pop_prefixes(self, model: Hashable, tokens: Sequence[Hashable]) -> list[tuple[int, Any]]:
        """Take out the true beginnings of a prompt that is filed, or that one filed goes on from.

        Returns:
            Their lengths and values, the shortest first.

        Raises:
            MissingKeyError: no prompt that is filed begins so.

        """
        path = self._path("PromptTrie.pop_prefixes", model, tokens)[:-1]
        popped = [(i, node.value) for i, node in enumerate(path) if node.value is not _Nothing]
        for i, _ in popped:
            path[i].value = _Nothing
        return popped

    def search(self, model: Hashable, tokens: Sequence[Hashable]) -> PromptTrieResult:
        """Return what there is near a prompt.

        Of several longer prompts that are as short, it is one that was filed last, as in mlx-lm.
        """
        tokens = list(tokens)
        path = list(self._walk(model, tokens))
        common = max(0, len(path) - 1)
        valued = [i for i, node in enumerate(path) if node.value is not _Nothing]
        if valued and valued[-1] == len(tokens):
            return PromptTrieResult(model, tokens, None, None, 0)
        shorter = tokens[: valued[-1]] if valued and valued[-1] else None
        longer = [*tokens[:common], *_to_nearest_value(path[-1])] if common else None
        return PromptTrieResult(model, None, shorter, longer, common)

    def _walk(self, model: Hashable, tokens: Sequence[Hashable]) -> Iterator[_Node]:
        """Yield the nodes from the model's root down, as far as the tokens lead."""
        node = self._trie.get(model)
        if node is None:
            return
        yield node
        for token in tokens:
            node = node.children.get(token)
            if node is None:
                return
            yield node

    def _path(self, context: str, model: Hashable, tokens: Sequence[Hashable]) -> list[_Node]:
        path = list(self._walk(model, tokens))
        if len(path) <= len(tokens):
            raise MissingKeyError(context, f"prompt of {len(tokens)} tokens")
        return path

    def _path_to_value(
        self, context: str, model: Hashable, tokens: Sequence[Hashable]
    ) -> list[_Node]:
        path = self._path(context, model, tokens)
        if path[-1].value is _Nothing:
            raise MissingKeyError(context, f"prompt of {len(tokens)} tokens")
        return path


def _to_nearest_value(start: _Node) -> list[Hashable]:
    """Return the tokens from ``start`` down to the nearest node with a value, level by level."""
    # The last link of a chain of (token, rest) stands for a path: copies would cost its square.
    level: list[tuple[_Node, Any]] = [(start, None)]
    while True:
        below = []
        for node, chain in level:
            if node.value is not _Nothing:
                return _unlinked(chain)
            below += [(node.children[t], (t, chain)) for t in reversed(node.children)]
        level = below


def _unlinked(chain: Any) -> list[Hashable]:
    tokens = []
    while chain:
        token, chain = chain
        tokens.append(token)
    return tokens[::-1]
