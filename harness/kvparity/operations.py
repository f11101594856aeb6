"""What each operation does to the caches of an implementation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kvoracle.face import Face
from kvscenarios.caches import CacheSpec, Geometry
from kvscenarios.steps import FreeStep, MakingStep

from kvparity.program import Op

if TYPE_CHECKING:
    import mlx.core as mx

Caches = dict[str, Any]
Arrays = tuple["mx.array", ...]


def run(face: Face, op: Op, caches: Caches, given: Arrays) -> Any:
    """Do the operation and return what it gives back. Raises what the implementation raises.

    Raises Unsupported where the implementation has no such operation.
    """
    return _RUN[op.name](face, op, caches, given)


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
    return op.step.targets[0]


def _update(face: Face, op: Op, caches: Caches, given: Arrays) -> Any:
    return caches[op.step.targets[0]].update_and_fetch(*given)


def _trim(face: Face, op: Op, caches: Caches, given: Arrays) -> Any:
    return face.method(_target(op, caches), "trim")(op.step.args)


def _make_mask(face: Face, op: Op, caches: Caches, given: Arrays) -> Any:
    args = op.step.args
    make_mask = face.method(_target(op, caches), "make_mask")
    return make_mask(args.n, window_size=args.window_size, return_array=args.return_array)


def _observe(face: Face, op: Op, caches: Caches, given: Arrays) -> None:
    return None


def _copy(face: Face, op: Op, caches: Caches, given: Arrays) -> None:
    caches[_made(op)] = face.copy(_target(op, caches))


def _round_trip(face: Face, op: Op, caches: Caches, given: Arrays) -> None:
    caches[op.step.targets[0]] = face.restored(_target(op, caches))


def _set_state(face: Face, op: Op, caches: Caches, given: Arrays) -> None:
    face.set_state(_target(op, caches), given)


def _set_meta_state(face: Face, op: Op, caches: Caches, given: Arrays) -> None:
    face.set_meta_state(_target(op, caches), op.step.args)


def _materialize(face: Face, op: Op, caches: Caches, given: Arrays) -> None:
    face.materialize(_target(op, caches))


def _from_state(face: Face, op: Op, caches: Caches, given: Arrays) -> None:
    args = op.step.args
    caches[_made(op)] = face.from_state(args.kind, given, args.meta_state)


def _new(face: Face, op: Op, caches: Caches, given: Arrays) -> None:
    caches[_made(op)] = make(face, op.step.args)


def _make_prompt_cache(face: Face, op: Op, caches: Caches, given: Arrays) -> int:
    args = op.step.args
    made = face.make_prompt_cache(args.layers, args.max_kv_size)
    for index, cache in enumerate(made):
        face.set_step(cache, args.geometry.step)
        caches[f"{_made(op)}.{index}"] = cache
    return len(made)


def _trim_prompt_cache(face: Face, op: Op, caches: Caches, given: Arrays) -> Any:
    return face.function("trim_prompt_cache")(_targets(op, caches), op.step.args)


def _can_trim_prompt_cache(face: Face, op: Op, caches: Caches, given: Arrays) -> Any:
    return face.function("can_trim_prompt_cache")(_targets(op, caches))


def _create_causal_mask(face: Face, op: Op, caches: Caches, given: Arrays) -> Any:
    import mlx.core as mx

    args = op.step.args
    paddings = {
        name: mx.array(padding, dtype=mx.int32)
        for name in ("left_padding", "right_padding")
        if (padding := getattr(args, name)) is not None
    }
    return face.causal_mask(args.n, args.offset, args.window_size, paddings)


def _create_attention_mask(face: Face, op: Op, caches: Caches, given: Arrays) -> Any:
    args = op.step.args
    create = face.function("create_attention_mask")
    return create(args.n, args.offset, args.return_array, args.window_size)


def _target(op: Op, caches: Caches) -> Any:
    return caches[op.step.targets[0]]


def _targets(op: Op, caches: Caches) -> list[Any]:
    """The caches that the step names; a name of a prompt cache stands for all its layers."""
    found = []
    for name in op.step.targets:
        if name in caches:
            found.append(caches[name])
        else:
            found += [cache for key, cache in caches.items() if key.startswith(f"{name}.")]
    return found


def _made(op: Op) -> str:
    assert op.makes is not None  # noqa: S101 - narrows the type
    return op.makes


_RUN: dict[str, Callable[[Face, Op, Caches, Arrays], Any]] = {
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
