"""On valid input a cache does what mlx-lm's does, bit for bit, buffers and cursor included."""

from functools import partial

import mlx.core as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvimpl

FIXED = settings(max_examples=60, deadline=None, derandomize=True)
WINDOWS = st.none() | st.integers(0, 4) | st.integers(0, 12)

updates = st.tuples(
    st.just("update"),
    st.sampled_from([1, 1, 1, 1, 2, 3, 5, 9]),
    st.sampled_from([mx.float32, mx.float32, mx.float16, mx.bfloat16]),
)
trims = st.tuples(st.just("trim"), st.integers(0, 7))
masks = st.tuples(st.just("mask"), st.sampled_from([1, 1, 1, 2, 3, 5]), WINDOWS, st.booleans())
scripts = st.lists(st.one_of(updates, updates, updates, trims, masks), max_size=25)
steps = st.sampled_from([1, 2, 3, 4, 256])
geometries = st.fixed_dictionaries(
    {
        "B": st.integers(1, 2),
        "H": st.integers(1, 3),
        "D": st.sampled_from([1, 4]),
        "Dv": st.sampled_from([0, 1, 3]),
    }
)


def play(cache, script, paint):
    """Play a script; yields what each step returned."""
    token = 1
    for name, *args in script:
        if name == "update":
            S, dtype = args
            # Painted anew for each side: sharing inputs would hide writes to them.
            yield cache.update_and_fetch(*paint(range(token, token + S), dtype=dtype))
            token += S
        elif name == "trim":
            # What a full ring does is not mlx-lm's to say: see test_all_or_nothing.
            yield cache.trim(*args) if cache.is_trimmable() else None
        elif name == "trim_front":
            yield cache.maybe_trim_front()
        else:
            N, window, as_array = args
            yield cache.make_mask(N, window_size=window, return_array=as_array)


@pytest.fixture(scope="session")
def check_same(reference, paint, bits):
    """Play a script on both caches of a kind; after every step, all that shows must be the same."""

    def check_same(kind, script, *, args=(), geometry=None, step=256):
        ours, theirs = getattr(kvimpl, kind)(*args), getattr(reference, kind)(*args)
        ours.step = theirs.step = step
        painter = partial(paint, **geometry or {})
        for ours_gave, theirs_gave in zip(
            play(ours, script, painter), play(theirs, script, painter), strict=True
        ):
            assert bits(ours_gave) == bits(theirs_gave)
            for name, value in vars(theirs).items():
                assert bits(getattr(ours, name)) == bits(value), name
            # mlx-lm's quantized cache cannot count its bytes while it is empty.
            assert theirs.empty() or ours.allocated_nbytes == theirs.nbytes
            for method in ("size", "empty", "is_trimmable"):
                assert getattr(ours, method)() == getattr(theirs, method)(), method

    return check_same


@FIXED
@given(script=scripts, geometry=geometries, step=steps)
def test_standard(script, geometry, step, check_same):
    check_same("KVCache", script, geometry=geometry, step=step)


@FIXED
@given(script=st.lists(st.one_of(updates, masks), max_size=25), geometry=geometries)
def test_concatenate(script, geometry, check_same):
    check_same("ConcatenateKVCache", script, geometry=geometry)


@settings(FIXED, max_examples=150)
@given(
    script=scripts,
    geometry=geometries,
    step=steps,
    window=st.integers(1, 9).flatmap(lambda m: st.tuples(st.just(m), st.integers(0, m - 1))),
)
def test_rotating(script, geometry, step, window, check_same):
    check_same("RotatingKVCache", script, args=window, geometry=geometry, step=step)


fronts = st.just(("trim_front",))


@FIXED
@given(
    script=st.lists(st.one_of(updates, updates, trims, fronts), max_size=25),
    geometry=geometries,
    step=steps,
    chunk_size=st.integers(1, 9),
)
def test_chunked(script, geometry, step, chunk_size, check_same):
    check_same("ChunkedKVCache", script, args=(chunk_size,), geometry=geometry, step=step)


@FIXED
@given(
    script=scripts,
    geometry=st.fixed_dictionaries(
        {
            "B": st.integers(1, 2),
            "H": st.integers(1, 2),
            "D": st.sampled_from([32, 64]),
            "Dv": st.sampled_from([0, 32, 64]),
        }
    ),
    step=steps,
    bits_wide=st.sampled_from([2, 3, 4, 5, 6, 8]),
)
def test_quantized(script, geometry, step, bits_wide, check_same):
    check_same("QuantizedKVCache", script, args=(32, bits_wide), geometry=geometry, step=step)


@pytest.mark.parametrize("group_size", [32, 64, 128])
@pytest.mark.parametrize("bits_wide", [2, 3, 4, 5, 6, 8])
def test_to_quantized(group_size, bits_wide, reference, paint, bits):
    twins = []
    for module in (kvimpl, reference):
        cache = module.KVCache()
        cache.update_and_fetch(*paint(range(3), D=128, Dv=256))
        cache.trim(1)
        quantized = cache.to_quantized(group_size, bits_wide)
        twins.append([bits(value) for value in vars(quantized).values()])
    assert twins[0] == twins[1]


@FIXED
@given(
    place=st.tuples(
        st.integers(0, 6),
        st.integers(0, 6),
        st.none() | st.integers(0, 20) | st.just(2**31 - 20),
    ),
    paddings=st.lists(
        st.none() | st.lists(st.integers(0, 4), min_size=2, max_size=2), min_size=2, max_size=2
    ),
)
def test_causal_mask(place, paddings, reference, bits):
    arrays = [padding and mx.array(padding) for padding in paddings]
    mine = kvimpl.create_causal_mask(*place, *arrays)
    assert bits(mine) == bits(reference.create_causal_mask(*place, *arrays))


@pytest.mark.parametrize(
    ("kind", "args"), [("KVCache", ()), ("ConcatenateKVCache", ()), ("RotatingKVCache", (4,))]
)
def test_an_update_of_no_tokens(kind, args, check_same):
    check_same(kind, [("update", S, mx.float32) for S in (0, 2, 0, 1, 0)], args=args)


def test_a_write_broadcasts_rows_heads_and_lanes(reference, paint, bits):
    """Into room that is there; growing concatenates, which does not broadcast."""
    results = []
    for module in (kvimpl, reference):
        cache = module.KVCache()
        cache.update_and_fetch(*paint([1, 2], B=2, H=3, D=4))
        results.append(bits(cache.update_and_fetch(*paint([3, 4]))))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("kind", "args"), [("KVCache", ()), ("ChunkedKVCache", (9,)), ("QuantizedKVCache", (32, 4))]
)
def test_a_write_that_needs_new_room_does_not_broadcast(kind, args, reference, paint):
    for module, error in ((kvimpl, kvimpl.ShapePairMismatchError), (reference, ValueError)):
        cache = getattr(module, kind)(*args)
        cache.step = 2
        cache.update_and_fetch(*paint([1, 2], B=2, D=32))
        with pytest.raises(error):
            cache.update_and_fetch(*paint([3], D=32))


def test_scales_of_values_take_the_dtype_of_the_keys(reference, paint, bits):
    fetched = []
    for module in (kvimpl, reference):
        keys, values = paint([1], D=64, dtype=mx.bfloat16)[0], paint([1], D=64, dtype=mx.float16)[1]
        fetched.append(bits(module.QuantizedKVCache().update_and_fetch(keys, values)))
    assert fetched[0] == fetched[1]


def test_values_broadcast_to_the_rows_and_heads_of_the_keys(reference, paint, bits):
    results = []
    for module in (kvimpl, reference):
        keys, values = paint([1, 2], B=2, H=3)[0], paint([1, 2])[1]
        results.append(bits(module.KVCache().update_and_fetch(keys, values)))
    assert results[0] == results[1]
