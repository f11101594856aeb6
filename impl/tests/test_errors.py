"""Errors carry their facts, read as a sentence, and survive copying and pickling."""

import copy
import pickle

import mlx.core as mx
import pytest

import kvimpl

EXAMPLES = [
    kvimpl.RankMismatchError("KVCache.update_and_fetch: keys", 2, (1, 2)),
    kvimpl.ShapePairMismatchError("KVCache.update_and_fetch: keys", (1, 1, 1, 1), (2, 1, 1, 1)),
    kvimpl.LengthMismatchError("KVCache.set_meta_state", 0, 3),
    kvimpl.OutOfRangeError("KVCache.trim: n", "must not be negative", -1),
    kvimpl.ArithmeticOverflowError("create_causal_mask", "usize", (("offset", 9), ("N", 2))),
    kvimpl.InvariantViolationError("RotatingKVCache.to_quantized", "is not defined"),
    kvimpl.MetaParseError("RotatingKVCache.set_meta_state", "offset"),
    kvimpl.UnknownKindError("from_state", "KVCash", ("KVCache",)),
    kvimpl.CapExceededError("from_state", "slots", 4096, 2**60),
    kvimpl.DtypeMismatchError("BatchKVCache: left_padding", "int32", "float32"),
    kvimpl.MissingKeyError("LRUPromptCache.insert_cache", "robot"),
    kvimpl.LayerError(
        "load_prompt_cache", 3, kvimpl.MetaParseError("RotatingKVCache.set_meta_state", "keep")
    ),
]


def pickled(error):
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - bytes of our own making


ids = [type(error).__name__ for error in EXAMPLES]


@pytest.mark.parametrize("error", EXAMPLES, ids=ids)
@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, pickled])
def test_an_error_survives_copying(error, twin):
    other = twin(error)
    assert type(other) is type(error)
    assert str(other) == str(error)


@pytest.mark.parametrize("error", EXAMPLES, ids=ids)
def test_an_error_is_a_value_error_that_says_where(error):
    assert isinstance(error, ValueError)
    assert isinstance(error, kvimpl.CacheError)
    assert str(error).startswith(error.context + ": ")


def test_the_inner_error_of_a_layer_is_told():
    assert str(EXAMPLES[-1]) == (
        "load_prompt_cache: layer 3: RotatingKVCache.set_meta_state: keep cannot be read"
    )


def facts(error):
    return {name: value for name, value in vars(error).items() if name != "context"}


def made(kind, paint):
    if kind == "RotatingKVCache":
        return kvimpl.RotatingKVCache(8, keep=4)
    return getattr(kvimpl, kind)()


KINDS = ["KVCache", "ConcatenateKVCache", "RotatingKVCache"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("S", [1, 2])
@pytest.mark.parametrize("held", [0, 1])
@pytest.mark.parametrize("bad", ["keys", "values"])
def test_two_dimensional_input_is_a_rank_mismatch(kind, S, held, bad, paint):
    cache = made(kind, paint)
    for token in range(held):
        cache.update_and_fetch(*paint([token]))
    given = dict(zip(("keys", "values"), paint(range(S)), strict=True))
    given[bad] = mx.array([[1.0, 2.0]])
    with pytest.raises(kvimpl.RankMismatchError, match=bad) as caught:
        cache.update_and_fetch(**given)
    assert facts(caught.value) == {"actual": 2, "actual_shape": (1, 2)}


def test_with_both_of_wrong_rank_keys_are_named(paint):
    with pytest.raises(kvimpl.RankMismatchError, match="keys"):
        kvimpl.KVCache().update_and_fetch(mx.zeros((1, 2)), mx.zeros((1, 2, 3)))


@pytest.mark.parametrize("kind", KINDS)
def test_keys_and_values_of_different_length_do_not_pair(kind, paint):
    cache = made(kind, paint)
    keys, values = paint([1, 2])[0], paint([1])[1]
    with pytest.raises(kvimpl.ShapePairMismatchError) as caught:
        cache.update_and_fetch(keys, values)
    assert facts(caught.value) == {"expected": (1, 1, 2, 1), "actual": (1, 1, 1, 1)}


@pytest.mark.parametrize("kind", ["ConcatenateKVCache", "RotatingKVCache"])
@pytest.mark.parametrize("geometry", [{"B": 2}, {"H": 3}])
def test_what_is_stored_as_given_must_pair(kind, geometry, paint):
    keys, values = paint([1, 2])[0], paint([1, 2], **geometry)[1]
    with pytest.raises(kvimpl.ShapePairMismatchError) as caught:
        made(kind, paint).update_and_fetch(keys, values)
    assert facts(caught.value) == {"expected": (1, 1, 2, 1), "actual": values.shape}


@pytest.mark.parametrize("axis", ["B", "H", "D"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("S", [1, 2])
def test_a_write_that_cannot_broadcast_names_the_slice_and_the_update(kind, S, axis, paint):
    cache = made(kind, paint)
    cache.update_and_fetch(*paint([0, 1], B=2, H=2, D=2))
    bad = paint(range(S), **{"B": 2, "H": 2, "D": 2, axis: 3})
    with pytest.raises(kvimpl.ShapePairMismatchError, match="keys") as caught:
        cache.update_and_fetch(*bad)
    assert facts(caught.value) == {"expected": (2, 2, S, 2), "actual": bad[0].shape}


@pytest.mark.parametrize("S", [1, 2])
def test_an_offset_that_would_pass_64_bits_overflows(S, paint):
    cache = kvimpl.RotatingKVCache(8, keep=4)
    cache.update_and_fetch(*paint([0]))
    cache.set_meta_state(["4", "8", str(2**64 - 1), "1"])
    with pytest.raises(kvimpl.ArithmeticOverflowError) as caught:
        cache.update_and_fetch(*paint(range(S)))
    assert facts(caught.value) == {
        "op_type": "usize",
        "operands": (("offset", 2**64 - 1), ("S", S)),
    }


def test_rank_is_checked_before_overflow_and_overflow_before_pairing(paint):
    cache = kvimpl.RotatingKVCache(8)
    cache.update_and_fetch(*paint([0]))
    cache.set_meta_state(["0", "8", str(2**64 - 1), "1"])
    keys, values = paint([1])[0], paint([1, 2])[1]
    with pytest.raises(kvimpl.RankMismatchError):
        cache.update_and_fetch(keys, values[0])
    with pytest.raises(kvimpl.ArithmeticOverflowError):
        cache.update_and_fetch(keys, values)


@pytest.mark.parametrize("kind", KINDS)
def test_a_negative_trim_is_out_of_range(kind, paint):
    with pytest.raises(kvimpl.OutOfRangeError) as caught:
        made(kind, paint).trim(-1)
    assert facts(caught.value) == {"requirement": "must not be negative", "value": -1}


@pytest.mark.parametrize(("max_size", "keep", "value"), [(0, 0, 0), (4, 4, 4), (4, -1, -1)])
def test_a_window_without_room_is_out_of_range(max_size, keep, value):
    with pytest.raises(kvimpl.OutOfRangeError) as caught:
        kvimpl.RotatingKVCache(max_size, keep=keep)
    assert caught.value.value == value


def test_a_ring_is_not_quantized(paint):
    with pytest.raises(kvimpl.InvariantViolationError, match=r"RotatingKVCache\.to_quantized"):
        made("RotatingKVCache", paint).to_quantized()


@pytest.mark.parametrize("kind", ["KVCache", "RotatingKVCache"])
def test_an_empty_cache_has_no_keys_and_values(kind, paint):
    with pytest.raises(kvimpl.InvariantViolationError):
        made(kind, paint).keys_and_values()
