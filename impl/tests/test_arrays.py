"""The arrays cache: slots, padding and lengths, rows in and out, unwritten slots, restoring."""

import io

import mlx.core as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvimpl


def slot(rows, width=2, dtype=mx.float32, start=0):
    """An array whose every element is its own: ``[rows, width]``."""
    return (mx.arange(rows * width) + start).reshape(rows, width).astype(dtype)


def three_rows():
    cache = kvimpl.ArraysCache(2, left_padding=[1, 0, 2])
    cache[0], cache[1] = slot(3), slot(3, width=5, start=50)
    cache.prepare(lengths=[4, 3, 5])
    return cache


def half_written():
    cache = kvimpl.ArraysCache(2)
    cache[0] = slot(2)
    return cache


rows = st.integers(1, 3)
operations = st.one_of(
    st.tuples(st.just("set"), st.integers(0, 1), st.integers(0, 9)),
    st.tuples(st.just("filter"), st.lists(rows.map(lambda n: n - 1), min_size=1, max_size=3)),
    st.tuples(st.just("extend"), st.booleans(), st.booleans()),
    st.tuples(st.just("prepare"), st.integers(0, 5)),
    st.just(("finalize",)),
    st.tuples(st.just("advance"), st.integers(0, 3)),
    st.tuples(st.just("mask"), st.integers(0, 5)),
    st.just(("extract",)),
)


def extend(cache, writes):
    other = type(cache)(2, left_padding=[3])
    for i, write in enumerate(writes):
        if write:
            other[i] = slot(1, start=70)
    cache.extend(other)


def extract_last(cache):
    if all(array is not None for array in cache.cache):  # else mlx-lm cannot
        return cache.extract(cache.batch_size - 1).cache
    return None


PLAY = {
    "set": lambda cache, i, start: cache.__setitem__(i, slot(cache.batch_size, start=start)),
    "filter": lambda cache, kept: cache.filter(mx.array([i % cache.batch_size for i in kept])),
    "extend": lambda cache, *writes: extend(cache, writes),
    "prepare": lambda cache, n: cache.prepare(lengths=[n + i for i in range(cache.batch_size)]),
    "finalize": lambda cache: cache.finalize(),
    "advance": lambda cache, N: cache.advance(N),
    "mask": lambda cache, N: cache.make_mask(N),
    "extract": extract_last,
}


def play(make, script):
    """Play a script, yielding the cache after each step and what the step returned."""
    cache = make(2, left_padding=[1, 0, 2])
    for name, *args in script:
        yield cache, PLAY[name](cache, *args)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(script=st.lists(operations, max_size=12))
def test_it_does_what_mlx_lm_does(script, reference, bits):
    both = zip(play(kvimpl.ArraysCache, script), play(reference.ArraysCache, script), strict=True)
    for (ours, mine), (theirs, reference_s) in both:
        assert bits(mine) == bits(reference_s)
        for name in ("cache", "left_padding", "lengths", "batch_size", "nbytes"):
            assert bits(getattr(ours, name)) == bits(getattr(theirs, name)), name
        assert (ours.empty(), ours.is_trimmable(), ours.size()) == (
            theirs.empty(), theirs.is_trimmable(), theirs.size()
        )  # fmt: skip


@pytest.mark.parametrize("written", [[0, 1, 2], [0, 2], []])
def test_merging_does_what_mlx_lm_does(written, reference, bits):
    merged = []
    for module in (kvimpl, reference):
        caches = [module.ArraysCache(2) for _ in range(3)]
        for i in written:
            caches[i][0] = slot(1, dtype=mx.float16 if i == 0 else mx.float32, start=i)
            caches[i][1] = slot(1, width=4, start=10 * i)
        cache = module.ArraysCache.merge(caches)
        merged.append(bits([cache.cache, cache.left_padding, cache.lengths]))
    assert merged[0] == merged[1]


def test_an_unwritten_slot_stays_so_when_a_row_is_extracted(bits):
    row = half_written().extract(1)
    assert bits(row.cache) == bits([slot(2)[1:2], None])


def test_an_unwritten_slot_stays_so_when_caches_are_merged(bits):
    caches = [half_written().extract(i) for i in range(2)]
    assert bits(kvimpl.ArraysCache.merge(caches).cache) == bits(half_written().cache)


def test_merging_loses_no_slot_behind_an_unwritten_first(bits):
    """mlx-lm takes a cache whose first slot is unwritten for empty."""
    cache = kvimpl.ArraysCache(2)
    cache[1] = slot(1)
    merged = kvimpl.ArraysCache.merge([cache, kvimpl.ArraysCache(2)])
    assert merged[0] is None
    assert merged[1].tolist() == [[0, 1], [0, 0]]


@pytest.mark.parametrize("make", [three_rows, half_written, lambda: kvimpl.ArraysCache(3)])
@pytest.mark.parametrize("name", ["ArraysCache", "MambaCache"])
def test_everything_comes_back(name, make, snapshot):
    cache = make()
    assert snapshot(kvimpl.from_state(name, cache.state, cache.meta_state)) == snapshot(cache)


def test_what_mlx_lm_wrote_has_no_metadata(bits):
    cache = kvimpl.ArraysCache(2)
    cache.cache = [slot(2), slot(2, width=5)]
    assert cache.meta_state == []
    assert bits(kvimpl.from_state("ArraysCache", cache.state, "").cache) == bits(cache.cache)


@pytest.mark.parametrize(
    ("meta", "error"),
    [
        (["2"], kvimpl.LengthMismatchError),
        (["3", "", ""], kvimpl.LengthMismatchError),
        (["2", "1,0", ""], kvimpl.LengthMismatchError),
        (["2", "", "4,3,5,6"], kvimpl.LengthMismatchError),
        (["two", "", ""], kvimpl.MetaParseError),
        (["2", "1,,2", ""], kvimpl.MetaParseError),
        (["2", "1,0,2147483648", ""], kvimpl.OutOfRangeError),
        ([str(2**60), "", ""], kvimpl.CapExceededError),
    ],
)
def test_hostile_metadata_is_refused(meta, error, snapshot):
    cache = three_rows()
    before = snapshot(cache)
    with pytest.raises(error):
        cache.set_meta_state(meta)
    assert snapshot(cache) == before


def test_a_hostile_count_is_refused_before_any_slot_is_made():
    with pytest.raises(kvimpl.CapExceededError) as caught:
        kvimpl.from_state("ArraysCache", [], [str(2**60), "", ""])
    assert (caught.value.cap, caught.value.observed) == (4096, 2**60)


REFUSED = [
    (lambda cache: cache.filter([3]), kvimpl.OutOfRangeError),
    (lambda cache: cache.filter([0, -4]), kvimpl.OutOfRangeError),
    (lambda cache: cache.filter([[0]]), kvimpl.RankMismatchError),
    (lambda cache: cache.filter([0.5]), kvimpl.DtypeMismatchError),
    (lambda cache: cache.extend(kvimpl.ArraysCache(1)), kvimpl.LengthMismatchError),
    (lambda cache: cache.extend(half_written_wider()), kvimpl.ShapePairMismatchError),
    (lambda cache: cache.extract(3), kvimpl.OutOfRangeError),
    (lambda cache: cache.extract(-1), kvimpl.OutOfRangeError),
    (lambda cache: cache.prepare(lengths=[1, 2]), kvimpl.LengthMismatchError),
    (lambda cache: cache.prepare(lengths=[1.0, 2.0, 3.0]), kvimpl.DtypeMismatchError),
    (lambda cache: cache.advance(-1), kvimpl.OutOfRangeError),
    (lambda cache: cache.advance(2**31), kvimpl.ArithmeticOverflowError),
    (lambda cache: cache.advance(2**63), kvimpl.ArithmeticOverflowError),
    (lambda cache: cache.make_mask(-1), kvimpl.OutOfRangeError),
    (lambda cache: cache.make_mask(2**24 + 1), kvimpl.OutOfRangeError),
    (lambda cache: setattr(cache, "state", [mx.array(1)]), kvimpl.RankMismatchError),
    (lambda cache: cache.__setitem__(0, mx.array(1)), kvimpl.RankMismatchError),
]


def half_written_wider():
    cache = kvimpl.ArraysCache(2)
    cache[1] = slot(1, width=6)
    return cache


@pytest.mark.parametrize(("refused", "error"), REFUSED)
def test_a_refused_operation_changes_nothing(refused, error, snapshot):
    cache = three_rows()
    before = snapshot(cache)
    with pytest.raises(error):
        refused(cache)
    assert snapshot(cache) == before


@pytest.mark.parametrize(
    ("caches", "error"),
    [
        ([], kvimpl.OutOfRangeError),
        ([kvimpl.ArraysCache(1), kvimpl.ArraysCache(2)], kvimpl.LengthMismatchError),
        ([half_written(), half_written()], kvimpl.ShapePairMismatchError),
    ],
)
def test_what_cannot_be_merged_is_refused(caches, error):
    with pytest.raises(error):
        kvimpl.ArraysCache.merge(caches)


@pytest.mark.parametrize(
    ("size", "error"), [(-1, kvimpl.OutOfRangeError), (4097, kvimpl.CapExceededError)]
)
def test_a_number_of_slots_has_bounds(size, error):
    with pytest.raises(error):
        kvimpl.ArraysCache(size)


def test_preparing_without_lengths_keeps_those_there_are(bits):
    cache = three_rows()
    cache.prepare(right_padding=[0, 1, 0])
    assert cache.lengths.tolist() == [4, 3, 5]


def test_an_unwritten_cache_is_prepared_for_as_many_rows_as_there_are_lengths():
    cache = kvimpl.ArraysCache(2)
    cache.prepare(lengths=[1, 2, 3])
    assert cache.batch_size == 3


def test_slots_are_shared_in_neither_direction(bits, snapshot):
    given = slot(3)
    cache = three_rows()
    cache[0] = given
    before = snapshot(cache)
    given[:] = 99
    cache[0][:] = 99
    cache.state[1][:] = 99
    assert snapshot(cache) == before
    padding = cache.left_padding
    held = bits(padding)
    cache.advance(2)
    assert bits(padding) == held


def test_advancing_grows_no_graph_although_nobody_looks():
    cache = three_rows()
    for _ in range(3):
        cache.advance(1)
    dot = io.StringIO()
    mx.export_to_dot(dot, cache.lengths, cache.left_padding)
    assert "->" not in dot.getvalue()


def test_a_model_may_unpack_the_slots(bits):
    first, second = three_rows()
    assert bits([first, second]) == bits(three_rows().cache)


def test_filtering_to_no_rows_leaves_none():
    cache = three_rows()
    cache.filter([])
    assert cache[1].shape == (0, 5)


def test_padding_and_lengths_never_wrap():
    cache = kvimpl.ArraysCache(1, left_padding=[1, 2])
    cache.prepare(lengths=[3, 4])
    cache.advance(2**31 - 1)
    with pytest.raises(kvimpl.ArithmeticOverflowError) as caught:
        cache.advance(3)
    assert caught.value.operands == (("least", 2 - 2**31), ("-N", -3))
    cache.advance(2)
    assert cache.left_padding.tolist() == [-(2**31), 1 - 2**31]
    with pytest.raises(kvimpl.ArithmeticOverflowError):
        cache.advance(1)


def test_new_padding_is_looked_at_anew():
    cache = kvimpl.ArraysCache(1, left_padding=[5])
    cache.advance(1)
    cache.left_padding = mx.array([-(2**31)])
    with pytest.raises(kvimpl.ArithmeticOverflowError):
        cache.advance(1)
    assert cache.left_padding.tolist() == [-(2**31)]


def test_without_padding_and_lengths_there_is_nothing_to_overflow():
    kvimpl.ArraysCache(1).advance(2**63)


def shape_and_numbers(array):
    """What a slot holds, so that it can be compared."""
    return array if array is None else (array.shape, array.tolist())


@pytest.mark.parametrize("idx", [0, -1, slice(0, 2), slice(None), slice(1, None), slice(3, 0, -2)])
def test_slots_are_read_as_the_reference_reads_them(reference, idx):
    def read(module):
        cache = module.ArraysCache(3)
        cache[0], cache[-1] = slot(2), slot(2, start=9)
        found = cache[idx]
        return (
            [shape_and_numbers(one) for one in found]
            if isinstance(found, list)
            else shape_and_numbers(found)
        )

    assert read(kvimpl) == read(reference)


@pytest.mark.parametrize("idx", [slice(0, 2), slice(None), slice(1, 1), slice(0, 3, 2)])
@pytest.mark.parametrize("written", [[slot(2), None], [slot(2)], []])
def test_slices_of_slots_are_written_as_the_reference_writes_them(reference, idx, written):
    def play(module):
        cache = module.ArraysCache(3)
        held = cache.cache
        cache[1] = slot(2, start=4)
        try:
            cache[idx] = written
        except ValueError:  # a slice with a step takes as many as it names
            return "refused", [shape_and_numbers(one) for one in cache.cache]
        return held is cache.cache, [shape_and_numbers(one) for one in cache.cache]

    assert play(kvimpl) == play(reference)


def test_a_slice_that_is_refused_changes_no_slot():
    cache = three_rows()
    before = list(cache.cache)
    with pytest.raises(kvimpl.RankMismatchError):
        cache[0:2] = [slot(3), mx.array(1)]
    with pytest.raises(kvimpl.CapExceededError):
        cache[0:1] = [None] * 4097
    with pytest.raises(TypeError):
        cache[0:2] = None
    assert list(map(id, cache.cache)) == list(map(id, before))
