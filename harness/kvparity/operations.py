"""What each operation does to the caches of an implementation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from kvoracle.face import Face
from kvparity.program import Op
from kvscenarios.caches import CacheSpec, Geometry
from kvscenarios.steps import FreeStep, MakingStep


@dataclass(slots=True)
class Call:
    """An operation about to be done: whose, which, on what caches, and the arrays it is given."""

    face: Face
    op: Op
    caches: dict[str, Any]
    given: tuple[mx.array, ...]

    @property
    def args(self) -> Any:
        """The step's arguments."""
        return self.op.step.args

    @property
    def target(self) -> Any:
        """The cache acted on, or the first of them."""
        return self.caches[self.op.targets[0]]

    def targets(self) -> list[Any]:
        """The caches that the step names; the name of a prompt cache stands for all its layers."""
        found = []
        for name in self.op.targets:
            layers = [cache for key, cache in self.caches.items() if key.startswith(f"{name}.")]
            found += [self.caches[name]] if name in self.caches else layers
        return found

    @property
    def made(self) -> str:
        """The name of the cache that the step makes."""
        assert self.op.makes is not None  # noqa: S101 - narrows the type
        return self.op.makes


def run(call: Call) -> Any:
    """Do the operation and return what it gives back. Raises what the implementation raises.

    Raises Unsupported where the implementation has no such operation.
    """
    return _RUN[call.op.name](call)


def make(face: Face, spec: CacheSpec) -> Any:
    """A new cache as the scenario says."""
    arguments = {
        name: getattr(spec, name)
        for name in type(spec).model_fields
        if name not in Geometry.model_fields and name != "kind"
    }
    return face.make(spec.kind, arguments, spec.step)


def subject_of(op: Op) -> str | None:
    """The cache that a step's facts are about: the one made, or else the first acted on."""
    if isinstance(op.step, MakingStep):
        return op.makes
    if isinstance(op.step, FreeStep):
        return None
    return op.targets[0]


def _update(call: Call) -> Any:
    return call.target.update_and_fetch(*call.given)


def _trim(call: Call) -> Any:
    return call.face.method(call.target, "trim")(call.args)


def _make_mask(call: Call) -> Any:
    args = call.args
    make_mask = call.face.method(call.target, "make_mask")
    return make_mask(args.n, window_size=args.window_size, return_array=args.return_array)


def _observe(_call: Call) -> None:
    return None


def _copy(call: Call) -> None:
    call.caches[call.made] = call.face.copy(call.target)


def _round_trip(call: Call) -> None:
    call.caches[call.op.targets[0]] = call.face.restored(call.target)


def _set_state(call: Call) -> None:
    call.face.set_state(call.target, call.given)


def _set_meta_state(call: Call) -> None:
    call.face.set_meta_state(call.target, call.args)


def _materialize(call: Call) -> None:
    call.face.materialize(call.target)


def _from_state(call: Call) -> None:
    args = call.args
    call.caches[call.made] = call.face.from_state(args.kind, call.given, args.meta_state)


def _new(call: Call) -> None:
    call.caches[call.made] = make(call.face, call.args)


def _make_prompt_cache(call: Call) -> int:
    args = call.args
    made = call.face.make_prompt_cache(args.layers, args.max_kv_size)
    for index, cache in enumerate(made):
        call.face.set_step(cache, args.geometry.step)
        call.caches[f"{call.made}.{index}"] = cache
    return len(made)


def _trim_prompt_cache(call: Call) -> Any:
    return call.face.function("trim_prompt_cache")(call.targets(), call.args)


def _can_trim_prompt_cache(call: Call) -> Any:
    return call.face.function("can_trim_prompt_cache")(call.targets())


def _create_causal_mask(call: Call) -> Any:
    args = call.args
    paddings = {
        name: mx.array(padding, dtype=mx.int32)
        for name in ("left_padding", "right_padding")
        if (padding := getattr(args, name)) is not None
    }
    return call.face.causal_mask(args.n, args.offset, args.window_size, paddings)


def _create_attention_mask(call: Call) -> Any:
    args = call.args
    create = call.face.function("create_attention_mask")
    return create(args.n, args.offset, args.return_array, args.window_size)


_RUN: dict[str, Callable[[Call], Any]] = {
    "update": _update,
    "decode": _update,
    "trim": _trim,
    "make_mask": _make_mask,
    "observe": _observe,
    "copy": _copy,
    "round_trip": _round_trip,
    "set_state": _set_state,
    "set_meta_state": _set_meta_state,
    "materialize": _materialize,
    "from_state": _from_state,
    "new": _new,
    "make_prompt_cache": _make_prompt_cache,
    "trim_prompt_cache": _trim_prompt_cache,
    "can_trim_prompt_cache": _can_trim_prompt_cache,
    "create_causal_mask": _create_causal_mask,
    "create_attention_mask": _create_attention_mask,
}
