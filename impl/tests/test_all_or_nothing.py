"""An operation that raises leaves the cache as it was: offset, cursor, metadata, buffers."""

import mlx.core as mx
import pytest

import kvimpl

MAX = 2**64 - 1


def full_kv(paint):
    cache = kvimpl.KVCache()
    cache.step = 4
    cache.update_and_fetch(*paint(range(4), B=2, H=2, D=2))
    return cache


def roomy_kv(paint):
    cache = kvimpl.KVCache()
    cache.update_and_fetch(*paint(range(3), B=2, H=2, D=2))
    return cache


def concatenated(paint):
    cache = kvimpl.ConcatenateKVCache()
    cache.update_and_fetch(*paint(range(3), B=2, H=2, D=2))
    cache.trim(1)
    return cache


def filling_ring(paint):
    cache = kvimpl.RotatingKVCache(8, keep=2)
    cache.step = 3
    for token in range(3):
        cache.update_and_fetch(*paint([token], B=2, H=2, D=2))
    return cache


def wrapped_ring(paint):
    cache = kvimpl.RotatingKVCache(4, keep=1)
    for token in range(6):
        cache.update_and_fetch(*paint([token], B=2, H=2, D=2))
    return cache


def overlong_ring(paint):
    cache = kvimpl.RotatingKVCache(4, keep=1)
    cache.update_and_fetch(*paint(range(7), B=2, H=2, D=2))
    return cache


def hostile_ring(paint):
    cache = wrapped_ring(paint)
    cache.set_meta_state(["1", "4", str(MAX), "3"])
    return cache


def chunked(paint):
    cache = kvimpl.ChunkedKVCache(3)
    cache.step = 2
    cache.update_and_fetch(*paint(range(5), B=2, H=2, D=2))
    cache.maybe_trim_front()
    return cache


def full_quantized(paint):
    cache = kvimpl.QuantizedKVCache(32, 4)
    cache.step = 2
    cache.update_and_fetch(*paint(range(2), B=2, H=2, D=32))
    return cache


def roomy_quantized(paint):
    cache = kvimpl.QuantizedKVCache(32, 4)
    cache.update_and_fetch(*paint(range(2), B=2, H=2, D=32))
    return cache


CACHES = [
    full_kv, roomy_kv, concatenated, filling_ring, wrapped_ring, overlong_ring, hostile_ring,
    chunked, full_quantized, roomy_quantized,
]  # fmt: skip


def updates(cache, paint):
    good = {"B": 2, "H": 2, "D": 32 if isinstance(cache, kvimpl.QuantizedKVCache) else 2}
    for S in (1, 2, 9):
        keys, values = paint(range(S), **good)
        yield keys[0], values
        yield keys, values[0]
        yield keys, mx.concatenate([values, values], axis=2)
        for axis, size in (("B", 3), ("H", 3), ("D", 3), ("D", 64)):
            wrong = paint(range(S), **{**good, axis: size})
            yield wrong
            yield keys, wrong[1]


@pytest.mark.parametrize("make", CACHES)
def test_a_refused_update_changes_nothing(make, paint, snapshot):
    cache = make(paint)
    for keys, values in updates(cache, paint):
        before = snapshot(cache)
        with pytest.raises(kvimpl.CacheError):
            cache.update_and_fetch(keys, values)
        assert snapshot(cache) == before


@pytest.mark.parametrize("make", CACHES)
@pytest.mark.parametrize(
    "refused",
    [
        lambda cache: cache.trim(-1),
        lambda cache: setattr(cache, "state", [mx.zeros((2, 2, 3, 2))]),
        lambda cache: setattr(cache, "state", [mx.zeros((2, 2, 3, 2))] * 3),
        lambda cache: setattr(cache, "state", [mx.zeros((2, 2, 3, 2)), mx.zeros((2, 2, 3))]),
        lambda cache: setattr(cache, "state", [mx.zeros((2, 2, 3, 2)), mx.zeros((2, 2, 4, 2))]),
        lambda cache: cache.set_meta_state(["1"]),
        lambda cache: setattr(cache, "meta_state", ["1", "2", "3", "4", "5"]),
    ],
)
def test_any_other_refused_operation_changes_nothing(make, refused, paint, snapshot):
    cache = make(paint)
    before = snapshot(cache)
    with pytest.raises(kvimpl.CacheError):
        refused(cache)
    assert snapshot(cache) == before


@pytest.mark.parametrize(
    "meta",
    [
        ["1", "4", "not-a-number", "2"],
        ["1", "4", "9", ""],
        ["1", "4", " 9", "2"],
        ["1", "4", "9", "1_0"],
        ["1", "4", "٣", "2"],
        ["1", "4", "-9", "2"],
        ["1", "4", str(MAX + 1), "2"],
        ["1", "4", "9" * 100_000, "2"],
        ["4", "4", "9", "2"],
        ["0", "0", "9", "2"],
        ["1", "8", "9", "5"],
        ["1", "4", "9"],
    ],
)
def test_refused_metadata_leaves_all_four_numbers(meta, paint, snapshot):
    cache = wrapped_ring(paint)
    before = snapshot(cache)
    with pytest.raises(kvimpl.CacheError):
        cache.set_meta_state(meta)
    assert snapshot(cache) == before


def test_a_ring_that_cannot_be_trimmed_stays_as_it_is(paint, snapshot):
    cache = wrapped_ring(paint)
    before = snapshot(cache)
    assert cache.trim(2) == 0
    assert snapshot(cache) == before


def test_a_cache_that_refused_goes_on(paint, ids):
    cache = kvimpl.RotatingKVCache(1)
    cache.update_and_fetch(*paint([10, 11]))
    with pytest.raises(kvimpl.ShapePairMismatchError):
        cache.update_and_fetch(*paint([12], B=2))
    keys, _ = cache.update_and_fetch(*paint([7]))
    assert (ids(keys), cache.offset) == ([7], 3)
