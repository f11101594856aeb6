"""What each operation does to the caches of an implementation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import mlx.core as mx

from kvoracle import states
from kvoracle.face import Face
from kvparity.files import Files
from kvparity.program import Op
from kvscenarios.base import Model
from kvscenarios.caches import CacheSpec, Geometry
from kvscenarios.caches import Chunked as ChunkedSpec
from kvscenarios.caches import List as ListSpec
from kvscenarios.steps import FreeStep, MakingStep
from kvscenarios.steps.batch import ArrayArgs, Filter
from kvscenarios.steps.prompt import Load


@dataclass(slots=True)
class Call:
    """An operation about to be done: whose, which, on what caches, and the arrays it is given.

    A name in `caches` may stand for a list: the caches of a prompt, a layer each. `files` are
    the scenario's own.
    """

    face: Face
    op: Op
    caches: dict[str, Any]
    given: tuple[mx.array, ...]
    files: Files

    @property
    def args(self) -> Any:
        """The step's arguments."""
        return self.op.step.args

    @property
    def target(self) -> Any:
        """The cache acted on, or the first of them."""
        return self.find(self.op.targets[0])

    def find(self, name: str) -> Any:
        """A cache by name: `pair.0` is the first child of the list `pair`."""
        if name in self.caches:
            return self.caches[name]
        root, *path = name.split(".")
        found = self.caches[root]
        for index in path:
            inside = found if type(found) is list else self.face.children(found)
            if int(index) >= len(inside):
                raise IndexError(f"{root!r} has {len(inside)} caches")
            found = inside[int(index)]
        return found

    def find_all(self, names: Sequence[str]) -> list[Any]:
        """The caches of these names; the name of a prompt cache stands for all its layers."""
        found = []
        for name in names:
            part = self.find(name)
            found += part if type(part) is list else [part]
        return found

    def replace(self, cache: Any) -> None:
        """Let the name of the cache acted on stand for another one."""
        root, _, index = self.op.targets[0].partition(".")
        if index:
            self.caches[root][int(index)] = cache
        else:
            self.caches[root] = cache

    def keep(self, cache: Any) -> None:
        """Let the name given by `as` stand for what was made."""
        assert self.op.makes is not None  # noqa: S101 - narrows the type
        self.caches[self.op.makes] = cache


def run(call: Call) -> Any:
    """Do the operation and return what it gives back. Raises what the implementation raises.

    Raises Unsupported where the implementation has no such operation.
    """
    return _RUN[call.op.name](call)


def make(face: Face, spec: CacheSpec) -> Any:
    """A new cache as the scenario says; what it does not is left to the implementation."""
    arguments = {
        name: value
        for name, value in _given(spec).items()
        if name not in Geometry.model_fields and name != "kind" and value is not None
    }
    if isinstance(spec, ChunkedSpec):
        arguments["chunk_size"] = spec.chunk_size  # None is a size, too
    if isinstance(spec, ListSpec):
        arguments["caches"] = [make(face, child) for child in spec.caches]
    if "left_padding" in arguments:
        arguments["left_padding"] = list(arguments["left_padding"])
    if "tokens" in arguments:
        arguments["tokens"] = list(arguments["tokens"][0])
    return face.make(spec.kind, arguments, spec.step)


def subject_of(op: Op) -> str | None:
    """The cache that a step's facts are about: the one made, or else the first acted on."""
    if isinstance(op.step, MakingStep):
        return op.makes
    if isinstance(op.step, FreeStep):
        return None
    return op.targets[0] if op.targets else None


def _update(call: Call) -> Any:
    return call.target.update_and_fetch(*call.given)


def _trim(call: Call) -> Any:
    return call.face.method(call.target, "trim")(call.args)


def _make_mask(call: Call) -> Any:
    args = call.args
    return call.face.make_mask(
        call.target,
        args.n,
        window_size=args.window_size,
        return_array=args.return_array,
        written=args.model_fields_set,
    )


def _observe(_call: Call) -> None:
    return None


def _copy(call: Call) -> None:
    call.keep(call.face.copy(call.target))


def _round_trip(call: Call) -> None:
    call.replace(states.restored(call.face, call.target))


def _set_state(call: Call) -> None:
    states.set_state(call.face, call.target, call.given)


def _set_meta_state(call: Call) -> None:
    states.set_meta_state(call.face, call.target, call.args)


def _materialize(call: Call) -> None:
    call.face.materialize(call.target)


def _from_state(call: Call) -> None:
    args = call.args
    call.keep(states.from_state(call.face, args.kind, call.given, args.meta_state))


def _new(call: Call) -> None:
    call.keep(make(call.face, call.args))


def _make_prompt_cache(call: Call) -> int:
    args = call.args
    own = args.make_cache
    if own is not None:
        own = [make(call.face, spec) for spec in own]
    made = call.face.make_prompt_cache(args.count, args.max_kv_size, own)
    for cache in made if own is None else ():
        call.face.set_step(cache, args.geometry.step)
    call.keep(list(made))
    return len(made)


def _trim_prompt_cache(call: Call) -> Any:
    return call.face.function("trim_prompt_cache")(call.find_all(call.op.targets), call.args)


def _can_trim_prompt_cache(call: Call) -> Any:
    return call.face.function("can_trim_prompt_cache")(call.find_all(call.op.targets))


def _create_causal_mask(call: Call) -> Any:
    args = call.args
    options = {
        name: mx.array(value, dtype=mx.int32) if name.endswith("padding") else value
        for name, value in _given(args).items()
        if name != "n" and value is not None
    }
    return call.face.causal_mask(args.n, options)


def _create_attention_mask(call: Call) -> Any:
    args = call.args
    create = call.face.function("create_attention_mask")
    return create(args.n, args.offset, args.return_array, args.window_size)


def _model_mask(call: Call) -> Any:
    args = call.args
    return call.face.model_mask(
        call.given[0],
        None if args.without_cache else call.target,
        window_size=args.window_size,
        return_array=args.return_array,
    )


def _ssm_mask(call: Call) -> Any:
    return call.face.ssm_mask(call.given[0], None if call.args.without_cache else call.target)


def _maybe_trim_front(call: Call) -> Any:
    return call.face.method(call.target, "maybe_trim_front")()


def _to_quantized(call: Call) -> None:
    given = _given(call.args)
    # As mlx-lm's constructors are called: the first by its place, the other by name.
    by_place = (given.pop("group_size"),) if "group_size" in given else ()
    call.keep(call.face.method(call.target, "to_quantized")(*by_place, **given))


def _set_slot(call: Call) -> None:
    call.target[call.args.index] = call.given[0] if call.given else None


def _get_slot(call: Call) -> Any:
    return call.target[call.args]


def _append(call: Call) -> Any:
    # An array, as mlx-lm's generation gives it: the buffer takes no list.
    return call.target.update_and_fetch(mx.array(call.args[0], dtype=mx.int32))


def _merge(call: Call) -> None:
    call.keep(call.face.merge(call.find_all(call.args)))


def _extract(call: Call) -> None:
    call.face.check_rows(call.target, (call.args,))
    call.keep(call.face.method(call.target, "extract")(call.args))


def _extend(call: Call) -> None:
    call.face.method(call.target, "extend")(call.find(call.args))


def _filter(call: Call) -> None:
    # A list, as mlx-lm's generation gives it since 0.31.2; before, it gave an array.
    rows: Any = list(cast(Filter, call.op.step).rows)
    call.face.check_rows(call.target, rows)
    if isinstance(call.args, ArrayArgs):
        rows = mx.array(rows, dtype=mx.int32)
    call.face.method(call.target, "filter")(rows)


def _prepare(call: Call) -> None:
    lists = {name: list(numbers) for name, numbers in _given(call.args).items()}
    call.face.method(call.target, "prepare")(**lists)


def _finalize(call: Call) -> None:
    call.face.method(call.target, "finalize")()


def _advance(call: Call) -> None:
    call.face.method(call.target, "advance")(call.args)


def _save(call: Call) -> None:
    path = call.files.of(call.args.file)
    given = [call.args.metadata] if "metadata" in call.args.model_fields_set else []
    metadata = [None if one is None else dict(one) for one in given]
    call.face.save(str(path), call.find_all(call.op.targets), *metadata)


def _load(call: Call) -> Any:
    """The metadata, or without it the caches' type: what is to be changed later is a list."""
    step = cast(Load, call.op.step)
    asked = step.with_metadata
    found = call.face.load(str(call.files.of(step.file)), metadata=asked)
    caches, metadata = found if asked else (found, {})
    call.keep(list(caches))
    kind, items = type(caches).__name__, tuple(sorted(dict(metadata).items()))
    return items if asked and kind == "list" else (kind, *items)


def _dynamic_roll(call: Call) -> Any:
    shifts = mx.array(call.args.shifts, dtype=mx.int32)[:, None]
    return call.face.function("dynamic_roll")(call.given[0], shifts, axis=2)


def _trie_add(call: Call) -> Any:
    return call.target.add(call.args.model, list(call.args.prompt), call.args.value)


def _on_prompt(method: str) -> Callable[[Call], Any]:
    """A method that is asked for a model's prompt."""

    def ask(call: Call) -> Any:
        return call.face.method(call.target, method)(call.args.model, list(call.args.prompt))

    return ask


def _trie_search(call: Call) -> Any:
    found = _on_prompt("search")(call)
    return found.exact, found.shorter, found.longer, found.common_prefix


def _lru_insert(call: Call) -> None:
    args = call.args
    kind = {} if args.cache_type is None else {"cache_type": args.cache_type}
    caches = call.find_all(args.caches)
    call.face.method(call.target, "insert_cache")(args.model, list(args.prompt), caches, **kind)


def _lru_fetch(call: Call) -> Any:
    """How many caches were found, and the tokens still to do."""
    found, rest = _on_prompt("fetch_nearest_cache")(call)
    call.keep([] if found is None else list(found))
    return None if found is None else len(found), rest


def _lru_trim_to(call: Call) -> None:
    call.face.method(call.target, "trim_to")(**_given(call.args))


def _lru_stats(call: Call) -> Any:
    stats = call.face.method(call.target, "stats_by_type")()
    return tuple((kind, *sorted(numbers.items())) for kind, numbers in stats.items())


def _given(args: Model) -> dict[str, Any]:
    """The arguments that the author wrote: the implementation's own defaults stand for others."""
    written = args.model_fields_set
    return {name: getattr(args, name) for name in type(args).model_fields if name in written}


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
    "model_mask": _model_mask,
    "ssm_mask": _ssm_mask,
    "maybe_trim_front": _maybe_trim_front,
    "to_quantized": _to_quantized,
    "set_slot": _set_slot,
    "get_slot": _get_slot,
    "append": _append,
    "merge": _merge,
    "extract": _extract,
    "extend": _extend,
    "filter": _filter,
    "prepare": _prepare,
    "finalize": _finalize,
    "advance": _advance,
    "save": _save,
    "load": _load,
    "dynamic_roll": _dynamic_roll,
    "trie_add": _trie_add,
    "trie_get": _on_prompt("get"),
    "trie_pop": _on_prompt("pop"),
    "trie_pop_prefixes": _on_prompt("pop_prefixes"),
    "trie_search": _trie_search,
    "lru_insert": _lru_insert,
    "lru_fetch": _lru_fetch,
    "lru_trim_to": _lru_trim_to,
    "lru_stats": _lru_stats,
}
