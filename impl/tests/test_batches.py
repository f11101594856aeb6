"""The life of a batch, played on mlx-lm's batch caches and on ours: the same, bit for bit.

Rows join by merge and extend, leave by filter and extract, are prefilled with padding on either
side, decode and are trimmed. Where mlx-lm loses tokens or cannot go on, see test_batch_facts.
"""

from functools import partial

import mlx.core as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kvimpl

FIXED = settings(max_examples=60, deadline=None, derandomize=True)

lengths = st.lists(st.integers(0, 9), min_size=1, max_size=3)
updates = st.tuples(st.just("update"), st.sampled_from([1, 1, 1, 1, 2, 3, 6]))
operations = st.one_of(
    updates,
    updates,
    st.tuples(st.just("mask"), st.sampled_from([1, 1, 2, 4]), st.none() | st.integers(0, 9)),
    st.tuples(st.just("trim"), st.integers(0, 4)),
    st.tuples(st.just("filter"), st.lists(st.integers(0, 2), min_size=1, max_size=3)),
    st.tuples(st.just("extend"), lengths, st.integers(0, 3)),
    st.tuples(st.just("extract"), st.integers(0, 2)),
    st.tuples(st.just("prompt"), lengths, st.integers(2, 9)),
)
scripts = st.lists(operations, max_size=12)
starts = st.one_of(
    st.tuples(st.just("merge"), lengths, st.integers(0, 3)),
    st.tuples(st.just("padded"), lengths, st.just(0)),
)
geometries = st.fixed_dictionaries(
    {"H": st.integers(1, 3), "D": st.sampled_from([1, 4]), "Dv": st.sampled_from([1, 3])}
)


class Player:
    """Plays a life on the batch caches of one module, with tokens that are told apart."""

    def __init__(self, module, window, step, paint):
        self.module, self.window, self.step, self.paint = module, window, step, paint
        self.token = 1

    def tokens(self, S, B=1):
        self.token += S
        return self.paint(range(self.token - S, self.token), B=B)

    def batch_of(self, prompts, decoded):
        """Merge caches with prompts of these lengths, and some tokens decoded behind each."""
        members = []
        for length in prompts:
            member = self.new("")
            if length:
                member.update_and_fetch(*self.tokens(length))
                for _ in range(decoded):
                    member.update_and_fetch(*self.tokens(1))
            members.append(member)
        batch = type(members[0]).merge(members)
        batch.step = self.step
        return batch

    def new(self, prefix, *args):
        if self.window:
            cls = getattr(self.module, f"{prefix}RotatingKVCache")
            cache = cls(self.window, *args)
        else:
            cache = getattr(self.module, f"{prefix}KVCache")(*args)
        cache.step = self.step
        return cache

    def start(self, how, numbers, decoded):
        if how == "merge":
            return self.batch_of(numbers, decoded)
        return self.new("Batch", numbers)

    def do(self, batch, name, *args):
        return getattr(self, name)(batch, *args)

    def update(self, batch, S):
        # mlx-lm writes to what it returned: look at it under handles of our own.
        tokens = self.tokens(S, B=batch.offset.size)
        return [array[...] for array in batch.update_and_fetch(*tokens)]

    def mask(self, batch, N, window):
        return batch.make_mask(N, window_size=window)

    def trim(self, batch, n):
        # What mlx-lm does to a full ring is not to be followed. Neither is what filter does to a
        # batch that was trimmed into its padding, so do not go there.
        tokens = batch._idx - max(batch.left_padding.tolist(), default=0)
        return batch.trim(min(n, tokens)) if batch.is_trimmable() and tokens > 0 else None

    def filter(self, batch, kept):
        # mlx-lm's cursor goes below zero if padding is dropped that is not there yet.
        if batch.keys is not None and batch._idx >= max(batch.left_padding.tolist()):
            batch.filter([i % batch.offset.size for i in kept])

    def extend(self, batch, prompts, decoded):
        other = self.batch_of(prompts, decoded)
        batch.extend(other)

    def extract(self, batch, idx):
        idx %= batch.offset.size
        if batch.keys is None or batch.offset.tolist()[idx] < 0:
            return None  # mlx-lm gives an error, or a ring at a position below zero
        row = batch.extract(idx)
        row.step = self.step
        before = [value[...] for value in vars(row).values() if isinstance(value, mx.array)]
        return before, row.update_and_fetch(*self.tokens(1)), vars(row)

    def prompt(self, batch, prompt_lengths, chunk):
        """Prefill prompts that are padded on the right, in chunks, as generation does."""
        B = batch.offset.size
        prompt_lengths = [1 + prompt_lengths[i % len(prompt_lengths)] for i in range(B)]
        S = max(prompt_lengths)
        sizes = [min(chunk, S - start) for start in range(0, S, chunk)]
        if self.window and 1 in sizes and min(prompt_lengths) < S:
            return []  # mlx-lm takes a chunk of one token for decoding, and refuses
        right = [S - length for length in prompt_lengths]
        batch.prepare(lengths=prompt_lengths, right_padding=right)
        returned = [(batch.make_mask(size), self.update(batch, size)) for size in sizes]
        batch.finalize()
        return returned


@pytest.fixture(scope="session")
def check_same(reference, paint, bits):
    def comparable(value):
        if isinstance(value, dict):
            return {name: bits(item) for name, item in value.items() if name != "step"}
        if isinstance(value, list | tuple):
            return [comparable(item) for item in value]
        return bits(value)

    def check_same(start, script, *, window=None, step=256, geometry=None):
        players = [
            Player(module, window, step, partial(paint, **geometry or {}))
            for module in (kvimpl, reference)
        ]
        ours, theirs = (player.start(*start) for player in players)
        for operation in [("mask", 1, None), *script]:
            mine, reference_s = (
                player.do(batch, *operation)
                for player, batch in zip(players, (ours, theirs), strict=True)
            )
            assert comparable(mine) == comparable(reference_s), operation
            for name, value in vars(theirs).items():
                assert bits(getattr(ours, name)) == bits(value), (operation, name)
            assert ours.allocated_nbytes == theirs.nbytes
            for method in ("size", "empty", "is_trimmable"):
                assert getattr(ours, method)() == getattr(theirs, method)(), method
            if theirs.keys is not None:
                assert bits(ours.keys_and_values()) == bits(theirs.keys_and_values())

    return check_same


@FIXED
@given(start=starts, script=scripts, step=st.sampled_from([2, 3, 256]), geometry=geometries)
def test_standard(start, script, step, geometry, check_same):
    check_same(start, script, step=step, geometry=geometry)


@settings(FIXED, max_examples=120)
@given(
    start=starts,
    script=scripts,
    step=st.sampled_from([2, 3, 256]),
    window=st.integers(2, 9),
    geometry=geometries,
)
def test_rotating(start, script, step, window, geometry, check_same):
    check_same(start, script, window=window, step=step, geometry=geometry)
