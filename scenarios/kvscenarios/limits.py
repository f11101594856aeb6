"""How much one scenario may ask for: a hostile one is refused before anything is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

from kvscenarios.base import Model
from kvscenarios.caches import CacheSpec
from kvscenarios.steps.base import Step
from kvscenarios.steps.one import Decode, New
from kvscenarios.steps.prompt import MakePromptCache
from kvscenarios.tensors import ShapedTensor, TokenTensor

MAX_STEPS = 4096
"""Updates and other operations in one scenario, a decode counting each of its tokens."""
MAX_ELEMENTS = 1 << 22
"""Elements that one scenario writes, keys and values together."""

_WRITTEN = {"keys", "values", "state", "to"}
"""The arguments that are tensors, or hold some."""


def over_the_limits(specs: Mapping[str, CacheSpec], steps: Sequence[Step]) -> Iterator[str]:
    """What a scenario has too much of."""
    operations = sum(len(step.decode[0]) if isinstance(step, Decode) else 1 for step in steps)
    if operations > MAX_STEPS:
        yield f"{operations} operations are more than the {MAX_STEPS} that are allowed"
    made = [step.new for step in steps if isinstance(step, New)]
    for step in steps:
        if isinstance(step, MakePromptCache):
            made += step.make_prompt_cache.make_cache or ()
    row = max(map(_row, [*specs.values(), *made]), default=1)
    elements = sum(_elements(step, row) for step in steps)
    if elements > MAX_ELEMENTS:
        yield f"{elements} elements are more than the {MAX_ELEMENTS} that are allowed"


def _row(spec: CacheSpec) -> int:
    """Elements of one token, keys and values, in every row of the batch."""
    children = max(map(_row, getattr(spec, "caches", ())), default=1)
    return max(children, spec.batch * spec.heads * (spec.head_dim + spec.value_head_dim))


def _elements(step: Step, row: int) -> int:
    """Elements that a step writes, at most."""
    if isinstance(step, Decode):
        return len(step.decode[0]) * row
    return sum(_of_tensor(tensor, row) for tensor in _tensors(step.args))


def _tensors(args: Any) -> Iterator[TokenTensor | ShapedTensor]:
    if isinstance(args, TokenTensor | ShapedTensor):
        yield args
    elif isinstance(args, tuple):
        for item in args:
            if not isinstance(item, int):
                yield from _tensors(item)
    elif isinstance(args, Model):
        for name in _WRITTEN & type(args).model_fields.keys():
            yield from _tensors(getattr(args, name))


def _of_tensor(tensor: TokenTensor | ShapedTensor, row: int) -> int:
    if isinstance(tensor, ShapedTensor):
        return prod(tensor.shape)
    own = prod(length or 1 for length in (tensor.batch, tensor.heads, tensor.head_dim))
    return len(tensor.tokens[0]) * (own * row if own > 1 else row)
