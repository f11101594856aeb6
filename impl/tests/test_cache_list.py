"""Lists of caches: every operation in all of them or in none, nested, restored, bounded."""

import mlx.core as mx
import pytest

import kvimpl


def pair(paint, tokens=3):
    standard, ring = kvimpl.KVCache(), kvimpl.RotatingKVCache(4, keep=1)
    for token in range(tokens):
        standard.update_and_fetch(*paint([token]))
        ring.update_and_fetch(*paint([token]))
    return kvimpl.CacheList(standard, ring)


def arrays(*rows):
    caches = []
    for n in rows:
        cache = kvimpl.ArraysCache(1)
        cache[0] = mx.arange(n * 2).reshape(n, 2)
        caches.append(cache)
    return kvimpl.CacheList(*caches)


@pytest.fixture
def see(snapshot):
    """Everything that the caches in a list remember, nested lists included."""

    def see(cache):
        return [see(c) if isinstance(c, kvimpl.CacheList) else snapshot(c) for c in cache.caches]

    return see


def test_it_does_what_mlx_lm_does(paint, reference, bits):
    seen = []
    for module in (kvimpl, reference):
        cache = module.CacheList(module.KVCache(), module.RotatingKVCache(8))
        trace = [cache.empty(), cache.is_trimmable()]
        for child, S in zip(cache.caches, (5, 3), strict=True):
            child.update_and_fetch(*paint(range(S)))
        trace += [cache.size(), cache.empty(), cache.is_trimmable(), cache.trim(4)]
        trace += [child.offset for child in cache.caches]
        trace += [bits(child.keys) for child in (cache[0], cache[1])]
        seen.append(trace)
    assert seen[0] == seen[1]


def test_rows_go_in_and_out_as_in_mlx_lm(reference, bits):
    seen = []
    for module in (kvimpl, reference):
        lists = []
        for start in (0, 10):
            caches = [module.ArraysCache(1), module.ArraysCache(2)]
            for cache in caches:
                for i in range(len(cache.cache)):
                    cache[i] = mx.arange(2).reshape(1, 2) + start
            lists.append(module.CacheList(*caches))
        merged = module.CacheList.merge(lists)
        merged.prepare(lengths=[2, 3])
        merged.extend(module.CacheList.merge(lists))
        merged.filter(mx.array([3, 0]))
        trace = [[cache.cache, cache.lengths] for cache in merged.caches]
        merged.finalize()
        trace += [cache.lengths for cache in merged.caches]
        seen.append(bits([trace, [cache.cache for cache in merged.extract(1).caches]]))
    assert seen[0] == seen[1]


def test_a_list_with_a_cache_that_cannot_be_trimmed_stays_as_it_is(paint, see):
    cache = pair(paint, tokens=6)
    before = see(cache)
    assert cache.trim(2) == 0
    assert see(cache) == before


def test_a_negative_trim_is_refused(paint, see):
    cache = pair(paint)
    before = see(cache)
    with pytest.raises(kvimpl.OutOfRangeError):
        cache.trim(-1)
    assert see(cache) == before


def set_state(cache):
    cache.state = [[], [mx.zeros((1, 1))]]


REFUSED_BY_THE_SECOND = [
    (lambda: arrays(3, 2), lambda cache: cache.filter([2])),
    (lambda: arrays(2, 2), lambda cache: cache.extend(kvimpl.CacheList(*arrays(1), wide()))),
    (lambda: arrays(2, 3), lambda cache: cache.prepare(lengths=[1, 2])),
    (
        lambda: kvimpl.CacheList(*arrays(2).caches, kvimpl.KVCache()),
        lambda cache: cache.filter([0]),
    ),
    (lambda: kvimpl.CacheList(*arrays(2).caches, kvimpl.KVCache()), lambda cache: cache.finalize()),
    (lambda: kvimpl.CacheList(kvimpl.KVCache(), kvimpl.KVCache()), set_state),
    (
        lambda: kvimpl.CacheList(kvimpl.RotatingKVCache(4), kvimpl.KVCache()),
        lambda cache: cache.set_meta_state([["", ""], [["1", "8", "0", "0"], ["1"]]]),
    ),
    (lambda: arrays(3, 2), lambda cache: cache.extract(2)),
]


def wide():
    cache = kvimpl.ArraysCache(1)
    cache[0] = mx.zeros((1, 9))
    return cache


@pytest.mark.parametrize(("make", "refused"), REFUSED_BY_THE_SECOND)
def test_what_one_cache_refuses_happens_in_none(make, refused, see):
    cache = make()
    before = see(cache)
    with pytest.raises(kvimpl.LayerError) as caught:
        refused(cache)
    assert caught.value.layer == 1
    assert isinstance(caught.value.inner, kvimpl.CacheError)
    assert see(cache) == before


def test_an_operation_keeps_every_object_that_others_may_hold():
    inner = arrays(2)
    cache = kvimpl.CacheList(inner, *arrays(2).caches)
    held = [inner, inner[0], cache[1]]
    cache.filter([1])
    assert [cache[0], cache[0][0], cache[1]] == held
    assert [c.batch_size for c in held[1:]] == [1, 1]


def test_extending_leaves_the_other_list_alone(see):
    cache, other = arrays(2), arrays(1)
    before = see(other)
    cache.extend(other)
    assert see(other) == before
    assert cache[0].batch_size == 3


@pytest.mark.parametrize(
    "refused",
    [
        lambda cache: cache.extend(arrays(1)),
        lambda cache: setattr(cache, "state", [[]]),
        lambda cache: cache.set_meta_state([[], [], []]),
        lambda cache: cache.set_meta_state([[], []]),
        lambda cache: kvimpl.CacheList.merge([cache, arrays(1)]),
        lambda cache: kvimpl.from_state("CacheList", [[], []], [["KVCache"], [[], []]]),
        lambda cache: kvimpl.from_state("CacheList", [[], []], [["KVCache", "KVCache"], [[]]]),
        lambda cache: kvimpl.from_state("CacheList", [[], []]),
    ],
)
def test_lists_of_different_length_do_not_go_together(refused):
    with pytest.raises(kvimpl.LengthMismatchError):
        refused(arrays(1, 1))


def test_no_lists_cannot_be_merged():
    with pytest.raises(kvimpl.OutOfRangeError):
        kvimpl.CacheList.merge([])


def test_a_nested_list_comes_back(paint, see):
    cache = kvimpl.CacheList(pair(paint), *arrays(2).caches)
    twin = kvimpl.from_state("CacheList", cache.state, cache.meta_state)
    assert see(twin) == see(kvimpl.CacheList(rebuilt(cache[0]), cache[1]))
    cache.state, cache.meta_state = twin.state, twin.meta_state
    assert see(cache) == see(twin)


def rebuilt(cache):
    """The same caches with the buffers that restoring gives them: rows held, no more."""
    return kvimpl.CacheList(
        *(kvimpl.from_state(type(c).__name__, c.state, c.meta_state) for c in cache.caches)
    )


def test_an_unknown_child_is_told_with_its_place():
    with pytest.raises(kvimpl.LayerError) as caught:
        kvimpl.from_state("CacheList", [[], []], [["KVCache", "KVCash"], [[], []]])
    assert caught.value.layer == 1
    assert isinstance(caught.value.inner, kvimpl.UnknownKindError)


def test_metadata_that_nests_thousands_of_lists_is_refused():
    state, meta = [], [[], []]
    for _ in range(5000):
        state, meta = [state], [["CacheList"], [meta]]
    with pytest.raises(kvimpl.CapExceededError) as caught:
        kvimpl.from_state("CacheList", state, meta)
    assert caught.value.cap == 32


def test_lists_nest_so_deep_and_no_deeper():
    cache = kvimpl.CacheList()
    for _ in range(31):
        cache = kvimpl.CacheList(cache)
    assert kvimpl.from_state("CacheList", cache.state, cache.meta_state).caches
    with pytest.raises(kvimpl.CapExceededError):
        kvimpl.CacheList(cache)


def test_a_state_of_thousands_of_caches_is_refused():
    with pytest.raises(kvimpl.CapExceededError):
        kvimpl.from_state("CacheList", [[]] * 5000, [["KVCache"] * 5000, [[]] * 5000])


def test_sizes_are_summed(paint):
    cache = pair(paint)
    assert cache.nbytes == cache[0].nbytes + cache[1].nbytes
    assert cache.allocated_nbytes == cache[0].allocated_nbytes + cache[1].allocated_nbytes


def test_an_empty_list_is_empty_and_trims_nothing():
    cache = kvimpl.CacheList()
    assert (cache.empty(), cache.size(), cache.trim(1)) == (True, 0, 0)


def test_a_copy_and_its_original_go_separate_ways(paint, see):
    cache = pair(paint)
    before = see(cache)
    twin = cache.copy()
    twin.trim(1)
    twin[0].update_and_fetch(*paint([9]))
    assert see(cache) == before


def test_a_cache_that_stands_twice_takes_part_twice(paint, reference):
    lists = []
    for module in (kvimpl, reference):
        shared = module.KVCache()
        shared.update_and_fetch(*paint([1, 2, 3, 4, 5]))
        lists.append(module.CacheList(shared, module.CacheList(shared)))
    assert [one.trim(2) for one in lists] == [2, 2]
    assert [one[0].offset for one in lists] == [1, 1]
    assert [one[1][0] is one[0] for one in lists] == [True, True]
