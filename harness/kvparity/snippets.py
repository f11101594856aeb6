"""A scenario as a Python script that needs nothing but mlx-lm: to paste into an issue, and run.

It does what the scenario does and prints what each step returns and what the caches hold, as token
ids. It compares nothing: whoever runs it sees for themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from kvoracle.face import CLASS_NAMES
from kvparity.labels import label
from kvparity.layouts import Layout, Layouts
from kvscenarios import Scenario
from kvscenarios.caches import CacheSpec, Geometry
from kvscenarios.caches import List as ListSpec
from kvscenarios.caches import Tokens as TokensSpec
from kvscenarios.steps import MakingStep, Step
from kvscenarios.steps.batch import ArrayArgs
from kvscenarios.tensors import ShapedTensor, TokenTensor

_HEAD = '''\
# {title}
# Needs nothing but mlx-lm: pip install mlx-lm
import copy

import mlx.core as mx
from mlx_lm.models import base, cache


def kv(rows, batch, heads, k, v, dtype):
    """Keys hold token t as t, values as -t - 1, in every lane."""
    ids = mx.array(rows).reshape(len(rows), 1, -1, 1)
    shape = (batch, heads, ids.shape[2])
    return (
        mx.broadcast_to(ids, (*shape, k)).astype(dtype),
        mx.broadcast_to(-ids - 1, (*shape, v)).astype(dtype),
    )


def shown(value):
    if isinstance(value, mx.array):
        return value[:, 0, :, 0].tolist() if value.ndim == 4 else value.tolist()
    if isinstance(value, (tuple, list)):
        return [shown(item) for item in value]
    return value


def mask(c, n, **options):
    return c.make_mask(n) if type(c).__name__ == "ArraysCache" else c.make_mask(n, **options)


def restored(c):
    if hasattr(type(c), "meta_state"):
        return type(c).from_state(c.state, c.meta_state)
    return type(c).from_state(c.state)


def step(text, run):
    try:
        print(text, "->", shown(run()))
    except Exception as error:
        print(text, "->", type(error).__name__, error)
    for name, c in caches.items():
        for one in c if isinstance(c, list) else [c]:
            if getattr(one, "keys", None) is not None:
                held = one.keys_and_values() if hasattr(one, "keys_and_values") else one.state
                print("   ", name, "holds", shown(held[0]), "offset", shown(one.offset))


caches = {{}}
'''


def snippet(scenario: Scenario) -> str:
    """The script. A step that it has no words for is a comment."""
    layouts = Layouts(scenario.specs)
    lines = [f"caches[{name!r}] = {making(spec)}" for name, spec in scenario.specs.items()]
    for one in scenario.steps:
        lines.append(_step(one, layouts))
        layouts.take(one)
    title = f"{scenario.id}: {scenario.about}" if scenario.about else scenario.id
    return _HEAD.format(title=" ".join(title.split())) + "\n".join(lines) + "\n"


def making(spec: CacheSpec) -> str:
    """A new cache as a Python expression; the step by which its buffer grows is left out."""
    if isinstance(spec, ListSpec):
        return f"cache.CacheList({', '.join(map(making, spec.caches))})"
    arguments = {
        name: value
        for name in type(spec).model_fields
        if name not in Geometry.model_fields and name != "kind"
        if (value := getattr(spec, name)) is not None or name == "chunk_size"
    }
    if isinstance(spec, TokensSpec) and spec.tokens is not None:
        arguments["tokens"] = spec.tokens[0]
    words = ", ".join(
        f"{name}={list(value) if isinstance(value, tuple) else value!r}"
        for name, value in arguments.items()
    )
    return f"cache.{CLASS_NAMES[spec.kind]}({words})"


def _step(step: Step, layouts: Layouts) -> str:
    words = _WORDS.get(step.op)
    if words is None:
        return f"# not in this script: {label(step)}"
    layout = layouts.of(step.targets[0]) if step.targets else Layout()
    if step.op == "decode":
        columns = [[list(row)[at] for row in step.args] for at in range(len(step.args[0]))]
        rows = [[[token] for token in column] for column in columns]
        call = expression(step, layout, "rows")
        return f"for rows in {rows!r}:\n    step(f'decode {{rows}}', lambda rows=rows: {call})"
    return f"step({label(step)!r}, lambda: {expression(step, layout)})"


def expression(step: Step, layout: Layout, rows: str = "") -> str | None:
    """The step as a Python expression over `caches` and `kv`; None where it has no words for it.

    `layout` is that of the first cache acted on; `rows`, of a decode, what holds its tokens.
    """
    words = _WORDS.get(step.op)
    if words is None:
        return None
    if step.op == "decode":
        return f"{_on(step)}.update_and_fetch({_kv(rows, layout)})"
    code = words(step, layout)
    return f"caches.__setitem__({step.as_!r}, {code})" if isinstance(step, MakingStep) else code


def _on(step: Step) -> str:
    return _name(step.targets[0])


def _name(name: str) -> str:
    root, *path = name.split(".")
    return f"caches[{root!r}]" + "".join(f"[{index}]" for index in path)


def _indices(step: Any) -> str:
    rows = list(step.rows)
    return f"mx.array({rows!r}, mx.int32)" if isinstance(step.args, ArrayArgs) else repr(rows)


def _first(names: tuple[str, ...]) -> str:
    return _name(names[0]) if names else "cache.KVCache"


def _names(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(map(_name, names)) + "]"


def _kv(rows: str, layout: Layout) -> str:
    dims = f"{layout.batch}, {layout.heads}, {layout.head_dim}, {layout.value_head_dim}"
    return f"*kv({rows}, {dims}, mx.{layout.dtype})"


def _tensor(spec: TokenTensor | ShapedTensor, layout: Layout, side: int) -> str:
    if isinstance(spec, ShapedTensor):
        return f"mx.ones({spec.shape!r}, mx.{spec.dtype})"
    own = layout.head_dim if side == 0 else layout.value_head_dim
    lanes = own if spec.head_dim is None else spec.head_dim
    dims = (
        layout.batch if spec.batch is None else spec.batch,
        layout.heads if spec.heads is None else spec.heads,
    )
    rows = [list(row) for row in spec.tokens]
    dtype = spec.dtype or layout.dtype
    return f"kv({rows!r}, {dims[0]}, {dims[1]}, {lanes}, {lanes}, mx.{dtype})[{side}]"


def _update(step: Step, layout: Layout) -> str:
    keys, values = step.args.keys, step.args.values
    given = ", ".join(
        _tensor(spec, layout, side)
        for side, spec in enumerate((keys, keys if values is None else values))
    )
    return f"{_on(step)}.update_and_fetch({given})"


def _make_mask(step: Step, layout: Layout) -> str:
    del layout
    args = step.args
    # Only its own kind's slots take no options; KVCache's method takes none for granted.
    options = f"window_size={args.window_size}, return_array={args.return_array}"
    return f"mask({_on(step)}, {args.n}, {options})"


def _given(args: Any, but: Collection[str] = ()) -> str:
    written = args.model_fields_set - set(but)
    pairs = ((name, getattr(args, name)) for name in type(args).model_fields if name in written)
    return ", ".join(
        f"{name}={list(value) if isinstance(value, tuple) else value!r}" for name, value in pairs
    )


def _causal_mask(step: Step, layout: Layout) -> str:
    del layout
    args = step.args
    paddings = "".join(
        f", {name}=mx.array({list(value)!r})"
        for name in ("left_padding", "right_padding")
        if (value := getattr(args, name)) is not None
    )
    return (
        f"base.create_causal_mask({args.n}, {args.offset}, "
        f"window_size={args.window_size}{paddings})"
    )


def _attention_mask(step: Step, layout: Layout) -> str:
    del layout
    args = step.args
    words = f"{args.n}, {args.offset}, {args.return_array}, {args.window_size}"
    return f"cache.create_attention_mask({words})"


def _model_mask(step: Step, layout: Layout) -> str:
    options = _given(step.args, but={"n", "without_cache"})
    words = f"{_hidden(step, layout)}{options and ', '}{options}"
    return f"base.create_attention_mask({words})"


def _hidden(step: Step, layout: Layout) -> str:
    """A model's hidden states, and the cache that it is given."""
    shape = layout.rows, step.args.n, 1
    return f"mx.zeros({shape}, mx.{layout.dtype}), {_on(step) if step.targets else None}"


def _round_trip(step: Step, layout: Layout) -> str:
    del layout
    return f"caches.update({{{step.targets[0]!r}: restored({_on(step)})}})"


def _layers(step: Step) -> str:
    return _names(step.targets)


def _method(text: str) -> Callable[[Step, Layout], str]:
    """A method of the cache acted on; `{}` stands for the operation's argument."""
    return lambda step, _layout: f"{_on(step)}.{text.format(step.args)}"


_WORDS: dict[str, Callable[[Step, Layout], str]] = {
    "update": _update,
    "decode": lambda _step, _layout: "",
    "observe": lambda _step, _layout: "None",
    "trim": _method("trim({})"),
    "make_mask": _make_mask,
    "copy": lambda step, _layout: f"copy.deepcopy({_on(step)})",
    "round_trip": _round_trip,
    "materialize": lambda step, _layout: f"mx.eval({_on(step)}.state)",
    "new": lambda step, _layout: making(step.args),
    "maybe_trim_front": _method("maybe_trim_front()"),
    "to_quantized": lambda step, _layout: f"{_on(step)}.to_quantized({_given(step.args)})",
    "get_slot": lambda step, _layout: f"{_on(step)}[{step.args}]",
    "merge": lambda step, _layout: f"{_first(step.args)}.merge({_names(step.args)})",
    "extract": _method("extract({})"),
    "extend": lambda step, _layout: f"{_on(step)}.extend({_name(step.args)})",
    "filter": lambda step, _layout: f"{_on(step)}.filter({_indices(step)})",
    "prepare": lambda step, _layout: f"{_on(step)}.prepare({_given(step.args)})",
    "finalize": _method("finalize()"),
    "advance": _method("advance({})"),
    "trim_prompt_cache": lambda step, _: f"cache.trim_prompt_cache({_layers(step)}, {step.args})",
    "can_trim_prompt_cache": lambda step, _: f"cache.can_trim_prompt_cache({_layers(step)})",
    "create_causal_mask": _causal_mask,
    "create_attention_mask": _attention_mask,
    "model_mask": _model_mask,
    "ssm_mask": lambda step, layout: f"base.create_ssm_mask({_hidden(step, layout)})",
}  # fmt: skip
