"""Facts of the port's test file that a scenario cannot say: attributes of errors, classes, graphs.

Each test names the seed test that it holds; docs/seed.md has the whole table.
"""

from __future__ import annotations

import io

import mlx.core as mx
import pytest

import kvimpl
from kvimpl import (
    ArithmeticOverflowError,
    ChunkedKVCache,
    KVCache,
    LengthMismatchError,
    OutOfRangeError,
    RankMismatchError,
    RotatingKVCache,
    ShapePairMismatchError,
    create_causal_mask,
    from_state,
)

MOST = 2**64 - 1
NO_META = ("KVCache", "ConcatenateKVCache", "KVCacheSimple", "StandardKvCache")


def kv(*ids: float) -> mx.array:
    return mx.array(ids).reshape(1, 1, len(ids), 1)


def decoded(cache: RotatingKVCache, count: int) -> RotatingKVCache:
    for token in range(count):
        cache.update_and_fetch(kv(token), kv(token))
    return cache


@pytest.mark.parametrize(
    ("cache", "keys"),
    [
        (RotatingKVCache(8, 4), kv(0)),
        (RotatingKVCache(6, 2), kv(2, 3)),
        (decoded(RotatingKVCache(1, 0), 1), kv(1, 2)),
        (KVCache(), kv(2)),
    ],
    ids=["ring decode", "ring prefill", "ring of which nothing remains", "standard"],
)
def test_values_of_rank_two_are_told_with_their_shape(cache, keys) -> None:
    # rotating_update_in_place_rank_invalid_values_errors_no_panic and its three companions
    with pytest.raises(RankMismatchError) as caught:
        cache.update_and_fetch(keys, mx.array([[0.0, 1.0]]))
    assert (caught.value.actual, tuple(caught.value.actual_shape)) == (2, (1, 2))
    assert "values" in caught.value.context
    cache.update_and_fetch(keys, keys)


@pytest.mark.parametrize("length", [1, 2])
def test_an_offset_past_64_bits_is_told_with_its_operands(length: int) -> None:
    # rotating_offset_overflow_is_rejected_without_partial_mutation
    cache = decoded(RotatingKVCache(8, 4), 1)
    cache.set_meta_state(["4", "8", str(MOST), "1"])
    before = cache.meta_state
    with pytest.raises(ArithmeticOverflowError) as caught:
        cache.update_and_fetch(kv(*range(length)), kv(*range(length)))
    assert caught.value.op_type == "usize"
    assert list(caught.value.operands) == [("offset", MOST), ("S", length)]
    assert (cache.meta_state, len(cache.state)) == (before, 2)


@pytest.mark.parametrize(("n", "window"), [(2, None), (3, 4)])
def test_a_mask_past_64_bits_is_told_with_its_operands(n: int, window: int | None) -> None:
    # create_causal_mask_offset_plus_n_overflow_is_err_not_panic
    with pytest.raises(ArithmeticOverflowError) as caught:
        create_causal_mask(n, MOST, window)
    assert caught.value.op_type == "usize"
    assert list(caught.value.operands) == [("offset", MOST), ("N", n)]


@pytest.mark.parametrize("return_array", [False, True])
def test_a_rings_mask_past_64_bits_is_told_with_its_operands(return_array: bool) -> None:
    # rotating_make_mask_n_gt_1_offset_plus_n_overflow_is_err_not_panic
    cache = from_state("RotatingKVCache", [kv(0), kv(0)], ["0", str(MOST), str(MOST), "0"])
    with pytest.raises(ArithmeticOverflowError) as caught:
        cache.make_mask(2, return_array=return_array)
    assert list(caught.value.operands) == [("offset", MOST - 1), ("N", 2)]


def test_a_mask_may_end_at_two_to_the_24_and_no_further() -> None:
    # iarange_mask_exact_in_range_and_rejects_past_f32_limit
    assert create_causal_mask(1, 2**24 - 1).shape == (1, 2**24)
    with pytest.raises(OutOfRangeError):
        create_causal_mask(2, 2**24 - 1)
    ring = RotatingKVCache(2**24 + 8, 4)
    ring.set_meta_state(["4", str(2**24 + 8), str(2**24 + 4), "5"])
    with pytest.raises(OutOfRangeError):
        ring.make_mask(1, 2)


@pytest.mark.parametrize("name", NO_META)
@pytest.mark.parametrize("meta", [["x"], ["x", "y", "z"]])
def test_metadata_of_a_kind_without_is_counted(name: str, meta: list[str]) -> None:
    # from_state_no_meta_cache_rejects_truthy_meta_state
    with pytest.raises(LengthMismatchError) as caught:
        from_state(name, [kv(0, 1, 2), kv(0, 1, 2)], meta)
    assert (caught.value.expected, caught.value.actual) == (0, len(meta))


@pytest.mark.parametrize("name", NO_META)
def test_no_metadata_will_do_under_every_name(name: str) -> None:
    # from_state_no_meta_cache_rejects_truthy_meta_state
    cache = from_state(name, [kv(0, 1, 2), kv(0, 1, 2)], [])
    assert (cache.offset, cache.empty(), list(cache.meta_state)) == (3, False, [])


@pytest.mark.parametrize("shape", [(2, 1, 1, 1), (1, 3, 1, 1), (1, 1, 1, 2)])
def test_a_write_that_cannot_broadcast_is_told_with_both_shapes(shape: tuple[int, ...]) -> None:
    # rotating_set_seq_full_window_rejects_mismatched_batch_dim, ..._heads_and_head_dim
    cache = decoded(RotatingKVCache(1, 0), 1)
    cache.set_meta_state(["0", "1", "0", "0"])
    with pytest.raises(ShapePairMismatchError) as caught:
        cache.update_and_fetch(mx.zeros(shape), mx.zeros(shape))
    assert tuple(caught.value.expected) == (1, 1, 1, 1)
    assert tuple(caught.value.actual) == shape
    cache.update_and_fetch(kv(42), kv(42))
    assert cache.offset == 1


def test_a_refused_write_undoes_neither_cut_nor_cursor() -> None:
    # rotating_update_in_place_partial_mutation_on_set_seq_err_is_rejected
    cache = RotatingKVCache(1, 0)
    cache.update_and_fetch(kv(10, 11), kv(10, 11))
    with pytest.raises(ShapePairMismatchError) as caught:
        cache.update_and_fetch(mx.zeros((2, 1, 1, 1)), mx.zeros((2, 1, 1, 1)))
    assert tuple(caught.value.expected) == (1, 1, 1, 1)
    assert (cache.offset, list(cache.meta_state), len(cache.state)) == (2, ["0", "1", "2", "2"], 2)


@pytest.mark.parametrize("make", [KVCache, lambda: RotatingKVCache(8, 4)])
@pytest.mark.parametrize("count", [1, 3])
def test_a_state_of_one_or_three_arrays_is_counted(make, count: int) -> None:
    # standard_set_state_direct_arity_and_offset, rotating_set_state_direct_arity_and_buffer_only
    cache = make()
    with pytest.raises(OutOfRangeError) as caught:
        cache.state = [kv(0)] * count
    assert (caught.value.requirement, caught.value.value) == ("must be 0 or 2", count)
    assert cache.empty()


def test_a_chunk_takes_a_write_of_another_length_than_its_buffer() -> None:
    # set_seq_write_shape_compat_helper_semantics_via_chunked
    cache = ChunkedKVCache(None)
    cache.state = [kv(10, 11, 12, 13), kv(10, 11, 12, 13)]
    cache.update_and_fetch(kv(99), kv(99))
    assert cache.offset == 5


def test_neither_standard_nor_ring_is_quantized_or_batched() -> None:
    # trait_defaults_rope_offset_and_meta_state, rope_offset_default_is_scalar_...
    for cache in (KVCache(), RotatingKVCache(8, 4)):
        assert cache.as_quantized() is None
        assert cache.as_batch_positioned() is None
    assert KVCache().max_size is None


MADE = {
    "KVCache": KVCache,
    "RotatingKVCache": lambda: RotatingKVCache(8, 1),
    "ChunkedKVCache": lambda: ChunkedKVCache(8),
    "QuantizedKVCache": lambda: kvimpl.QuantizedKVCache(64, 8),
    "BatchKVCache": lambda: kvimpl.BatchKVCache([0, 0]),
    "BatchRotatingKVCache": lambda: kvimpl.BatchRotatingKVCache(4, [0, 0]),
    "ArraysCache": lambda: kvimpl.ArraysCache(4),
    "CacheList": lambda: kvimpl.CacheList(KVCache()),
}


@pytest.mark.parametrize("name", MADE)
def test_what_a_registry_returns_is_of_the_class_named_and_of_no_other(name: str) -> None:
    # kvcache_as_any_mut_downcasts_to_standard, ..._to_rotating, ..._to_chunked, ..._for_all_8_...
    cache = MADE[name]()
    restored = from_state(cache.reference_class_name, cache.state, cache.meta_state)
    assert type(restored) is type(cache) is getattr(kvimpl, name)
    others = {getattr(kvimpl, other) for other in MADE} - {type(cache)}
    assert not any(isinstance(restored, other) for other in others)


@pytest.mark.parametrize("make", [KVCache, lambda: RotatingKVCache(8, 4)])
def test_materialize_leaves_nothing_unevaluated(make) -> None:
    # standard_materialize_is_not_a_noop_evals_buffers, rotating_materialize_is_not_a_noop_...
    cache = make()
    for token in range(3):
        cache.update_and_fetch(kv(token), kv(token))
    assert "SliceUpdate" in graph(cache)
    cache.materialize()
    assert "SliceUpdate" not in graph(cache)


def graph(cache) -> str:
    dot = io.StringIO()
    mx.export_to_dot(dot, cache.keys, cache.values)
    return dot.getvalue()
