"""Any mlx call may fail, out of memory for one: the cache is then as it was, and goes on.

Every function of mlx, and every operation on an array, that kvimpl uses within an operation is made
to fail, one at a time. A new kind is a function that makes one and a row for each operation.
"""

import importlib
import pkgutil
import sys
from contextlib import contextmanager, suppress

import mlx.core as mx
import pytest

import kvimpl

MODULES = [
    importlib.import_module(f"kvimpl.{module.name}")
    for module in pkgutil.iter_modules(kvimpl.__path__)
]
ON_ARRAYS = [
    "__getitem__", "__setitem__", "__add__", "__radd__", "__sub__", "__rsub__", "__mul__",
    "__mod__", "__neg__", "__and__", "__ge__", "__gt__", "__le__", "__lt__",
    "astype", "reshape", "tolist", "item",
]  # fmt: skip


class Fault(Exception):  # noqa: N818 - stands for whatever mlx raises
    """What a call is made to raise."""


class Fuse:
    """Lets a number of calls through and fails the next."""

    def __init__(self, calls):
        self.left = calls
        self.blown = False

    def guard(self, function, *, only_from_kvimpl=False):
        def call(*args, **kwargs):
            caller = sys._getframe(1).f_globals.get("__name__", "")
            if not self.blown and (not only_from_kvimpl or caller.startswith("kvimpl.")):
                self.blown = self.left == 0
                self.left -= 1
                if self.blown:
                    raise Fault
            return function(*args, **kwargs)

        return call


class Guarded:
    """``mlx.core`` behind a fuse; what is no function passes."""

    def __init__(self, fuse):
        self._fuse = fuse
        # An array is made by calling its type, which code also asks about.
        self.array = type(
            "array",
            (type,),
            {
                "__call__": lambda _, *args, **kwargs: fuse.guard(mx.array)(*args, **kwargs),
                "__instancecheck__": lambda _, value: isinstance(value, mx.array),
            },
        )("array", (), {})

    def __getattr__(self, name):
        value = getattr(mx, name)
        known = callable(value) and not isinstance(value, type | mx.Dtype)
        return self._fuse.guard(value) if known else value


@contextmanager
def failing_after(calls):
    fuse = Fuse(calls)
    guarded = Guarded(fuse)
    originals = {name: getattr(mx.array, name) for name in ON_ARRAYS}
    with pytest.MonkeyPatch.context() as patch:
        for module in MODULES:
            if hasattr(module, "mx"):
                patch.setattr(module, "mx", guarded)
        for name, original in originals.items():
            patch.setattr(mx.array, name, fuse.guard(original, only_from_kvimpl=True))
        yield fuse


def seen(value):
    """All that an object holds, through caches in caches and entries in tries."""
    if isinstance(value, mx.array):
        mx.eval(value)
        return str(value.dtype), value.shape, bytes(memoryview(mx.contiguous(value)))
    if isinstance(value, dict):
        return {key: seen(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [seen(item) for item in value]
    if type(value).__module__.startswith("kvimpl."):
        slots = getattr(type(value), "__slots__", None) or vars(value)
        return type(value).__name__, {name: seen(getattr(value, name)) for name in slots}
    return value


def driven(cache, paint, *sizes, step=2, **geometry):
    cache.step = step
    token = 1
    for S in sizes:
        cache.update_and_fetch(*paint(range(token, token + S), **geometry))
        token += S
    return cache


def prepared(cache, paint):
    cache.prepare(lengths=[1, 2], right_padding=[1, 0])
    cache.update_and_fetch(*paint([7, 8], B=2))
    return cache


def half_written(paint):
    cache = kvimpl.ArraysCache(2, left_padding=[1, 2])
    cache[1] = paint([1], B=2)[0]
    cache.prepare(lengths=[2, 1])
    return cache


def stocked(paint):
    lru = kvimpl.LRUPromptCache(max_size=2)
    for prompt in ([1, 2, 3], [1, 4]):
        lru.insert_cache("m", prompt, [driven(kvimpl.KVCache(), paint, len(prompt))])
    return lru


MAKE = {
    "standard, empty": lambda paint: kvimpl.KVCache(),
    "standard, full": lambda paint: driven(kvimpl.KVCache(), paint, 2),
    "standard, with room": lambda paint: driven(kvimpl.KVCache(), paint, 3),
    "concatenating": lambda paint: driven(kvimpl.ConcatenateKVCache(), paint, 3),
    "ring, empty": lambda paint: kvimpl.RotatingKVCache(4, keep=1),
    "ring, growing": lambda paint: driven(kvimpl.RotatingKVCache(8, keep=1), paint, 1, 1),
    "ring, wrapped": lambda paint: driven(kvimpl.RotatingKVCache(4, keep=1), paint, 3, 1, 1),
    "ring, overlong": lambda paint: driven(kvimpl.RotatingKVCache(4, keep=1), paint, 6),
    "ring of no pins": lambda paint: driven(kvimpl.RotatingKVCache(4), paint, 3, 1, 1),
    "chunked": lambda paint: driven(kvimpl.ChunkedKVCache(3), paint, 3, 2),
    "quantized": lambda paint: driven(kvimpl.QuantizedKVCache(32, 4), paint, 2, D=32),
    "slots": half_written,
    "list": lambda paint: kvimpl.CacheList(
        driven(kvimpl.KVCache(), paint, 3), driven(kvimpl.RotatingKVCache(8), paint, 2)
    ),
    "batch list": lambda paint: kvimpl.CacheList(
        driven(kvimpl.BatchKVCache([1, 0]), paint, 3, B=2), half_written(paint)
    ),
    "batch, empty": lambda paint: kvimpl.BatchKVCache([1, 0]),
    "batch, full": lambda paint: driven(kvimpl.BatchKVCache([2, 1]), paint, 4, B=2),
    "batch, prepared": lambda paint: prepared(driven(kvimpl.BatchKVCache([1, 0]), paint, 3, B=2), paint),
    "batch ring, empty": lambda paint: kvimpl.BatchRotatingKVCache(4, [1, 0]),
    "batch ring, growing": lambda paint: driven(
        kvimpl.BatchRotatingKVCache(8, [1, 0]), paint, 1, 1, B=2
    ),
    "batch ring, wrapped": lambda paint: driven(
        kvimpl.BatchRotatingKVCache(4, [1, 0]), paint, 3, 1, 1, B=2
    ),
    "batch ring, overlong": lambda paint: driven(
        kvimpl.BatchRotatingKVCache(4, [1, 0]), paint, 6, B=2
    ),
    "batch ring, prepared": lambda paint: prepared(
        driven(kvimpl.BatchRotatingKVCache(4, [1, 0]), paint, 3, 1, 1, B=2), paint
    ),
    "tokens": lambda paint: kvimpl.TokenBuffer([1, 2]),
    "lru": stocked,
}  # fmt: skip


def update(cache, paint, S):
    B = cache.left_padding.size if hasattr(cache, "left_padding") else 1
    D = 32 if isinstance(cache, kvimpl.QuantizedKVCache) else 1
    cache.update_and_fetch(*paint(range(50, 50 + S), B=B, D=D))


def put_state(cache, other):
    cache.state = other.state


def put_meta(cache, meta):
    cache.set_meta_state(meta)


DECODE = ("decode", lambda cache, paint: update(cache, paint, 1))
PREFILL = ("prefill", lambda cache, paint: update(cache, paint, 3))
TRIM = ("trim", lambda cache, _: cache.trim(1))
READ = ("read", lambda cache, _: (cache.keys_and_values(), cache.state, cache.materialize()))
MASKS = ("masks", lambda cache, _: (cache.make_mask(1, window_size=2), cache.make_mask(3)))
RESET = ("set state to nothing", lambda cache, _: setattr(cache, "state", []))
COPY = ("copy", lambda cache, _: cache.copy())
MERGE = ("merge", lambda cache, _: type(cache).merge([cache, cache]))
FILTER = ("filter", lambda cache, _: cache.filter([1]))
FILTER_ALL = ("filter to nothing", lambda cache, _: cache.filter([]))
EXTEND = ("extend", lambda cache, _: cache.extend(cache))
EXTRACT = ("extract", lambda cache, _: cache.extract(1))
FINALIZE = ("finalize", lambda cache, _: cache.finalize())
ANNOUNCE = (
    "prepare",
    lambda cache, _: cache.prepare(lengths=[1, 2], right_padding=[1, 0]),
)
PAD = ("prepare left", lambda cache, _: cache.prepare(left_padding=[1, 0]))
SINGLE = [DECODE, PREFILL, TRIM, READ, RESET, COPY]
ROWS = [FILTER, FILTER_ALL, EXTEND, EXTRACT, ANNOUNCE]

OPERATIONS = {
    "standard, empty": [DECODE, PREFILL],
    "standard, full": [*SINGLE, MASKS, MERGE],
    "standard, with room": [
        *SINGLE,
        ("set state", lambda cache, paint: put_state(cache, MAKE["concatenating"](paint))),
    ],
    "concatenating": [*SINGLE, MASKS],
    "ring, empty": [DECODE, PREFILL],
    "ring, growing": [*SINGLE, MASKS],
    "ring, wrapped": [
        *SINGLE,
        MASKS,
        ("set metadata", lambda cache, _: put_meta(cache, ["0", "9", "2", "2"])),
    ],
    "ring, overlong": [*SINGLE, MASKS],
    "ring of no pins": [MERGE],
    "chunked": [
        *SINGLE,
        ("trim the front", lambda cache, _: cache.maybe_trim_front()),
        ("set metadata", lambda cache, _: put_meta(cache, ["2", "1"])),
    ],
    "quantized": [
        *SINGLE,
        ("set metadata", lambda cache, _: put_meta(cache, ["1", "32", "4"])),
    ],
    "slots": [
        FILTER, EXTEND, EXTRACT, FINALIZE, RESET, COPY,
        ("set a slot", lambda cache, paint: cache.__setitem__(0, paint([1], B=2)[0])),
        ("advance", lambda cache, _: cache.advance(1)),
        ("mask", lambda cache, _: cache.make_mask(2)),
        ("prepare", lambda cache, _: cache.prepare(lengths=[3, 4])),
        ("merge", lambda cache, _: type(cache).merge([cache.extract(0), cache.extract(1)])),
        ("set metadata", lambda cache, _: put_meta(cache, ["2", "5,6", ""])),
    ],
    "list": [
        TRIM, COPY, MERGE,
        ("set state", lambda cache, _: setattr(cache, "state", cache.state)),
        ("set metadata", lambda cache, _: put_meta(cache, cache.meta_state)),
    ],
    "batch list": [FILTER, EXTEND, EXTRACT, FINALIZE, ANNOUNCE],
    "batch, empty": [DECODE, PREFILL, PAD, *ROWS],
    "batch, full": [*SINGLE, MASKS, *ROWS],
    "batch, prepared": [FINALIZE, DECODE, PREFILL, FILTER, EXTEND],
    "batch ring, empty": [
        DECODE, PREFILL, PAD, *ROWS,
        ("set metadata", lambda cache, _: put_meta(cache, ["5", "0", "0", "False", "1,2"])),
    ],
    "batch ring, growing": [*SINGLE, MASKS, *ROWS],
    "batch ring, wrapped": [
        *SINGLE, MASKS, *ROWS,
        ("extend another", lambda cache, paint: cache.extend(MAKE["batch ring, empty"](paint))),
        ("set metadata", lambda cache, _: put_meta(cache, ["5", "3", "3", "False"])),
    ],
    "batch ring, overlong": [*SINGLE, MASKS, *ROWS],
    "batch ring, prepared": [FINALIZE, PREFILL, FILTER, EXTEND],
    "tokens": [("append", lambda buffer, _: buffer.update_and_fetch([3]))],
    "lru": [
        ("fetch", lambda lru, _: lru.fetch_nearest_cache("m", [1, 2, 9])),
        (
            "insert",
            lambda lru, paint: lru.insert_cache(
                "m", [1, 2, 3, 4], [driven(kvimpl.KVCache(), paint, 4)]
            ),
        ),
    ],
}  # fmt: skip
CASES = [
    pytest.param(kind, operation, id=f"{kind}: {name}")
    for kind, operations in OPERATIONS.items()
    for name, operation in operations
]


@pytest.mark.parametrize(("kind", "operation"), CASES)
def test_an_operation_in_which_a_call_fails_did_not_happen(kind, operation, paint):
    after = MAKE[kind](paint)
    operation(after, paint)
    for calls in range(300):
        cache = MAKE[kind](paint)
        before = seen(cache)
        with failing_after(calls) as fuse, suppress(Fault):
            operation(cache, paint)
        if not fuse.blown:
            break
        assert seen(cache) == before, f"changed, when call {calls} failed"
        operation(cache, paint)
        assert seen(cache) == seen(after), f"went on otherwise, after call {calls} had failed"
    assert not fuse.blown
    assert seen(cache) == seen(after)


@pytest.mark.parametrize("layout", ["0.31", "0.32"])
def test_a_save_in_which_a_call_fails_leaves_the_old_file(layout, paint, tmp_path):
    path = tmp_path / "prompt.safetensors"
    old, new = (MAKE[kind](paint) for kind in ("standard, full", "batch list"))
    new[1][0] = mx.zeros((2, 1))
    new[1].finalize()
    kvimpl.save_prompt_cache(path, [old], layout=layout)
    before = path.read_bytes()
    for calls in range(300):
        with failing_after(calls) as fuse, suppress(Fault):
            kvimpl.save_prompt_cache(path, [new], layout=layout)
        if not fuse.blown:
            break
        assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [(path.name, before)]
    assert calls
    assert not fuse.blown
    assert seen(kvimpl.load_prompt_cache(path)[0].state) == seen(new.state)


def test_every_kind_has_its_operations():
    assert MAKE.keys() == OPERATIONS.keys()


def test_faults_are_injected():
    """Else nothing above could fail: an update of an empty cache is not done without mlx."""
    with failing_after(0) as fuse, pytest.raises(Fault):
        kvimpl.KVCache().update_and_fetch(mx.zeros((1, 1, 1, 1)), mx.zeros((1, 1, 1, 1)))
    assert fuse.blown
