"""Steps and scenarios as objects, without validation where what was drawn is sure to be valid.

Validating what a generator made itself costs more than making it. What is not listed here is
validated as if it came from a file; a test holds the two ways against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import NoneType
from typing import Any

from kvscenarios import Scenario
from kvscenarios.base import NoArguments
from kvscenarios.caches import CacheSpec
from kvscenarios.expect import Expect
from kvscenarios.steps import DEFAULT_CACHE, OPERATIONS, Step
from kvscenarios.steps.batch import ArrayArgs
from kvscenarios.steps.masks import AttentionMaskArgs, CausalMaskArgs, ModelMaskArgs, SsmMaskArgs
from kvscenarios.steps.one import MaskArgs
from kvscenarios.steps.reuse import PromptKey, TrieEntry
from kvscenarios.tensors import KeysValues, TokenTensor

FAMILY = "generated"
_REMEMBERED = 8192
"""Steps made before that are kept: nothing changes a step, and scenarios have many in common."""
_NOTHING = NoArguments()
_REFUSED = Expect.model_validate({"error": "CacheError"})


def _rows(tokens: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    return (tuple(tokens),)


def _written(tokens: Sequence[int]) -> KeysValues:
    return KeysValues.model_construct(keys=TokenTensor.model_construct(tokens=_rows(tokens)))


def _itself(arguments: Any) -> Any:
    return arguments


def _nothing(_arguments: Any) -> NoArguments:
    return _NOTHING


def _rows_of_a_batch(arguments: Any) -> Any:
    """A list of rows, or an array of them."""
    if isinstance(arguments, Mapping):
        return ArrayArgs.model_construct(array=tuple(arguments["array"]))
    return tuple(arguments)


def _of(model: type[Any]) -> Callable[[Any], Any]:
    def build(arguments: Sequence[tuple[str, Any]]) -> Any:
        return model.model_construct(**dict(arguments))

    return build


def _of_prompt(model: type[Any]) -> Callable[[Any], Any]:
    def build(arguments: Mapping[str, Any]) -> Any:
        return model.model_construct(**{**arguments, "tokens": _rows(arguments["tokens"])})

    return build


_MASKS = {
    "make_mask": _of(MaskArgs),
    "model_mask": _of(ModelMaskArgs),
    "ssm_mask": _of(SsmMaskArgs),
    "create_causal_mask": _of(CausalMaskArgs),
    "create_attention_mask": _of(AttentionMaskArgs),
}
_BUILT: dict[str, Callable[[Any], Any]] = {
    "decode": _rows,
    "append": _rows,
    "update": _written,
    "trim": _itself,
    "advance": _itself,
    "extract": _itself,
    "extend": _itself,
    "filter": _rows_of_a_batch,
    "merge": tuple,
    "trim_prompt_cache": _itself,
    "can_trim_prompt_cache": _nothing,
    **_MASKS,
    "round_trip": _nothing,
    "materialize": _nothing,
    "finalize": _nothing,
    "maybe_trim_front": _nothing,
    "lru_stats": _nothing,
    "trie_add": _of_prompt(TrieEntry),
    "trie_get": _of_prompt(PromptKey),
    "trie_pop": _of_prompt(PromptKey),
    "trie_pop_prefixes": _of_prompt(PromptKey),
    "trie_search": _of_prompt(PromptKey),
    "lru_fetch": _of_prompt(PromptKey),
}
"""How the arguments of an operation are made of what a sequence says."""


def step(
    op: str, arguments: Any, *, on: str | tuple[str, ...] | None = None, made: str | None = None
) -> Step:
    """A step: `on` which caches (None for the only one), `made` the name of what it makes."""
    if op in _MASKS:
        return _remembered(op, tuple(arguments.items()), on, made)
    alike = isinstance(arguments, int | range | NoneType)
    return (_remembered if alike else _built)(op, arguments, on, made)


def _built(op: str, arguments: Any, on: str | tuple[str, ...] | None, made: str | None) -> Step:
    given: dict[str, Any] = {} if on in (None, DEFAULT_CACHE) else {"on": on}
    build = _BUILT.get(op)
    if build is None:
        return OPERATIONS[op].model_validate(
            {op: arguments, **given, **({} if made is None else {"as": made})}
        )
    if made is not None:
        given["as_"] = made
    return OPERATIONS[op].model_construct(**{op: build(arguments), **given})


_remembered = lru_cache(maxsize=_REMEMBERED)(_built)


def copied(source: str, made: str) -> Step:
    """A copy of a cache under another name."""
    return OPERATIONS["copy"].model_construct(copy_=source, as_=made)


def refused(op: str, arguments: Any, *, on: str | None, made: str | None = None) -> Step:
    """A step that a hardened cache must refuse."""
    plain: Any = {op: arguments}
    if on not in (None, DEFAULT_CACHE):
        plain["on"] = on
    if made is not None:
        plain["as"] = made
    return OPERATIONS[op].model_validate({**plain, "expect": _REFUSED})


def scenario(name: str, specs: Mapping[str, CacheSpec], steps: Sequence[Step]) -> Scenario:
    """The scenario of these caches and steps; without any, the caches are looked at."""
    one = list(specs) == [DEFAULT_CACHE]
    caches: dict[str, Any] = {"cache": specs[DEFAULT_CACHE]} if one else {"caches": dict(specs)}
    if not steps:
        steps = [OPERATIONS["observe"].model_validate({"observe": None, "on": next(iter(specs))})]
    return Scenario.model_construct(**caches, steps=tuple(steps), name=name, family=FAMILY)
