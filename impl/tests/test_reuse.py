"""The trie and the LRU: what mlx-lm's find and evict, and where mlx-lm's lose what was filed."""

import mlx.core as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvimpl

FIXED = settings(max_examples=150, deadline=None, derandomize=True)

prompts = st.lists(st.sampled_from("abc"), max_size=5)
# mlx-lm does not find a prompt of one token as the beginning of another: see below.
filed = st.lists(st.sampled_from("abc"), min_size=2, max_size=5)


@FIXED
@given(
    script=st.lists(
        st.one_of(
            st.tuples(st.just("add"), filed, st.integers(0, 9)),
            st.tuples(st.sampled_from(["get", "pop", "pop_prefixes"]), prompts),
            st.tuples(st.just("search"), prompts),
        ),
        max_size=20,
    )
)
def test_the_trie_answers_as_mlx_lm_does(script, reference):
    ours, theirs, held = kvimpl.PromptTrie(), reference.PromptTrie(), set()
    ours.add("m", "zz", 0)
    theirs.add("m", "zz", 0)
    for name, tokens, *value in script:
        asked = "".join(tokens)
        begun = any(prompt.startswith(asked) for prompt in held | {"zz"})
        if (name == "pop_prefixes" and not begun) or (name in ("get", "pop") and asked not in held):
            with pytest.raises(kvimpl.MissingKeyError):
                getattr(ours, name)("m", tokens)
            continue
        mine = getattr(ours, name)("m", tokens, *value)
        reference_s = getattr(theirs, name)("m", tokens, *value)
        if name == "search":
            mine, reference_s = vars(mine), vars(reference_s)
        assert mine == reference_s
        if name == "add":
            held.add("".join(tokens))
        elif name == "pop":
            held.remove("".join(tokens))
        elif name == "pop_prefixes":
            held -= {"".join(tokens[:length]) for length, _ in mine}


def filled(module, kind, tokens, paint):
    """One layer that holds a prompt: a standard cache, or a full ring, which cannot be trimmed."""
    cache = module.KVCache() if kind == "standard" else module.RotatingKVCache(2)
    cache.step = 2
    cache.update_and_fetch(*paint([ord(token) for token in tokens]))
    return [cache]


inserts = st.tuples(
    st.just("insert"),
    filed,
    st.sampled_from(["standard", "ring"]),
    st.sampled_from(["assistant", "user", "system"]),
)
limits = st.none() | st.integers(-1, 4)


@FIXED
@given(
    script=st.lists(
        st.one_of(
            inserts,
            inserts,
            st.tuples(st.just("fetch"), prompts),
            st.tuples(st.just("trim_to"), limits, limits.map(lambda n: n and 20 * n)),
        ),
        max_size=20,
    ),
    max_size=st.integers(0, 4),
    max_bytes=st.sampled_from([0, 40, 100, 1 << 63]),
)
def test_the_lru_answers_as_mlx_lm_does(script, max_size, max_bytes, reference, paint, bits):
    modules = kvimpl, reference
    lrus = [module.LRUPromptCache(max_size, max_bytes) for module in modules]
    for name, *args in script:
        results = []
        for lru, module in zip(lrus, modules, strict=True):
            result = None
            if name == "insert":
                tokens, kind, cache_type = args
                caches = filled(module, kind, tokens, paint)
                lru.insert_cache("m", tokens, caches, cache_type=cache_type)
            elif name == "trim_to":
                lru.trim_to(n_sequences=args[0], n_bytes=args[1])
            else:
                caches, rest = lru.fetch_nearest_cache("m", *args)
                result = [bits(cache.keys_and_values()) for cache in caches or ()], rest
            results.append((result, len(lru), lru.nbytes, lru.stats_by_type()))
        assert results[0] == results[1]


def lru_with(paint, *prompts):
    lru = kvimpl.LRUPromptCache()
    for prompt in prompts:
        lru.insert_cache("m", prompt, filled(kvimpl, "ring", prompt, paint))
    return lru


def test_a_prompt_of_one_token_is_the_beginning_of_another(paint):
    lru = kvimpl.LRUPromptCache()
    cache = kvimpl.KVCache()
    cache.update_and_fetch(*paint([97]))
    lru.insert_cache("m", ["a"], [cache])
    (found,), rest = lru.fetch_nearest_cache("m", ["a", "b"])
    assert (found.offset, rest) == (1, ["b"])


def test_any_token_can_be_filed_the_string_that_mlx_lm_marks_values_with_too():
    trie = kvimpl.PromptTrie()
    trie.add("m", ["a", "__value__"], 1)
    assert trie.add("m", ["a"], 2) is None
    assert (trie.get("m", ["a"]), trie.get("m", ["a", "__value__"])) == (2, 1)


def test_beginnings_of_a_prompt_that_is_not_there_stay():
    trie = kvimpl.PromptTrie()
    trie.add("m", [1], "one")
    with pytest.raises(kvimpl.MissingKeyError):
        trie.pop_prefixes("m", [1, 2])
    assert trie.search("m", [1]).exact == [1]


def test_none_is_a_value():
    trie = kvimpl.PromptTrie()
    trie.add("m", [1], None)
    assert trie.search("m", [1]).exact == [1]


def test_a_prompt_filed_as_a_tuple_is_that_of_the_list(paint):
    lru = lru_with(paint, ["a", "b"], ("a", "b"))
    assert len(lru) == 1
    lru.trim_to(n_sequences=0)
    assert (len(lru), lru.nbytes) == (0, 0)


def test_an_unknown_type_is_refused_before_anything_is_counted(paint):
    lru = lru_with(paint, "ab")
    before = len(lru), lru.nbytes, lru.stats_by_type()
    with pytest.raises(kvimpl.MissingKeyError) as caught:
        lru.insert_cache("m", "cd", filled(kvimpl, "ring", "cd", paint), cache_type="tool")
    assert caught.value.key == "tool"
    assert (len(lru), lru.nbytes, lru.stats_by_type()) == before
    assert lru.fetch_nearest_cache("m", "cd") == (None, "cd")


def test_a_prompt_with_a_token_that_cannot_be_hashed_is_refused_whole(paint):
    lru = lru_with(paint, "ab")
    before = len(lru), lru.nbytes, lru.stats_by_type()
    with pytest.raises(TypeError):
        lru.insert_cache("m", ["a", []], filled(kvimpl, "ring", "ab", paint))
    assert (len(lru), lru.nbytes, lru.stats_by_type()) == before
    assert lru.fetch_nearest_cache("m", "ac")[0] is None


@pytest.mark.parametrize("limits", [{"max_size": -1}, {"max_bytes": -1}])
def test_a_negative_limit_is_refused(limits):
    with pytest.raises(kvimpl.OutOfRangeError):
        kvimpl.LRUPromptCache(**limits)


def test_a_chunk_that_has_slid_cannot_stand_for_an_earlier_beginning(paint):
    """mlx-lm trims what it can, and hands out a cache whose tokens are not the prompt's."""
    cache = kvimpl.ChunkedKVCache(2)
    cache.update_and_fetch(*paint(range(6)))
    cache.maybe_trim_front()
    lru = kvimpl.LRUPromptCache()
    lru.insert_cache("m", list(range(6)), [kvimpl.CacheList(cache)])
    assert lru.fetch_nearest_cache("m", [0, 1, 9]) == (None, [0, 1, 9])
    assert lru.fetch_nearest_cache("m", [0, 1, 2, 3, 4, 9])[1] == [9]


def test_what_was_fetched_shares_nothing_with_what_is_held(paint, snapshot):
    lru = lru_with(paint, "ab")
    (held,), _ = lru.fetch_nearest_cache("m", "ab")
    before = snapshot(held)
    (other,), _ = lru.fetch_nearest_cache("m", "ab")
    other.keys[:] = 99
    other.update_and_fetch(*paint([7]))
    (again,), _ = lru.fetch_nearest_cache("m", "ab")
    assert snapshot(again) == before


def test_the_order_of_types_is_the_caller_s_to_choose():
    order = kvimpl.LRUPromptCache.CacheOrder(["only"])
    order.push("m", [1], "only")
    order.push("m", [2], "only")
    order.push("m", [1], "only")
    assert [order.pop(), order.pop()] == [("m", [2]), ("m", [1])]
    with pytest.raises(kvimpl.InvariantViolationError):
        order.pop()


def test_a_prompt_of_many_tokens_is_found_from_its_first():
    trie = kvimpl.PromptTrie()
    tokens = list(range(100_000))
    trie.add("m", tokens, mx.array(1))
    assert trie.search("m", [0]).longer == tokens
