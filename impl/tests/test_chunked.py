"""The chunked cache beyond what test_parity holds it to: restoring, and having no chunk size."""

import pytest

import kvimpl


def trimmed_front(paint):
    cache = kvimpl.ChunkedKVCache(4)
    cache.update_and_fetch(*paint(range(6)))
    cache.maybe_trim_front()
    return cache


def test_the_newest_chunk_stays(paint, ids):
    cache = trimmed_front(paint)
    assert ids(cache.state[0]) == [2, 3, 4, 5]
    assert (cache.offset, cache.start_position) == (6, 2)


def test_without_a_chunk_size_the_front_stays(paint, ids):
    cache = kvimpl.ChunkedKVCache(None)
    cache.update_and_fetch(*paint(range(6)))
    cache.maybe_trim_front()
    assert ids(cache.state[0]) == [0, 1, 2, 3, 4, 5]


def test_trimming_stops_at_the_front(paint, ids):
    cache = trimmed_front(paint)
    assert cache.trim(9) == 4
    assert (cache.offset, ids(cache.state[0])) == (2, [])


@pytest.mark.parametrize("name", ["ChunkedKVCache", "ChunkedKvCache"])
@pytest.mark.parametrize("chunk_size", [4, None])
def test_a_chunk_comes_back_at_its_position(name, chunk_size, paint, ids):
    """mlx-lm up to 0.31.3 restores such a cache with an offset below its start."""
    cache = trimmed_front(paint)
    cache.chunk_size = chunk_size
    twin = kvimpl.from_state(name, cache.state, cache.meta_state)
    assert (twin.chunk_size, twin.offset, twin.start_position) == (chunk_size, 6, 2)
    keys, _ = twin.update_and_fetch(*paint([6]))
    assert ids(keys) == [2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("meta", "error"),
    [
        ([], kvimpl.LengthMismatchError),
        (["4"], kvimpl.LengthMismatchError),
        (["None"], kvimpl.LengthMismatchError),
        (["4", "two"], kvimpl.MetaParseError),
        (["none", "2"], kvimpl.MetaParseError),
        (["0", "2"], kvimpl.OutOfRangeError),
        (["4", "-2"], kvimpl.OutOfRangeError),
        (["4", str(2**64 - 1)], kvimpl.ArithmeticOverflowError),
    ],
)
def test_metadata_that_makes_no_chunk_is_refused(meta, error, paint, snapshot):
    cache = trimmed_front(paint)
    before = snapshot(cache)
    with pytest.raises(error):
        cache.set_meta_state(meta)
    assert snapshot(cache) == before
    with pytest.raises(error):
        kvimpl.from_state("ChunkedKVCache", cache.state, meta)


def test_a_chunk_without_buffers_starts_at_0():
    assert kvimpl.from_state("ChunkedKVCache", [], ["4", "0"]).empty()
    with pytest.raises(kvimpl.InvariantViolationError):
        kvimpl.from_state("ChunkedKVCache", [], ["4", "2"])


def test_a_chunk_has_room_for_a_token():
    with pytest.raises(kvimpl.OutOfRangeError):
        kvimpl.ChunkedKVCache(0)


def test_models_build_the_mask_of_a_chunk_themselves():
    """mlx-lm asks ``hasattr(cache, "make_mask")``."""
    assert not hasattr(kvimpl.ChunkedKVCache(4), "make_mask")


def test_nbytes_counts_the_tokens_that_are_held(paint):
    cache = trimmed_front(paint)
    assert (cache.nbytes, cache.allocated_nbytes) == (32, 32)
    cache.update_and_fetch(*paint([6]))
    assert (cache.nbytes, cache.allocated_nbytes) == (40, 2080)
