"""Deliberately wrong caches: each a few lines over the real class, each a fault somebody made.

`FAULTS` maps a fault's name to the family of scenarios that is to catch it, the field in which it
first shows (or the fields, where scenarios see different sides of it), and what is replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import mlx.core as mx

import kvimpl
from kvimpl import ConcatenateKVCache, KVCache, QuantizedKVCache, RotatingKVCache


@dataclass(frozen=True)
class Fault:
    """A wrong part, where it is caught, and in which field it first shows."""

    glob: str
    fields: frozenset[str]
    replaced: dict[str, Any]


FAULTS: dict[str, Fault] = {}


def fault(glob: str, *fields: str) -> Callable[[Any], Any]:
    """Register a class, or a function that is called as one of the module's."""

    def register(part: Any) -> Any:
        if isinstance(part, type):
            name = next(c.__name__ for c in part.__mro__ if c.__module__.startswith("kvimpl"))
        else:
            name = part.__name__.rpartition("__")[2]
        label = part.__name__.partition("__")[0]
        FAULTS[label] = Fault(glob, frozenset(fields), {name: part})
        return part

    return register


def module(planted: Fault) -> ModuleType:
    """kvimpl with the fault in it. Its classes restore themselves, so `from_state` is left out."""
    wrong = ModuleType("wrong")
    wrong.__dict__.update({k: v for k, v in vars(kvimpl).items() if not k.startswith("__")})
    del wrong.from_state
    wrong.__dict__.update(planted.replaced)
    return wrong


# --- the standard cache: what is held and handed out


@fault("standard/*", "keys")
class keeps_one_token_too_many_on_trim(KVCache):
    def trim(self, n: int) -> int:
        trimmed = super().trim(n)
        if trimmed > 1:
            self.offset += 1
        return trimmed


@fault("standard/*", "returned")
class trim_returns_what_was_asked(KVCache):
    def trim(self, n: int) -> int:
        super().trim(n)
        return n


@fault("standard/*", "returned")
class swaps_keys_and_values(KVCache):
    def update_and_fetch(self, keys, values):
        fetched = super().update_and_fetch(keys, values)
        return fetched[1], fetched[0]


@fault("standard/*", "returned")
class drops_the_last_lane(KVCache):
    def update_and_fetch(self, keys, values):
        lanes = mx.arange(keys.shape[3]) < keys.shape[3] - 1
        return super().update_and_fetch(keys * lanes.astype(keys.dtype), values)


@fault("standard/*", "returned")
class gives_every_head_the_first_heads_keys(KVCache):
    def update_and_fetch(self, keys, values):
        return super().update_and_fetch(mx.broadcast_to(keys[:, :1], keys.shape), values)


@fault("standard/*", "returned")
class swaps_batch_rows(KVCache):
    def update_and_fetch(self, keys, values):
        return super().update_and_fetch(keys[::-1], values[::-1])


@fault("standard/*", "returned")
class promotes_to_float32(KVCache):
    def update_and_fetch(self, keys, values):
        return super().update_and_fetch(keys.astype(mx.float32), values.astype(mx.float32))


@fault("standard/*", "returned")
class loses_a_token_when_it_grows_again(KVCache):
    def update_and_fetch(self, keys, values):
        full = self.keys is not None and self.offset + keys.shape[2] > self.keys.shape[2]
        if full and self.offset % self.step:
            wiped = self.keys[...]
            wiped[..., self.offset - 1, :] = 0
            self.keys = wiped
        return super().update_and_fetch(keys, values)


@fault("standard/*", "buffer_shape")
class allocates_a_step_too_many(KVCache):
    def update_and_fetch(self, keys, values):
        fetched = super().update_and_fetch(keys, values)
        if self.offset == self.keys.shape[2]:
            B, H, _, D = self.keys.shape
            more = mx.zeros((B, H, self.step, D), self.keys.dtype)
            self.keys = mx.concatenate([self.keys, more], axis=2)
        return fetched


# --- the promises of a hardened cache


@fault("standard/*", "handed_out")
class hands_out_its_own_buffer(KVCache):
    def update_and_fetch(self, keys, values):
        prev = self.offset
        if self.keys is None or prev + keys.shape[2] != self.keys.shape[2]:
            fetched = super().update_and_fetch(keys, values)
            if self.offset == self.keys.shape[2]:
                return self.keys, self.values
            return fetched
        self.keys[..., prev:, :] = keys
        self.values[..., prev:, :] = values
        self.offset = self.keys.shape[2]
        return self.keys, self.values

    def trim(self, n: int) -> int:
        trimmed = super().trim(n)
        if trimmed and self.keys is not None:
            self.keys[..., self.offset :, :] = 0
        return trimmed


@fault("concatenate/*", "handed_in", "handed_out")
class writes_into_what_it_was_given(ConcatenateKVCache):
    def update_and_fetch(self, keys, values):
        fetched = super().update_and_fetch(keys, values)
        keys[..., -1:, :] = 0
        return fetched


@fault("input/*", "offset", "keys")
class half_commits_on_error(KVCache):
    def update_and_fetch(self, keys, values):
        try:
            return super().update_and_fetch(keys, values)
        except kvimpl.CacheError:
            self.offset += 1 if self.keys is not None else 0
            raise


@fault("input/*", "idx", "keys", "offset", "handed_out")
class half_rotates_on_error(RotatingKVCache):
    def update_and_fetch(self, keys, values):
        try:
            return super().update_and_fetch(keys, values)
        except kvimpl.CacheError:
            self._idx = self.keep
            raise


@fault("input/*", "error")
class raises_untyped_errors(KVCache):
    def update_and_fetch(self, keys, values):
        try:
            return super().update_and_fetch(keys, values)
        except kvimpl.CacheError as error:
            raise RuntimeError(str(error)) from error


@fault("input/*", "error")
class accepts_a_negative_trim(KVCache):
    def trim(self, n: int) -> int:
        return super().trim(max(n, 0))


# --- the standard cache: what it says of itself


@fault("standard/*", "size")
class counts_allocated_rows_as_size(KVCache):
    def size(self) -> int:
        return 0 if self.keys is None else self.keys.shape[2]


@fault("standard/*", "empty")
class is_empty_after_trimming_all(KVCache):
    def empty(self) -> bool:
        return self.offset == 0


@fault("masks/*", "returned")
class ignores_the_window_in_masks(KVCache):
    def make_mask(self, N, window_size=None, return_array=False):
        return super().make_mask(N, None, return_array)


@fault("masks/*", "returned")
class ignores_return_array(KVCache):
    def make_mask(self, N, window_size=None, return_array=False):
        return super().make_mask(N, window_size)


@fault("state/*", "keys")
class restores_all_but_the_last_token(KVCache):
    @KVCache.state.getter
    def state(self):
        return [array[..., :-1, :] for array in super().state]


@fault("*", "values")
class copies_keep_their_values_in_another_order(KVCache):
    def copy(self):
        fork = super().copy()
        fork.values = fork.values[..., ::-1, :] if fork.values is not None else None
        return fork


# --- the ring


@fault("rotating/*", "returned")
class rotates_to_slot_zero(RotatingKVCache):
    def update_and_fetch(self, keys, values):
        keep, self.keep = self.keep, 0
        fetched = super().update_and_fetch(keys, values)
        self.keep = keep
        return fetched


@fault("rotating/*", "idx")
class forgets_the_cursor_on_trim(RotatingKVCache):
    def trim(self, n: int) -> int:
        idx = self._idx
        trimmed = super().trim(n)
        self._idx = idx
        return trimmed


@fault("rotating/*", "returned")
class rolls_the_mask_one_slot_short(RotatingKVCache):
    def make_mask(self, N, window_size=None, return_array=False):
        mask = super().make_mask(N, window_size, return_array)
        return mx.roll(mask, -1) if N == 1 and mask is not None else mask


@fault("rotating/*", "returned")
class masks_nothing_at_offset_equal_to_the_window(RotatingKVCache):
    def make_mask(self, N, window_size=None, return_array=False):
        if N == 1 and self.offset == window_size:
            return None
        return super().make_mask(N, window_size, return_array)


@fault("rotating/*", "returned")
class masks_prefill_from_max_size(RotatingKVCache):
    def make_mask(self, N, window_size=None, return_array=False):
        if N > 1 and self.offset >= self.max_size:
            return kvimpl.create_causal_mask(N, self.max_size, window_size or self.max_size)
        return super().make_mask(N, window_size, return_array)


@fault("rotating/*", "returned")
class prefills_a_wrapped_ring_in_physical_order(RotatingKVCache):
    def _in_order(self, ring):
        return ring


@fault("rotating/*", "returned")
class keeps_one_row_too_few_before_a_prefill(RotatingKVCache):
    def _appended(self, context, held, update):
        if held is not None and self.offset >= self.max_size:
            held = tuple(self._without(held[0].shape[2] - self.max_size + 2, b) for b in held)
            self._idx = held[0].shape[2]
        return super()._appended(context, held, update)


@fault("rotating/*", "returned")
class rotates_keys_only(RotatingKVCache):
    def update_and_fetch(self, keys, values):
        fetched = super().update_and_fetch(keys, values)
        if self.offset > self.max_size:
            return fetched[0], mx.roll(fetched[1], 1, axis=2)
        return fetched


@fault("rotating/*", "trimmable")
class trims_a_full_ring(RotatingKVCache):
    def is_trimmable(self) -> bool:
        return self.offset <= self.max_size


@fault("rotating/*", "returned", "offset")
class caps_the_offset_at_max_size(RotatingKVCache):
    def update_and_fetch(self, keys, values):
        fetched = super().update_and_fetch(keys, values)
        self.offset = min(self.offset, self.max_size)
        return fetched


@fault("rotating/*", "size")
class counts_every_token_as_size(RotatingKVCache):
    def size(self) -> int:
        return self.offset


@fault("rotating/*", "raised")
class refuses_a_prefill_once_wrapped(RotatingKVCache):
    def update_and_fetch(self, keys, values):
        if keys.shape[2] > 1 and self.offset > self.max_size:
            raise kvimpl.InvariantViolationError("wrong", "a wrapped ring takes single tokens")
        return super().update_and_fetch(keys, values)


@fault("state/*", "raised", "offset")
class swaps_two_numbers_of_its_metadata(RotatingKVCache):
    def set_meta_state(self, meta):
        keep, max_size, offset, idx = meta
        super().set_meta_state([keep, max_size, idx, offset])


@fault("concatenate/*", "keys", "returned", "offset")
class trims_nothing(ConcatenateKVCache):
    def trim(self, n: int) -> int:
        return min(n, self.offset)


@fault("quantized/*", "returned", "raised")
class quantizes_the_keys_twice(QuantizedKVCache):
    def update_and_fetch(self, keys, values):
        return super().update_and_fetch(keys, keys)


@fault("masks/*", "returned")
class remembers_its_mask_whatever_the_window(KVCache):
    def make_mask(self, N, window_size=None, return_array=False):
        asked = self.offset, N, return_array
        if getattr(self, "asked", None) != asked:
            self.asked, self.mask = asked, super().make_mask(N, window_size, return_array)
        return self.mask


# --- the free functions


@fault("masks/*", "returned")
def masks_the_diagonal__create_causal_mask(N, offset=0, window_size=None, **padding):
    mask = kvimpl.create_causal_mask(N, offset, window_size=window_size, **padding)
    return mask & (mx.arange(offset, offset + N)[:, None] != mx.arange(offset + N)[None])


@fault("masks/*", "returned")
def swaps_left_and_right__create_causal_mask(
    N, offset=0, window_size=None, left_padding=None, right_padding=None
):
    return kvimpl.create_causal_mask(N, offset, window_size, left_padding, right_padding)


@fault("masks/*", "returned")
def always_an_array__create_attention_mask(N, offset, return_array, window_size):
    return kvimpl.create_causal_mask(N, offset, window_size=window_size)


@fault("prompt/*", "returned")
def trims_what_it_can__trim_prompt_cache(cache, num_tokens):
    return max((layer.trim(num_tokens) for layer in cache), default=0)


@fault("prompt/*", "returned")
def any_will_do__can_trim_prompt_cache(cache):
    return any(layer.is_trimmable() for layer in cache)
