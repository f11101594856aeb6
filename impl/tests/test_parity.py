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
            assert ours.allocated_nbytes == theirs.nbytes
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


def test_values_broadcast_to_the_rows_and_heads_of_the_keys(reference, paint, bits):
    results = []
    for module in (kvimpl, reference):
        keys, values = paint([1, 2], B=2, H=3)[0], paint([1, 2])[1]
        results.append(bits(module.KVCache().update_and_fetch(keys, values)))
    assert results[0] == results[1]
