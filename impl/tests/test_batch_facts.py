"""What batches promise beyond mlx-lm's: refusals, restored state, no aliasing, and no lost tokens.

The tests whose docstring names mlx-lm are of sequences where its caches lose tokens, mix rows, or
cannot go on.
"""

import mlx.core as mx
import pytest

import kvimpl

WINDOW = 4


def standard(*padding):
    return kvimpl.BatchKVCache(list(padding))


def rotating(*padding):
    return kvimpl.BatchRotatingKVCache(WINDOW, list(padding))


BOTH = pytest.mark.parametrize("new", [standard, rotating])


def filled(new, paint, *sizes, padding=(1, 0), **geometry):
    cache = new(*padding)
    cache.step = 2
    token = 1
    for S in sizes:
        cache.update_and_fetch(*paint(range(token, token + S), B=len(padding), **geometry))
        token += S
    return cache


def single(kind, paint, tokens, *args, **geometry):
    cache = kind(*args)
    if tokens:
        cache.update_and_fetch(*paint(tokens, **geometry))
    return cache


def whole(array):
    """Read the token ids of keys of one row, head and lane."""
    return [int(x) for x in array.reshape(-1).tolist()]


# Refused, and nothing changed


@BOTH
@pytest.mark.parametrize(
    ("padding", "error"),
    [
        ([0.5], kvimpl.DtypeMismatchError),
        ([True], kvimpl.DtypeMismatchError),
        ([2**31], kvimpl.DtypeMismatchError),
        (mx.array([1], mx.int64), kvimpl.DtypeMismatchError),
        ([[1]], kvimpl.RankMismatchError),
        (mx.array(1), kvimpl.RankMismatchError),
        ([-1], kvimpl.OutOfRangeError),
    ],
)
def test_padding_that_is_not_counts_is_refused(new, padding, error):
    with pytest.raises(error):
        kvimpl.BatchKVCache(padding)
    cache = new(0)
    with pytest.raises(error):
        cache.prepare(left_padding=padding)
    with pytest.raises(error):
        cache.prepare(lengths=[1], right_padding=padding)


def test_a_window_of_nothing_is_refused():
    with pytest.raises(kvimpl.OutOfRangeError):
        kvimpl.BatchRotatingKVCache(0, [0])


REFUSED = [
    (lambda cache, _: cache.prepare(left_padding=[1, 1]), kvimpl.InvariantViolationError),
    (lambda cache, _: cache.prepare(right_padding=[1]), kvimpl.LengthMismatchError),
    (lambda cache, _: cache.filter([0, 2]), kvimpl.OutOfRangeError),
    (lambda cache, _: cache.filter([-3]), kvimpl.OutOfRangeError),
    (lambda cache, _: cache.filter([0.0]), kvimpl.DtypeMismatchError),
    (lambda cache, _: cache.extract(2), kvimpl.OutOfRangeError),
    (lambda cache, _: cache.extract(-1), kvimpl.OutOfRangeError),
    (lambda cache, _: cache.extend(kvimpl.KVCache()), kvimpl.InvariantViolationError),
    (lambda cache, _: cache.trim(-1), kvimpl.OutOfRangeError),
    (lambda cache, _: cache.make_mask(-1), kvimpl.OutOfRangeError),
    (lambda cache, _: cache.make_mask(2**24 + 1), kvimpl.OutOfRangeError),
    (lambda cache, paint: cache.update_and_fetch(*paint([1], B=3)), kvimpl.ShapePairMismatchError),
    (lambda cache, paint: cache.update_and_fetch(*paint([1, 2], B=3)), kvimpl.CacheError),
    (lambda cache, paint: cache.update_and_fetch(*paint([1, 2], B=2, H=3)), kvimpl.CacheError),
    (lambda cache, _: setattr(cache, "state", [mx.zeros((2, 1, 3, 1))] * 2), kvimpl.CacheError),
    (lambda cache, _: cache.set_meta_state(["1"]), kvimpl.LengthMismatchError),
]


@BOTH
@pytest.mark.parametrize(("operation", "error"), REFUSED)
def test_a_refused_operation_changes_nothing(new, operation, error, paint, snapshot):
    for sizes in ((3, 1), (3, 1, 1, 1), (6,)):
        cache = filled(new, paint, *sizes)
        before = snapshot(cache)
        with pytest.raises(error):
            operation(cache, paint)
        assert snapshot(cache) == before


@BOTH
@pytest.mark.parametrize("geometry", [{"H": 2}, {"D": 2, "Dv": 1}, {"D": 1, "Dv": 2}])
def test_rows_of_other_heads_or_dims_are_refused(new, geometry, paint, snapshot):
    cache, other = filled(new, paint, 3), filled(new, paint, 5, **geometry)
    before = snapshot(cache), snapshot(other)
    with pytest.raises(kvimpl.ShapePairMismatchError):
        cache.extend(other)
    assert (snapshot(cache), snapshot(other)) == before


def test_rows_of_another_window_are_refused(paint):
    with pytest.raises(kvimpl.InvariantViolationError):
        filled(rotating, paint, 3).extend(kvimpl.BatchRotatingKVCache(5, [0]))


def test_quantizing_a_ring_is_refused(paint):
    with pytest.raises(kvimpl.InvariantViolationError):
        rotating(0).to_quantized()


def test_right_padding_of_a_ring_needs_lengths():
    with pytest.raises(kvimpl.InvariantViolationError):
        rotating(0).prepare(right_padding=[1])


def test_a_single_token_before_finalize_is_refused_by_a_ring(paint, snapshot):
    cache = filled(rotating, paint, 3)
    cache.prepare(lengths=[1, 2], right_padding=[1, 0])
    before = snapshot(cache)
    with pytest.raises(kvimpl.InvariantViolationError):
        cache.update_and_fetch(*paint([9], B=2))
    assert snapshot(cache) == before


@BOTH
def test_finalize_without_the_announced_prompt_is_refused(new):
    cache = new(0, 0)
    cache.prepare(lengths=[1, 2], right_padding=[1, 0])
    with pytest.raises(kvimpl.InvariantViolationError):
        cache.finalize()


@BOTH
def test_a_row_is_not_extracted_before_finalize(new, paint):
    """mlx-lm gives the padding behind the row's tokens as tokens."""
    cache = new(0, 0)
    cache.prepare(lengths=[1, 2], right_padding=[1, 0])
    cache.update_and_fetch(*paint([1, 2], B=2))
    with pytest.raises(kvimpl.InvariantViolationError):
        cache.extract(0)
    cache.finalize()
    assert [whole(cache.extract(i).keys) for i in (0, 1)] == [[1], [1, 2]]


def test_a_full_ring_is_not_trimmed(paint, snapshot):
    """mlx-lm moves the cursor, and the next token overwrites one that is still in the window."""
    cache = filled(rotating, paint, 3, 1, 1)
    before = snapshot(cache)
    assert cache.trim(1) == 0
    assert snapshot(cache) == before


MERGES = [
    (kvimpl.BatchKVCache, lambda paint: [], kvimpl.OutOfRangeError),
    (kvimpl.BatchRotatingKVCache, lambda paint: [], kvimpl.OutOfRangeError),
    (
        kvimpl.BatchKVCache,
        lambda paint: [single(kvimpl.KVCache, paint, [1]), kvimpl.ArraysCache(1)],
        kvimpl.InvariantViolationError,
    ),
    (
        kvimpl.BatchKVCache,
        lambda paint: [single(kvimpl.ConcatenateKVCache, paint, [1])],
        kvimpl.InvariantViolationError,
    ),
    (
        kvimpl.BatchKVCache,
        lambda paint: [single(kvimpl.KVCache, paint, [1], H=h) for h in (1, 2)],
        kvimpl.ShapePairMismatchError,
    ),
    (
        kvimpl.BatchKVCache,
        lambda paint: [single(kvimpl.KVCache, paint, [1], B=2)],
        kvimpl.ShapePairMismatchError,
    ),
    (
        kvimpl.BatchRotatingKVCache,
        lambda paint: [kvimpl.RotatingKVCache(4), kvimpl.RotatingKVCache(5)],
        kvimpl.InvariantViolationError,
    ),
    (
        kvimpl.BatchRotatingKVCache,
        lambda paint: [kvimpl.RotatingKVCache(4), kvimpl.KVCache()],
        kvimpl.InvariantViolationError,
    ),
    (
        kvimpl.BatchRotatingKVCache,
        lambda paint: [kvimpl.KVCache(), kvimpl.RotatingKVCache(4)],
        kvimpl.InvariantViolationError,
    ),
]


@pytest.mark.parametrize(("kind", "members", "error"), MERGES)
def test_unlike_caches_do_not_merge(kind, members, error, paint):
    with pytest.raises(error):
        kind.merge(members(paint))


def test_a_batch_pins_nothing_that_a_member_kept(paint):
    """mlx-lm's ``BatchGenerator`` merges rings that pin 4 tokens; so must we."""
    ring = kvimpl.RotatingKVCache(4, keep=2)
    for token in range(6):
        ring.update_and_fetch(*paint([token]))
    rows = kvimpl.BatchRotatingKVCache.merge([ring])
    assert whole(rows.keys) == [0, 1, 4, 5]
    assert whole(rows.update_and_fetch(*paint([6]))[0]) == [6, 1, 4, 5]


def test_a_ring_that_has_dropped_tokens_is_no_row_of_a_batch_that_keeps_all(paint):
    ring = single(kvimpl.RotatingKVCache, paint, range(1, 5), WINDOW)
    assert whole(kvimpl.KVCache.merge([ring]).keys) == [1, 2, 3, 4]
    ring.update_and_fetch(*paint([5]))
    with pytest.raises(kvimpl.InvariantViolationError):
        kvimpl.KVCache.merge([ring])


# Where mlx-lm loses tokens or cannot go on


@BOTH
def test_a_batch_of_no_rows_can_be_extended(new, paint):
    """mlx-lm refuses a list of no rows, and fails half way on an array of none."""
    cache, other = filled(new, paint, 3, 1, 1), filled(new, paint, 2)
    cache.filter([])
    assert (cache.empty(), cache.offset.tolist(), cache.size()) == (True, [], 0)
    cache.extend(other)
    assert whole(cache.extract(0).keys) == whole(other.extract(0).keys)


@BOTH
def test_filter_leaves_padding_that_is_still_to_come(new, paint):
    """mlx-lm's BatchKVCache moves its cursor to -1, and then cannot take the prompt."""
    cache = new(1, 2)
    cache.filter([0, 1])
    assert (cache.left_padding.tolist(), cache.offset.tolist(), cache._idx) == ([1, 2], [-1, -2], 0)
    cache.update_and_fetch(*paint([8, 8, 3], B=2))
    assert [len(whole(cache.extract(i).keys)) for i in (0, 1)] == [2, 1]


def test_filter_after_a_trim_into_the_padding_drops_what_is_there(paint):
    """mlx-lm's cursor goes below zero."""
    cache = filled(standard, paint, 4, padding=(2, 3))
    cache.trim(3)
    cache.filter([1, 0])
    assert (cache.left_padding.tolist(), cache._idx) == ([2, 1], 0)
    cache.update_and_fetch(*paint([8, 8, 3], B=2))
    assert [len(whole(cache.extract(i).keys)) for i in (0, 1)] == [1, 2]


@BOTH
def test_filter_between_prepare_and_finalize_keeps_each_row_s_announcement(new, paint):
    """mlx-lm keeps those of all rows, and finalize fails or turns the wrong rows."""
    cache = new(0, 0, 0)
    cache.prepare(lengths=[3, 1, 2], right_padding=[0, 2, 1])
    cache.update_and_fetch(*paint([1, 2, 3], B=3))
    cache.filter([2, 1])
    cache.finalize()
    assert [whole(cache.extract(i).keys) for i in (0, 1)] == [[1, 2], [1]]
    assert cache.left_padding.tolist() == [1, 2]


@BOTH
def test_extend_between_prepare_and_finalize_keeps_both_announcements(new, paint):
    """mlx-lm keeps one of them, and finalize fails."""
    caches = []
    for lengths, padding in (([1, 3], [2, 0]), ([3, 3], [0, 0]), ([2, 3], [1, 0])):
        cache = new(0, 0)
        cache.prepare(lengths=lengths, right_padding=padding)
        cache.update_and_fetch(*paint([1, 2, 3], B=2))
        caches.append(cache)
    first, *others = caches
    for other in others:
        first.extend(other)
    first.finalize()
    assert first.left_padding.tolist() == [2, 0, 0, 0, 1, 0]
    assert first.offset.tolist() == [1, 3, 3, 3, 2, 3]


@BOTH
def test_rows_without_an_announcement_are_not_turned(new, paint):
    cache = new(0, 0)
    cache.prepare(lengths=[1, 3], right_padding=[2, 0])
    cache.extend(new(2, 1))
    cache.update_and_fetch(*paint([1, 2, 3], B=4))
    cache.finalize()
    assert cache.left_padding.tolist() == [2, 0, 2, 1]
    assert [whole(cache.extract(i).keys) for i in range(4)] == [[1], [1, 2, 3], [3], [2, 3]]


def test_extend_leaves_the_other_as_it_is(paint, snapshot):
    """mlx-lm puts the other ring into the order of time."""
    cache, other = filled(rotating, paint, 2), filled(rotating, paint, 3, 1, 1)
    before = snapshot(other)
    cache.extend(other)
    assert snapshot(other) == before


@BOTH
def test_a_batch_extends_itself(new, paint, bits):
    cache = filled(new, paint, 3, 1, 1)
    cache.extend(cache)
    assert bits(cache.extract(0).keys) == bits(cache.extract(2).keys)


@BOTH
def test_a_row_of_an_empty_batch_is_an_empty_cache(new):
    """mlx-lm fails."""
    row = new(0, 2).extract(1)
    assert (row.empty(), row.offset) == (True, 0)


def test_a_row_that_is_still_padding_is_at_position_zero(paint):
    """mlx-lm's row is at -1, and its next token is lost."""
    cache = filled(rotating, paint, 1, padding=(2, 0))
    row = cache.extract(0)
    assert row.offset == 0
    assert whole(row.update_and_fetch(*paint([7]))[0]) == [7]


def test_a_ring_that_an_update_of_no_tokens_shortened_goes_on(paint):
    """mlx-lm asks for a block of a negative size."""
    cache = filled(rotating, paint, 3, 1, 1, padding=(0,))
    cache.update_and_fetch(*paint([], B=1))
    keys, _ = cache.update_and_fetch(*paint([9]))
    assert whole(keys) == [3, 4, 5, 9]


@pytest.mark.parametrize(
    ("kind", "args"), [(kvimpl.KVCache, ()), (kvimpl.RotatingKVCache, (WINDOW,))]
)
def test_rows_come_out_of_a_merge_as_they_went_in(kind, args, paint, bits):
    members = [single(kind, paint, range(n), *args) for n in (3, 1, 0, 2)]
    members[3].trim(1)
    batch = kind.merge(members)
    for i, member in enumerate(members):
        row = batch.extract(i)
        assert row.offset == member.offset
        if member.offset:
            assert bits(row.keys_and_values()) == bits(member.keys_and_values())


def test_a_wrapped_row_beside_a_short_one_comes_out_with_its_window(paint):
    wrapped = single(kvimpl.RotatingKVCache, paint, range(6), WINDOW)
    wrapped.update_and_fetch(*paint([6]))
    short = single(kvimpl.RotatingKVCache, paint, [20], WINDOW)
    batch = kvimpl.RotatingKVCache.merge([short, wrapped])
    batch.update_and_fetch(*paint([7], B=2))
    assert [whole(batch.extract(i).keys) for i in (0, 1)] == [[20, 7], [4, 5, 6, 7]]
    assert [batch.extract(i).offset for i in (0, 1)] == [2, 8]


# Restored


@BOTH
@pytest.mark.parametrize("sizes", [(), (3,), (3, 1), (3, 1, 1, 1), (6,)])
def test_a_restored_batch_goes_on(new, sizes, paint, bits):
    """mlx-lm's lacks attributes that update and finalize ask for."""
    cache = filled(new, paint, *sizes)
    twin = kvimpl.from_state(type(cache).__name__, cache.state, cache.meta_state)
    twin.step = cache.step
    for S in (1, 2, 1):
        cache.prepare(lengths=[S, S], right_padding=[0, 0])
        twin.prepare(lengths=[S, S], right_padding=[0, 0])
        twin.finalize()
        update = paint(range(50, 50 + S), B=2)
        assert bits(twin.update_and_fetch(*update)) == bits(cache.update_and_fetch(*update))
    assert bits([twin.offset, twin.left_padding]) == bits([cache.offset, cache.left_padding])
    assert bits(twin.make_mask(2)) == bits(cache.make_mask(2))


STATE = [mx.zeros((2, 1, 3, 1)), mx.zeros((2, 1, 3, 1)), mx.array([3, 2]), mx.array([0, 1])]
META = ["4", "3", "3", "False"]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({0: mx.zeros((2, 1, 3))}, kvimpl.RankMismatchError),
        ({1: mx.zeros((2, 1, 4, 1))}, kvimpl.ShapePairMismatchError),
        ({2: mx.array([3, 2, 1])}, kvimpl.LengthMismatchError),
        ({2: mx.array([3.0, 2.0])}, kvimpl.DtypeMismatchError),
        ({3: mx.array([[0, 1]])}, kvimpl.RankMismatchError),
    ],
)
@pytest.mark.parametrize(("kind", "meta"), [("BatchKVCache", []), ("BatchRotatingKVCache", META)])
def test_state_that_is_no_batch_is_refused(kind, meta, changed, error):
    with pytest.raises(error):
        kvimpl.from_state(kind, [changed.get(i, array) for i, array in enumerate(STATE)], meta)


@pytest.mark.parametrize(
    ("meta", "error"),
    [
        (["4", "3", "3"], kvimpl.LengthMismatchError),
        ([*META, "0"], kvimpl.LengthMismatchError),
        (["4", "3", "x", "False"], kvimpl.MetaParseError),
        (["4", "3", "3", "0"], kvimpl.MetaParseError),
        (["0", "3", "3", "False"], kvimpl.OutOfRangeError),
        (["4", "-1", "3", "False"], kvimpl.OutOfRangeError),
        (["4", "3", "4", "False"], kvimpl.OutOfRangeError),
        (["4", str(2**64), "3", "False"], kvimpl.OutOfRangeError),
        (["4", "9", "3", "True"], kvimpl.InvariantViolationError),
    ],
)
def test_metadata_that_is_no_ring_is_refused(meta, error, snapshot):
    with pytest.raises(error):
        kvimpl.from_state("BatchRotatingKVCache", STATE, meta)
    cache = kvimpl.from_state("BatchRotatingKvCache", STATE, META)
    before = snapshot(cache)
    with pytest.raises(error):
        cache.meta_state = meta
    assert snapshot(cache) == before


@pytest.mark.parametrize("meta", [["4", "1", "0", "False"], ["4", "0", "0", "True"]])
def test_nothing_was_written_to_a_ring_without_buffers(meta):
    with pytest.raises(kvimpl.InvariantViolationError):
        kvimpl.from_state("BatchRotatingKVCache", [], meta)


def test_padding_of_an_empty_batch_is_read_with_care():
    with pytest.raises(kvimpl.MetaParseError):
        kvimpl.from_state("BatchKVCache", [], ["1,x"])
    with pytest.raises(kvimpl.OutOfRangeError):
        kvimpl.from_state("BatchKVCache", [], ["1,-2"])
    assert kvimpl.from_state("BatchKvCache", [], ["1,2"]).offset.tolist() == [-1, -2]


def test_an_offset_at_the_end_of_its_width_is_refused_whole(paint, snapshot):
    cache = kvimpl.from_state("BatchRotatingKVCache", STATE, ["3", str(2**64 - 1), "3", "False"])
    before = snapshot(cache)
    with pytest.raises(kvimpl.ArithmeticOverflowError):
        cache.update_and_fetch(*paint([1], B=2))
    assert snapshot(cache) == before


# Nothing is shared


OPERATIONS = [
    lambda cache, paint: cache.update_and_fetch(*paint([1], B=2)),
    lambda cache, paint: cache.update_and_fetch(*paint([1, 2], B=2)),
    lambda cache, paint: cache.update_and_fetch(*paint([1], B=2)),
    lambda cache, paint: cache.prepare(lengths=[1, 2], right_padding=[1, 0]),
    lambda cache, paint: cache.update_and_fetch(*paint([1, 2], B=2)),
    lambda cache, paint: cache.finalize(),
    lambda cache, paint: cache.update_and_fetch(*paint([1], B=2)),
    lambda cache, paint: cache.update_and_fetch(*paint([1], B=2)),
    lambda cache, paint: cache.extend(cache),
    lambda cache, paint: cache.filter([1, 2]),
    lambda cache, paint: cache.trim(1),
    lambda cache, paint: cache.update_and_fetch(*paint([1], B=2)),
]


def handed_out(cache):
    rows = [cache.extract(0)] if cache._pending is None else []
    return [
        *cache.keys_and_values(),
        *cache.state,
        cache.rope_offset,
        cache.make_mask(1),
        *(array for row in rows for array in (row.keys, row.values)),
    ]


@BOTH
def test_what_was_handed_out_never_changes_and_writing_to_it_changes_nothing(new, paint, bits):
    cache, untouched = filled(new, paint, 3), filled(new, paint, 3)
    seen = []
    for operation in OPERATIONS:
        operation(cache, paint)
        operation(untouched, paint)
        seen += [(array, bits(array)) for array in handed_out(cache)]
        for array in handed_out(cache):
            array[:] = 9
        assert bits(handed_out(cache)) == bits(handed_out(untouched))
    for array, then in seen:
        assert bits(array) == then


@BOTH
def test_attributes_that_were_read_never_change(new, paint, bits):
    """mlx-lm adds to left_padding in place."""
    cache = filled(new, paint, 3)
    seen = []
    for operation in OPERATIONS:
        arrays = [cache.keys, cache.values, cache.offset, cache.left_padding]
        seen += [(array, bits(array)) for array in arrays]
        operation(cache, paint)
    for array, then in seen:
        assert bits(array) == then


@BOTH
def test_writing_to_what_was_handed_in_does_not_reach_the_cache(new, paint, snapshot):
    padding, indices = mx.array([1, 0]), mx.array([1, 0])
    given = [paint([1, 2, 3], B=2), paint([4], B=2)]
    cache = type(new(0))(*([WINDOW] if new is rotating else []), padding)
    cache.prepare(left_padding=padding)
    for update in given:
        cache.update_and_fetch(*update)
    cache.filter(indices)
    state = [array[...] for array in cache.state]
    cache.state = state
    before = snapshot(cache)
    for array in (padding, indices, *given[0], *given[1], *state):
        array[:] = 9
    assert snapshot(cache) == before


@BOTH
def test_a_copy_goes_its_own_way(new, paint, snapshot):
    cache = filled(new, paint, 3, 1)
    before = snapshot(cache)
    twin = cache.copy()
    twin.update_and_fetch(*paint([9], B=2))
    twin.filter([0])
    assert snapshot(cache) == before


@BOTH
def test_materialize_leaves_no_graph(new, paint, tmp_path):
    cache = filled(new, paint, 3, 1, 1)
    cache.materialize()
    for name in ("keys", "values", "offset", "left_padding"):
        mx.export_to_dot(str(tmp_path / name), getattr(cache, name))
        assert "->" not in (tmp_path / name).read_text()
    new(0).materialize()


@BOTH
def test_it_is_positioned_by_row(new, paint):
    cache = filled(new, paint, 3)
    assert cache.as_batch_positioned() is cache
    assert cache.rope_offset.tolist() == [2, 3]


def test_bytes_held_and_allocated(paint):
    cache = filled(standard, paint, 3)
    assert (cache.nbytes, cache.allocated_nbytes) == (2 * 2 * 3 * 4, 2 * 2 * 4 * 4)
    ring = filled(rotating, paint, 3, 1, 1)
    assert ring.nbytes == ring.allocated_nbytes == 2 * 2 * WINDOW * 4


@pytest.mark.parametrize("axis", [1, -2])
def test_each_row_rolls_by_its_own_shift(axis):
    x = mx.arange(12).reshape(2, 3, 2)
    rolled = kvimpl.dynamic_roll(x, mx.array([1, 0]), axis=axis)
    assert rolled.tolist() == [[[4, 5], [0, 1], [2, 3]], [[6, 7], [8, 9], [10, 11]]]
