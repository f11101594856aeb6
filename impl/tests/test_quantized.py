"""The quantized cache beyond what test_parity holds it to: every width, bad input, restoring."""

import mlx.core as mx
import pytest

import kvimpl

WIDTHS = [2, 3, 4, 5, 6, 8]


@pytest.mark.parametrize("group_size", [32, 64, 128])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("lanes", [128, 256])
def test_every_width_stores_what_quantizing_gives(group_size, width, lanes, paint, bits):
    """mlx-lm fails at 3, 5 and 6 bits, for these head sizes: it allocates too many words a row."""
    cache = kvimpl.QuantizedKVCache(group_size, width)
    cache.step = 2
    for tokens in ([0], [1, 2, 3], [4]):
        fetched = cache.update_and_fetch(*paint(tokens, D=lanes, H=2))
    whole = [
        mx.quantize(a, group_size=group_size, bits=width) for a in paint(range(5), D=lanes, H=2)
    ]
    assert bits(fetched) == bits(whole)


@pytest.mark.parametrize(("group_size", "width"), [(48, 8), (64, 7), (64, 0), (0, 8)])
@pytest.mark.parametrize("make", [kvimpl.QuantizedKVCache, kvimpl.KVCache().to_quantized])
def test_what_mlx_does_not_quantize_to_is_out_of_range(make, group_size, width):
    with pytest.raises(kvimpl.OutOfRangeError):
        make(group_size, width)


def test_a_head_that_is_no_multiple_of_the_group_is_out_of_range(paint, snapshot):
    cache = kvimpl.QuantizedKVCache(64, 8)
    with pytest.raises(kvimpl.OutOfRangeError, match="head_dim of values") as caught:
        cache.update_and_fetch(*paint([0], D=64, Dv=96))
    assert caught.value.value == 96
    assert cache.empty()


def test_only_floating_arrays_are_quantized(paint):
    with pytest.raises(kvimpl.DtypeMismatchError) as caught:
        kvimpl.QuantizedKVCache().update_and_fetch(*paint([0], D=64, dtype=mx.int32))
    assert caught.value.expected == "floating"


@pytest.mark.parametrize("geometry", [{"D": 96}, {"D": 64, "dtype": mx.int32}])
def test_a_cache_that_cannot_be_quantized_stays_as_it_is(geometry, paint, snapshot):
    cache = kvimpl.KVCache()
    cache.update_and_fetch(*paint([0], **geometry))
    before = snapshot(cache)
    with pytest.raises(kvimpl.CacheError):
        cache.to_quantized()
    assert snapshot(cache) == before


def filled(paint):
    cache = kvimpl.QuantizedKVCache(32, 4)
    cache.update_and_fetch(*paint(range(3), H=2, D=32, Dv=64))
    return cache


NAMES = ["QuantizedKVCache", "QuantizedKvCache", "StandardQuantizedKvCache"]


@pytest.mark.parametrize("name", NAMES)
def test_it_comes_back_under_every_name(name, paint, bits):
    cache = filled(paint)
    twin = kvimpl.from_state(name, cache.state, cache.meta_state)
    assert (twin.offset, twin.group_size, twin.bits) == (3, 32, 4)
    mine, theirs = (c.update_and_fetch(*paint([3], H=2, D=32, Dv=64)) for c in (twin, cache))
    assert bits(mine) == bits(theirs)


def test_metadata_with_a_step_in_front_is_that_of_old_releases(paint):
    """mlx-lm wrote four numbers up to 0.26."""
    cache = filled(paint)
    twin = kvimpl.from_state("QuantizedKVCache", cache.state, ["8", "2", "32", "4"])
    assert (twin.step, twin.offset, twin.meta_state) == (8, 2, ["2", "32", "4"])


@pytest.mark.parametrize(
    ("meta", "error"),
    [
        ([], kvimpl.LengthMismatchError),
        (["3", "32"], kvimpl.LengthMismatchError),
        (["3", "32", "four"], kvimpl.MetaParseError),
        (["300", "32", "4"], kvimpl.OutOfRangeError),
        (["3", "32", "7"], kvimpl.OutOfRangeError),
        (["0", "3", "32", "4"], kvimpl.OutOfRangeError),
        (["3", "32", "8"], kvimpl.ShapePairMismatchError),
        (["3", "64", "4"], kvimpl.ShapePairMismatchError),
    ],
)
def test_metadata_that_does_not_fit_the_buffers_is_refused(meta, error, paint, snapshot):
    cache = filled(paint)
    before = snapshot(cache)
    with pytest.raises(error):
        cache.set_meta_state(meta)
    assert snapshot(cache) == before
    with pytest.raises(error):
        kvimpl.from_state("QuantizedKVCache", cache.state, meta)


def test_without_buffers_the_offset_is_0():
    assert kvimpl.from_state("QuantizedKVCache", [], ["0", "64", "8"]).empty()
    with pytest.raises(kvimpl.InvariantViolationError):
        kvimpl.from_state("QuantizedKVCache", [], ["3", "64", "8"])


def bad_states(paint):
    keys, values = filled(paint).state
    packed, scales, biases = values
    yield [keys], kvimpl.OutOfRangeError
    yield [keys, values[:2]], kvimpl.OutOfRangeError
    yield [keys, (packed[0], scales, biases)], kvimpl.RankMismatchError
    yield [keys, (packed.astype(mx.int32), scales, biases)], kvimpl.DtypeMismatchError
    yield [keys, (packed[..., :1], scales, biases)], kvimpl.ShapePairMismatchError
    yield [keys, (packed, scales, biases[..., :1])], kvimpl.ShapePairMismatchError
    yield [keys, [part[:, :, :2] for part in values]], kvimpl.ShapePairMismatchError


@pytest.mark.parametrize("case", range(7))
def test_a_state_that_was_not_quantized_so_is_refused(case, paint, snapshot):
    state, error = list(bad_states(paint))[case]
    cache = filled(paint)
    before = snapshot(cache)
    with pytest.raises(error):
        cache.state = state
    assert snapshot(cache) == before


def test_it_says_that_it_is_quantized(paint):
    cache = filled(paint)
    assert cache.as_quantized() is cache
    assert cache.as_batch_positioned() is None
    assert cache.rope_offset == 3


def test_nbytes_counts_the_tokens_and_allocated_nbytes_the_buffers(paint):
    empty, cache = kvimpl.QuantizedKVCache(), filled(paint)
    assert (empty.nbytes, empty.allocated_nbytes) == (0, 0)
    # A head of 32 lanes at 4 bits: 16 bytes packed, a scale and a bias; the values have twice that.
    row = 2 * (16 + 8) + 2 * (32 + 16)
    assert (cache.nbytes, cache.allocated_nbytes) == (3 * row, 256 * row)


def test_an_empty_one_has_no_keys_and_values():
    with pytest.raises(kvimpl.InvariantViolationError):
        kvimpl.QuantizedKVCache().keys_and_values()
