"""State and metadata round-trip, under every name, and are checked on the way in."""

import mlx.core as mx
import pytest

import kvimpl

STANDARD = ["KVCache", "KvCache", "KVCacheSimple", "StandardKVCache", "StandardKvCache"]
CONCATENATE = ["ConcatenateKVCache", "ConcatenateKvCache"]
ROTATING = ["RotatingKVCache", "RotatingKvCache"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kvimpl.KVCache) for name in STANDARD]
    + [(name, kvimpl.ConcatenateKVCache) for name in CONCATENATE],
)
def test_a_cache_without_metadata_comes_back_under_every_name(name, kind, paint, ids):
    cache = kvimpl.from_state(name, paint([0, 1, 2]), [])
    assert type(cache) is kind
    assert cache.offset == 3
    assert cache.meta_state == []
    assert [ids(array) for array in cache.state] == [[0, 1, 2]] * 2


@pytest.mark.parametrize("name", ROTATING)
def test_a_ring_comes_back_under_every_name(name, paint, bits):
    ring = kvimpl.RotatingKVCache(8, keep=4)
    for token in range(11):
        ring.update_and_fetch(*paint([token]))
    twin = kvimpl.from_state(name, ring.state, ring.meta_state)
    assert type(twin) is kvimpl.RotatingKVCache
    assert twin.meta_state == ["4", "8", "11", "7"]
    assert bits(twin.state) == bits(ring.state)
    for token in (11, 12):
        mine, theirs = (c.update_and_fetch(*paint([token])) for c in (twin, ring))
        assert bits(mine) == bits(theirs)


@pytest.mark.parametrize("name", [*STANDARD, *CONCATENATE])
@pytest.mark.parametrize("meta", [["x"], ["x", "y", "z"]])
def test_metadata_for_a_kind_without_is_refused(name, meta, paint):
    with pytest.raises(kvimpl.LengthMismatchError) as caught:
        kvimpl.from_state(name, paint([0]), meta)
    assert (caught.value.expected, caught.value.actual) == (0, len(meta))


@pytest.mark.parametrize("name", [*STANDARD, *CONCATENATE])
def test_no_state_makes_an_empty_cache(name):
    cache = kvimpl.from_state(name, [])
    assert cache.empty()
    assert cache.state == []


@pytest.mark.parametrize("name", ["KVCash", "", "ChunkedKvCache"])
def test_an_unknown_name_or_one_that_wants_metadata_is_refused(name):
    with pytest.raises(kvimpl.CacheError):
        kvimpl.from_state(name, [], [])


def test_an_unknown_kind_is_told_with_those_that_are_known():
    with pytest.raises(kvimpl.UnknownKindError) as caught:
        kvimpl.from_state("KVCash", [], [])
    assert caught.value.value == "KVCash"
    assert {"KVCache", "RotatingKVCache"} <= set(caught.value.supported)


@pytest.mark.parametrize("numbers", [(4, 8, 5, 5), (0, 8, 0, 3), (0, 8, 3, 0)])
def test_a_ring_without_buffers_is_at_its_start(numbers):
    with pytest.raises(kvimpl.InvariantViolationError):
        kvimpl.from_state("RotatingKVCache", [], [str(n) for n in numbers])


def test_an_empty_ring_comes_back_empty():
    ring = kvimpl.from_state("RotatingKVCache", [], ["4", "8", "0", "0"])
    assert ring.empty()
    assert (ring.offset, ring.max_size) == (0, 8)


def test_setting_the_state_of_a_standard_cache_sets_its_offset(paint):
    cache = kvimpl.KVCache()
    cache.state = paint(range(10, 15))
    assert cache.offset == 5
    cache.state = []
    assert (cache.empty(), cache.offset, cache.state) == (True, 0, [])


@pytest.mark.parametrize("arrays", [1, 3])
@pytest.mark.parametrize("make", [kvimpl.KVCache, lambda: kvimpl.RotatingKVCache(8, keep=4)])
def test_a_state_is_nothing_or_two_arrays(make, arrays, paint):
    cache = make()
    with pytest.raises(kvimpl.OutOfRangeError) as caught:
        cache.state = [mx.zeros((1, 1, 1, 1))] * arrays
    assert (caught.value.requirement, caught.value.value) == ("must be 0 or 2", arrays)


def test_setting_the_state_of_a_ring_leaves_its_metadata(paint, ids):
    ring = kvimpl.RotatingKVCache(8, keep=4)
    for token in range(3):
        ring.update_and_fetch(*paint([token]))
    ring.state = paint(range(20, 25))
    assert ring.meta_state == ["4", "8", "3", "3"]
    assert ids(ring.state[0]) == [20, 21, 22]
    ring.state = []
    assert ring.empty()
    assert ring.meta_state == ["4", "8", "3", "3"]


def test_a_ring_without_buffers_takes_any_metadata_that_fits_64_bits():
    ring = kvimpl.RotatingKVCache(8)
    numbers = ["4", str(2**24 + 8), str(2**64 - 1), str(2**64 - 1)]
    ring.meta_state = numbers
    assert ring.meta_state == numbers


# What mlx-lm cannot go on from: it asks for a negative number of rows, loses the token, or
# presents rows that were never written.
@pytest.mark.parametrize(
    ("rows", "meta", "want"),
    [
        ([1, 2, 3], [0, 8, 9, 3], [1, 2, 3, 50]),
        ([1, 2, 3], [0, 8, 5, 3], [1, 2, 3, 50]),
        ([1, 2, 3], [6, 8, 9, 3], [1, 2, 3, 50]),
        ([1, 2, 3], [1, 8, 9, 2], [1, 3, 2, 50]),
        ([1, 2, 3], [2, 8, 9, 1], [1, 2, 3, 50]),
        ([1, 2, 3, 4, 5], [0, 8, 3, 5], [1, 2, 3, 50]),
        ([1, 2, 3, 4], [0, 4, 9, 4], [50, 2, 3, 4]),
    ],
)
def test_a_ring_goes_on_from_an_inconsistent_state(rows, meta, want, paint, ids):
    ring = kvimpl.from_state("RotatingKVCache", paint(rows), [str(n) for n in meta])
    keys, values = ring.update_and_fetch(*paint([50]))
    assert ids(keys) == ids(values) == want


def test_a_cursor_behind_its_offset_is_not_trimmed_below_zero(paint):
    ring = kvimpl.from_state("RotatingKVCache", paint([1, 2, 3]), ["0", "8", "3", "1"])
    assert ring.trim(2) == 2
    assert ring.meta_state == ["0", "8", "1", "0"]


def test_a_ring_whose_buffers_were_taken_does_not_present_zeros(paint, ids):
    ring = kvimpl.RotatingKVCache(8)
    ring.update_and_fetch(*paint([1, 2, 3]))
    ring.state = []
    keys, _ = ring.update_and_fetch(*paint([4]))
    assert (ids(keys), ring.offset) == ([4], 4)


@pytest.mark.parametrize("numbers", [(2**63, 2**64 - 1, 7, 0), (0, 2**64 - 1, 2**40, 3)])
def test_numbers_past_32_bits_do_no_harm(numbers, paint, ids):
    ring = kvimpl.from_state("RotatingKVCache", paint([1, 2, 3]), [str(n) for n in numbers])
    ring.update_and_fetch(*paint([4]))
    keys, _ = ring.update_and_fetch(*paint([5, 6]))
    assert set(ids(keys)) == {1, 2, 3, 4, 5, 6}


def test_an_update_of_no_tokens_does_not_break_a_full_ring(paint, ids):
    ring = kvimpl.RotatingKVCache(4)
    for token in range(4):
        ring.update_and_fetch(*paint([token]))
    ring.update_and_fetch(*paint([]))
    for token in (4, 5, 6):
        keys, _ = ring.update_and_fetch(*paint([token]))
    assert sorted(ids(keys)) == [3, 4, 5, 6]


def test_trimmed_tokens_do_not_come_back(paint, ids):
    cache = kvimpl.ConcatenateKVCache()
    cache.update_and_fetch(*paint([1, 2, 3]))
    assert cache.trim(2) == 2
    assert ids(cache.keys_and_values()[0]) == ids(cache.state[0]) == [1]
    keys, _ = cache.update_and_fetch(*paint([4]))
    assert (ids(keys), cache.offset) == ([1, 4], 2)
