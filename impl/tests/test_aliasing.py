"""No array is shared: what is handed out never changes, what is handed in is never written to."""

import mlx.core as mx
import pytest

import kvimpl

KINDS = {
    "KVCache": kvimpl.KVCache,
    "ConcatenateKVCache": kvimpl.ConcatenateKVCache,
    "RotatingKVCache": lambda: kvimpl.RotatingKVCache(6, keep=2),
    "ChunkedKVCache": lambda: kvimpl.ChunkedKVCache(6),
    "QuantizedKVCache": lambda: kvimpl.QuantizedKVCache(32, 4),
}
GEOMETRY = {"B": 2, "H": 2, "D": 32, "Dv": 64}
# Prefill, single tokens, and several at once over a full ring.
SIZES = [4, 1, 1, 1, 3, *[1] * 8, 2, 1, 5, *[1] * 6]


def new(kind):
    cache = KINDS[kind]()
    cache.step = 4
    return cache


def drive(cache, paint, handle=lambda given, returned: None):
    """Play all sizes; ``handle`` is shown what went in and what came out of each."""
    token = 0
    for S in SIZES:
        given = paint(range(token, token + S), **GEOMETRY)
        token += S
        handle(given, cache.update_and_fetch(*given))
        if isinstance(cache, kvimpl.ChunkedKVCache):
            cache.maybe_trim_front()


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_handed_out_does_not_change(kind, paint, bits):
    seen = []
    cache = new(kind)

    def hold(_, returned):
        for arrays in (returned, cache.keys_and_values(), cache.state):
            seen.append((arrays, bits(arrays)))

    drive(cache, paint, hold)
    for arrays, then in seen:
        assert bits(arrays) == then


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_handed_out_is_right_even_if_first_evaluated_at_the_end(kind, paint, bits):
    lazy, eager = [], []
    drive(new(kind), paint, lambda _, returned: lazy.append(returned))
    drive(new(kind), paint, lambda _, returned: eager.append(bits(returned)))
    assert bits(lazy) == eager


def overwrite(arrays):
    for array in arrays:
        if isinstance(array, mx.array):
            array[:] = 99
        else:
            overwrite(array)


@pytest.mark.parametrize("kind", KINDS)
def test_writing_to_what_was_handed_out_does_not_reach_the_cache(kind, paint, snapshot):
    cache, untouched = new(kind), new(kind)

    def tamper(_, returned):
        for arrays in (returned, cache.keys_and_values(), cache.state):
            overwrite(arrays)

    drive(cache, paint, tamper)
    drive(untouched, paint)
    assert snapshot(cache) == snapshot(untouched)


@pytest.mark.parametrize("kind", KINDS)
def test_writing_to_what_was_handed_in_does_not_reach_the_cache(kind, paint, snapshot):
    cache, untouched = new(kind), new(kind)
    drive(cache, paint, lambda given, _: overwrite(given))
    drive(untouched, paint)
    assert snapshot(cache) == snapshot(untouched)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_handed_in_is_not_written_to(kind, paint, bits):
    seen = []
    drive(new(kind), paint, lambda given, _: seen.append((given, bits(given))))
    for given, then in seen:
        assert bits(given) == then


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "QuantizedKVCache"])
def test_a_state_that_was_set_is_shared_in_neither_direction(kind, paint, bits):
    given = list(paint(range(4), **GEOMETRY))
    before = bits(given)
    cache = new(kind)
    cache.state = given
    if kind == "RotatingKVCache":
        cache.set_meta_state(["2", "6", "4", "4"])
    drive(cache, paint)
    assert bits(given) == before
    cache.state = given
    held = bits(cache.keys)
    overwrite(given)
    assert bits(cache.keys) == held


@pytest.mark.parametrize("kind", KINDS)
def test_restoring_from_a_live_state_shares_nothing(kind, paint, snapshot):
    cache = new(kind)
    drive(cache, paint)
    state = cache.state
    twin = kvimpl.from_state(kind, state, cache.meta_state)
    before = snapshot(twin)
    overwrite(state)
    cache.update_and_fetch(*paint([90], **GEOMETRY))
    assert snapshot(twin) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_and_its_original_go_separate_ways(kind, paint, snapshot):
    cache = new(kind)
    drive(cache, paint)
    before = snapshot(cache)
    twin = cache.copy()
    assert type(twin) is type(cache)
    assert snapshot(twin) == before
    twin.update_and_fetch(*paint([90], **GEOMETRY))
    assert snapshot(cache) == before
    after = snapshot(twin)
    cache.update_and_fetch(*paint([91], **GEOMETRY))
    assert snapshot(twin) == after


@pytest.mark.parametrize("kind", KINDS)
def test_writing_to_the_buffer_of_a_copy_does_not_reach_the_original(kind, paint, snapshot):
    cache = new(kind)
    drive(cache, paint)
    before = snapshot(cache)
    twin = cache.copy()
    overwrite([twin.keys, twin.values])
    assert snapshot(cache) == before
