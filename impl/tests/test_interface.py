"""The rest of the interface: sizes in bytes, materializing, positions, prompt caches, masks."""

import io
from types import SimpleNamespace

import mlx.core as mx
import pytest

import kvimpl


def rings(max_size=8, keep=4):
    return kvimpl.RotatingKVCache(max_size, keep=keep)


KINDS = {
    "KVCache": kvimpl.KVCache,
    "ConcatenateKVCache": kvimpl.ConcatenateKVCache,
    "RotatingKVCache": rings,
}


def filled(kind, paint, tokens=4):
    cache = KINDS[kind]()
    for token in range(tokens):
        cache.update_and_fetch(*paint([token]))
    return cache


# Bytes of float32 keys and values, one row, head and lane: 8 a token.
@pytest.mark.parametrize(
    ("kind", "held", "allocated"),
    [("KVCache", 32, 2048), ("ConcatenateKVCache", 32, 32), ("RotatingKVCache", 64, 64)],
)
def test_nbytes_counts_the_tokens_and_allocated_nbytes_the_buffers(kind, held, allocated, paint):
    cache = filled(kind, paint)
    assert (cache.nbytes, cache.allocated_nbytes) == (held, allocated)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_cache_has_no_bytes(kind):
    cache = KINDS[kind]()
    assert (cache.nbytes, cache.allocated_nbytes, cache.empty()) == (0, 0, True)


def test_a_buffer_of_no_rows_has_no_bytes(paint):
    cache = kvimpl.KVCache()
    cache.update_and_fetch(*paint([]))
    assert (cache.nbytes, cache.empty()) == (0, False)


def graph(*arrays):
    dot = io.StringIO()
    mx.export_to_dot(dot, *arrays)
    return dot.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_materialize_leaves_no_graph_and_the_same_content(kind, paint, snapshot):
    cache, twin = filled(kind, paint), filled(kind, paint)
    assert "label" in graph(cache.keys)
    cache.materialize()
    assert "label" not in graph(cache.keys)
    assert "label" not in graph(cache.values)
    assert snapshot(cache) == snapshot(twin)


@pytest.mark.parametrize("kind", KINDS)
def test_materialize_of_an_empty_cache_does_nothing(kind):
    cache = KINDS[kind]()
    cache.materialize()
    assert cache.empty()


@pytest.mark.parametrize("kind", KINDS)
def test_one_scalar_position_and_neither_quantized_nor_batched(kind, paint):
    cache = filled(kind, paint, tokens=11)
    assert cache.rope_offset == cache.offset == 11
    assert cache.as_quantized() is None
    assert cache.as_batch_positioned() is None
    assert cache.reference_class_name == kind


def test_a_trimmed_ring_rewinds_its_cursor(paint):
    ring = kvimpl.RotatingKVCache(8, keep=2)
    ring.update_and_fetch(*paint(range(5)))
    assert ring.trim(2) == 2
    assert ring.meta_state == ["2", "8", "3", "3"]
    assert ring.trim(100) == 3
    assert ring.meta_state == ["2", "8", "0", "0"]


@pytest.mark.parametrize("count", [1.0, "1"])
def test_a_trim_is_a_whole_number(count, paint):
    with pytest.raises(TypeError):
        filled("KVCache", paint).trim(count)


def test_a_model_without_make_cache_gets_a_standard_cache_a_layer():
    cache = kvimpl.make_prompt_cache(SimpleNamespace(layers=[0, 1, 2]))
    assert [type(layer) for layer in cache] == [kvimpl.KVCache] * 3
    assert all(layer.max_size is None and layer.empty() for layer in cache)


def test_a_bounded_prompt_cache_pins_four_tokens():
    cache = kvimpl.make_prompt_cache(SimpleNamespace(layers=[0, 1]), max_kv_size=8)
    assert [(type(c), c.max_size, c.keep) for c in cache] == [(kvimpl.RotatingKVCache, 8, 4)] * 2


def test_a_model_may_make_its_own():
    own = [kvimpl.KVCache()]
    model = SimpleNamespace(layers=[0, 1], make_cache=lambda: own)
    assert kvimpl.make_prompt_cache(model, max_kv_size=8) == own


def test_a_prompt_cache_is_trimmed_in_all_layers_or_none(paint):
    cache = [filled("KVCache", paint), filled("RotatingKVCache", paint)]
    assert kvimpl.trim_prompt_cache(cache, 3) == 3
    assert [layer.offset for layer in cache] == [1, 1]
    cache.append(filled("RotatingKVCache", paint, tokens=9))
    assert kvimpl.trim_prompt_cache(cache, 1) == 0
    assert [layer.offset for layer in cache] == [1, 1, 9]


def test_a_negative_trim_is_refused_before_any_layer_changes(paint):
    cache = [filled("KVCache", paint)]
    with pytest.raises(kvimpl.OutOfRangeError):
        kvimpl.trim_prompt_cache(cache, -1)
    assert kvimpl.trim_prompt_cache([], 1) == 0


@pytest.mark.parametrize(
    ("N", "offset", "return_array", "window", "want"),
    [
        (4, 0, False, 2, mx.array),
        (1, 7, False, None, type(None)),
        (1, 7, True, None, type(None)),
        (3, 0, True, None, mx.array),
        (3, 0, False, None, str),
    ],
)
def test_the_cheapest_mask_that_will_do(N, offset, return_array, window, want):
    assert isinstance(kvimpl.create_attention_mask(N, offset, return_array, window), want)


@pytest.mark.parametrize(("N", "window"), [(2, None), (3, 4)])
def test_a_mask_past_64_bits_overflows(N, window):
    with pytest.raises(kvimpl.ArithmeticOverflowError) as caught:
        kvimpl.create_causal_mask(N, 2**64 - 1, window)
    assert caught.value.operands == (("offset", 2**64 - 1), ("N", N))


def test_a_mask_ends_at_two_to_the_24():
    assert kvimpl.create_causal_mask(1, 2**24 - 1).shape == (1, 2**24)
    with pytest.raises(kvimpl.OutOfRangeError) as caught:
        kvimpl.create_causal_mask(2, 2**24 - 1)
    assert caught.value.value == 2**24 + 1


@pytest.mark.parametrize("window", [4, 2**31, 2**64 - 1])
def test_a_window_over_everything_hides_nothing(window, bits):
    assert bits(kvimpl.create_causal_mask(4, 0, window)) == bits(kvimpl.create_causal_mask(4))


@pytest.mark.parametrize("make", [kvimpl.KVCache, rings])
@pytest.mark.parametrize(
    "arguments", [{"N": -1}, {"N": 2, "window_size": -1}, {"N": 2**24 + 1, "return_array": True}]
)
def test_the_mask_of_a_cache_takes_no_number_out_of_range(make, arguments):
    with pytest.raises(kvimpl.OutOfRangeError):
        make().make_mask(**arguments)


@pytest.mark.parametrize("arguments", [(-1, 0, None), (1, -1, None), (1, 0, -1)])
def test_a_mask_takes_no_negative_number(arguments):
    with pytest.raises(kvimpl.OutOfRangeError):
        kvimpl.create_causal_mask(*arguments)


def test_padding_is_one_dimensional():
    with pytest.raises(kvimpl.RankMismatchError) as caught:
        kvimpl.create_causal_mask(2, left_padding=mx.zeros((1, 2), mx.int32))
    assert caught.value.actual_shape == (1, 2)


@pytest.mark.parametrize("return_array", [False, True])
def test_the_mask_of_a_hostile_ring_overflows(return_array, paint):
    huge = str(2**64 - 1)
    ring = kvimpl.from_state("RotatingKVCache", paint([0]), ["0", huge, huge, "0"])
    with pytest.raises(kvimpl.ArithmeticOverflowError) as caught:
        ring.make_mask(2, return_array=return_array)
    assert caught.value.operands == (("offset", 2**64 - 2), ("N", 2))


def test_the_mask_of_an_enormous_ring_is_out_of_range():
    ring = kvimpl.RotatingKVCache(2**24 + 8, keep=4)
    ring.set_meta_state(["4", str(2**24 + 8), str(2**24 + 4), "5"])
    with pytest.raises(kvimpl.OutOfRangeError):
        ring.make_mask(1, window_size=2)


# The newest two positions, in the physical order that the ring will have after the next token.
@pytest.mark.parametrize(
    ("tokens", "want"),
    [(3, [0, 0, 1, 1]), (4, [1, 0, 0, 1]), (6, [1, 0, 0, 1]), (7, [0, 0, 1, 1])],
)
def test_a_window_smaller_than_the_ring_masks_its_slots(tokens, want, paint):
    ring = kvimpl.RotatingKVCache(4, keep=2)
    for token in range(tokens):
        ring.update_and_fetch(*paint([token]))
    assert ring.make_mask(1, window_size=2).tolist() == want
