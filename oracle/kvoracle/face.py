"""One face for every release of mlx-lm, and for any module with its interface.

What a release offers under another name or in another form (state and metadata moved in 0.32.0) is
put into one form here; what it does not offer raises Unsupported, which is not a divergence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache as remembered
from functools import cached_property
from inspect import Parameter, signature
from operator import attrgetter
from types import ModuleType
from typing import Any

import mlx.core as mx

from kvoracle import history, releases
from kvoracle.load import load
from kvoracle.sources import OracleError, installed

CLASS_NAMES = {
    "standard": "KVCache",
    "concatenate": "ConcatenateKVCache",
    "rotating": "RotatingKVCache",
    "chunked": "ChunkedKVCache",
    "quantized": "QuantizedKVCache",
    "batch": "BatchKVCache",
    "batch_rotating": "BatchRotatingKVCache",
    "arrays": "ArraysCache",
    "list": "CacheList",
    "tokens": "TokenBuffer",
    "trie": "PromptTrie",
    "lru": "LRUPromptCache",
}
_MAMBA = "MambaCache"
"""What `ArraysCache(2)` was before 0.26.1; until 0.30.5 it stayed, as one of its subclasses."""
KINDS = {name: kind for kind, name in CLASS_NAMES.items()} | {_MAMBA: "arrays"}
_FIRST = {
    "rotating": "max_size",
    "chunked": "chunk_size",
    "quantized": "group_size",
    "batch": "left_padding",
    "batch_rotating": "max_size",
    "arrays": "size",
    "tokens": "tokens",
    "lru": "max_size",
}
"""The argument that each class takes first, in every release: mlx-lm gives it by its place."""
_BATCH_OF = {"standard": "batch", "rotating": "batch_rotating"}


class Unsupported(Exception):  # noqa: N818 - not an error: a fact about an implementation
    """The implementation has no such class, method or function."""


@dataclass(frozen=True)
class _Layers:
    """What `make_prompt_cache` asks of a model that brings no caches of its own."""

    layers: list[None] = field(default_factory=list)


@dataclass(frozen=True)
class _OwnCaches(_Layers):
    """A model that brings its own caches."""

    caches: list[Any] = field(default_factory=list)

    def make_cache(self) -> list[Any]:
        """The caches, a layer each."""
        return self.caches


class Face:
    """An implementation's caches behind one set of names.

    `cache` is a module with the names of `mlx_lm.models.cache`, `base` one with
    `create_causal_mask`. An implementation that has kvimpl's `CacheError` promises what goes with
    it: typed errors, all or nothing, no aliasing. One that is no release or commit of mlx-lm is
    `complete`: to have whatever the reference has, for it stands in its place.
    """

    def __init__(self, name: str, cache: ModuleType, base: ModuleType | None = None) -> None:
        self.name = name
        self.cache = cache
        self.base = base if base is not None else cache
        self.typed_errors = hasattr(cache, "CacheError")
        self.complete = not name.startswith("mlx-lm")

    @cached_property
    def models(self) -> ModuleType:
        """The `models/base.py` whose functions the models call that run on these caches.

        A release's models have its own. Models of mlx-lm's that run on other caches, a drop-in's,
        have that of the pinned release, or else of the installed one. Raises Unsupported where
        there is neither.
        """
        if self.base is not self.cache:
            return self.base
        try:
            return load(releases.at_hand(releases.PINNED) or installed())[1]
        except OracleError as error:
            raise Unsupported(f"there are no models to run on it: {error}") from error

    def cls(self, kind: str) -> Any:
        """The class of a kind. Raises Unsupported."""
        return self.function(CLASS_NAMES[kind])

    def kind_of(self, cache: object) -> str:
        """The kind of one of this implementation's caches."""
        cls: Any = type(cache)
        kind = _kind(cls)
        if kind is None:
            raise Unsupported(f"{self.name} made a {cls.__name__}, which is no kind known here")
        return kind

    def function(self, name: str) -> Any:
        """A name of the module. Raises Unsupported."""
        found = getattr(self.cache, name, None)
        if found is None:
            raise self.lacks(name)
        return found

    def method(self, cache: object, name: str) -> Any:
        """A bound method. Raises Unsupported."""
        found = getattr(cache, name, None)
        if found is None:
            cls = cache if isinstance(cache, type) else type(cache)
            raise self.lacks(f"{cls.__name__}.{name}")
        return found

    def make(self, kind: str, arguments: dict[str, Any], step: int | None) -> Any:
        """A new cache of a kind; `step`, where given, is the rows by which its buffer grows.

        The first argument is given by its place, the others by name.
        """
        if kind == "list":
            return self.cls(kind)(*arguments["caches"])
        if kind == "arrays" and arguments == {"size": 2} and not hasattr(self.cache, "ArraysCache"):
            return self.function(_MAMBA)()
        cls = self.cls(kind)
        self._check_takes(cls, CLASS_NAMES[kind], arguments)
        first, rest = _FIRST.get(kind), dict(arguments)
        by_place = (rest.pop(first),) if first in rest else ()
        cache = cls(*by_place, **rest)
        self.set_step(cache, step)
        return cache

    def merge(self, caches: list[Any]) -> Any:
        """A batch of caches, a row each. Raises Unsupported.

        Before 0.30.4 the batch's class was asked, as `generate.py` did; since then any row is.
        """
        asked = type(caches[0]) if caches else self.cls("standard")
        batch = _BATCH_OF.get(KINDS.get(asked.__name__, ""))
        if batch is not None and not hasattr(asked, "merge"):
            asked = self.cls(batch)
        return self.method(asked, "merge")(caches)

    def children(self, cache: Any) -> tuple[Any, ...]:
        """The caches in a list of them, as models reach them; none for any other kind."""
        return through_brackets(cache, cache.caches) if self.kind_of(cache) == "list" else ()

    def check_rows(self, cache: Any, indices: Sequence[int]) -> None:
        """Refuse rows that a cache has not. Raises IndexError.

        mlx does not check indices: it would read, and return, whatever lies beyond. A hardened
        implementation is asked all the same, for it is to refuse by itself.
        """
        if self.typed_errors:
            return
        for child in self.children(cache):
            self.check_rows(child, indices)
        parts = list(vars(cache).values())
        parts += getattr(cache, "cache", [])
        rows = [part.shape[0] for part in parts if isinstance(part, mx.array) and part.ndim]
        for index in indices if rows else ():
            if not -min(rows) <= index < min(rows):
                raise IndexError(f"there is no row {index}: not asked, for mlx would read on")

    def set_step(self, cache: Any, step: int | None) -> None:
        """Let a buffer grow by `step` rows, where the kind grows by steps."""
        if step is not None and hasattr(cache, "step"):
            cache.step = step

    def make_prompt_cache(
        self, layers: int, max_kv_size: int | None, own: list[Any] | None = None
    ) -> list[Any]:
        """A cache a layer for a model that brings none, or its `own`."""
        make = self.function("make_prompt_cache")
        bound = {} if max_kv_size is None else {"max_kv_size": max_kv_size}
        every = [None] * layers
        model = _Layers(every) if own is None else _OwnCaches(every, own)
        caches: list[Any] = make(model, **bound)
        return caches

    def logical(self, cache: Any) -> tuple[Any, Any] | None:
        """Keys and values held, without what is allocated beyond them; None when empty."""
        if cache.keys is None:
            return None
        fetch = getattr(cache, "keys_and_values", None)
        keys, values = fetch() if fetch is not None else cache.state[:2]
        return keys, values

    def allocated_getter(self, cache: Any) -> Callable[[Any], int]:
        """How the bytes of the buffers are read. Raises Unsupported (releases before 0.31.1)."""
        for name in ("allocated_nbytes", "nbytes"):
            if hasattr(type(cache), name):
                return attrgetter(name)
        raise self.lacks(f"{type(cache).__name__}.nbytes")

    def state_count(self, cache: Any) -> int:
        """Arrays in the state. Raises Unsupported where the state carries numbers too (0.32.0)."""
        if not hasattr(type(cache), "meta_state"):
            raise Unsupported("its state is no list of arrays: numbers stand among them")
        return len(cache.state)

    def causal_mask(self, n: int, options: dict[str, Any]) -> Any:
        """`create_causal_mask` of `models/base.py`. Raises Unsupported."""
        create = getattr(self.base, "create_causal_mask", None)
        if create is None:
            raise self.lacks("base.create_causal_mask")
        self._check_takes(create, "base.create_causal_mask", options)
        return create(n, **options)

    def copy(self, cache: Any) -> Any:
        """An independent copy; mlx-lm copies with `copy.deepcopy`."""
        own = getattr(cache, "copy", None)
        return own() if own is not None else deepcopy(cache)

    def materialize(self, cache: Any) -> None:
        """Evaluate what the cache holds, as mlx-lm's generation loop does."""
        own = getattr(cache, "materialize", None)
        if own is not None:
            own()
        elif not hasattr(cache, "keys") or cache.keys is not None:
            mx.eval(cache.state)

    def make_mask(
        self,
        cache: Any,
        n: int,
        *,
        window_size: int | None,
        return_array: bool,
        written: Collection[str],
    ) -> Any:
        """The mask for the next n queries. Raises Unsupported.

        What is not `written` in the scenario is left to the implementation's own default.
        """
        if not hasattr(cache, "make_mask") and not hasattr(self.cls("standard"), "make_mask"):
            return self._mask_before_caches_made_any(cache, n, window_size, array=return_array)
        make_mask = self.method(cache, "make_mask")
        if self.kind_of(cache) == "arrays":
            return make_mask(n)
        options = {"window_size": window_size, "return_array": return_array}
        own = _with_defaults(getattr(type(cache), "make_mask", make_mask)) - set(written)
        return make_mask(n, **{name: options[name] for name in options.keys() - own})

    def _mask_before_caches_made_any(
        self, cache: Any, n: int, window_size: int | None, *, array: bool
    ) -> Any:
        """As models asked before 0.28.0, when caches made no masks: with n hidden states."""
        if self.base is self.cache or not hasattr(cache, "offset"):
            raise self.lacks(f"{type(cache).__name__}.make_mask")
        keys = getattr(cache, "keys", None)
        hidden = mx.zeros((1, n, 1), keys.dtype if isinstance(keys, mx.array) else mx.float32)
        return self.model_mask(hidden, cache, window_size=window_size, return_array=array)

    def model_mask(
        self, hidden: mx.array, cache: Any, *, window_size: int | None, return_array: bool
    ) -> Any:
        """The mask that a model asks for with its hidden states [B, N, D]. Raises Unsupported.

        `cache` may be None: a model is run without one, too.
        """
        name = "base.create_attention_mask"
        create = self._of_models("create_attention_mask")
        wishes: dict[str, Any] = {"window_size": window_size} if window_size is not None else {}
        self._check_takes(create, name, wishes)
        if return_array and _takes(create, "return_array"):  # else it always returns one
            wishes["return_array"] = True
        # Before 0.28.0, when it knew of no windows, it was given all the layers' caches.
        every = cache is not None and not _takes(create, "window_size")
        return create(hidden, [cache] if every else cache, **wishes)

    def ssm_mask(self, hidden: mx.array, cache: Any) -> Any:
        """The mask that a recurrent layer asks for; as `model_mask`. Raises Unsupported."""
        return self._of_models("create_ssm_mask")(hidden, cache)

    def _of_models(self, name: str) -> Any:
        found = getattr(self.models, name, None)
        if found is None:
            raise self.lacks(f"base.{name}")
        return found

    def _check_takes(self, function: Any, name: str, keywords: Iterable[str]) -> None:
        """Raises Unsupported where the function has no parameter of such a name."""
        for keyword in keywords:
            if not _takes(function, keyword):
                raise self.lacks(f"{name}({keyword})")

    def lacks(self, name: str) -> Unsupported:
        """What to raise for a name that this implementation has not."""
        since = history.note(name) if self.name.startswith("mlx-lm") else ""
        return Unsupported(f"there is no {name} in it{since}")

    def save(self, path: str, caches: list[Any], *metadata: dict[str, str] | None) -> None:
        """Save caches to a file, with metadata where it is given."""
        self.function("save_prompt_cache")(path, caches, *metadata)

    def load(self, path: str, *, metadata: bool) -> Any:
        """What loading a file gives: its caches, or with `metadata` a pair of them and that."""
        load = self.function("load_prompt_cache")
        return load(path, return_metadata=True) if metadata else load(path)


def through_brackets(cache: Any, parts: Sequence[Any]) -> tuple[Any, ...]:
    """The parts of a cache as models read them, `cache[0]`, `cache[1]` ..., where it has that."""
    if not hasattr(type(cache), "__getitem__"):
        return tuple(parts)
    return tuple([cache[index] for index in range(len(parts))])


@remembered
def _kind(cls: type[object]) -> str | None:
    """The kind of a class, or of the first above it that is known."""
    return next((KINDS[one.__name__] for one in cls.__mro__ if one.__name__ in KINDS), None)


@remembered
def _with_defaults(function: Any) -> frozenset[str]:
    parameters = signature(function).parameters
    return frozenset(name for name, one in parameters.items() if one.default is not Parameter.empty)


@remembered
def _takes(function: Any, keyword: str) -> bool:
    parameters = signature(function).parameters
    anything = any(one.kind is Parameter.VAR_KEYWORD for one in parameters.values())
    return anything or keyword in parameters
