"""The columns of a table, in their order: the same for every kind of cache and every format.

A table written by hand has these columns too, as many of them as its author cares to fill in.
"""

from __future__ import annotations

COLUMNS: dict[str, str] = {
    "scenario": "family and name",
    "op": "the operation's place in the scenario, from 1",
    "step": "the step that it belongs to, from 1: a decode of several tokens is several operations",
    "cache": "the cache that the row shows",
    "operation": "what was done, without its tokens",
    "tokens": "tokens in: a row a batch entry",
    "keys": "tokens held as keys, in physical order: a row a batch entry, `_` never written",
    "values": "tokens held as values, likewise",
    "shape": "shape of the keys held: batch, heads, tokens, lanes",
    "dtype": "type of the keys held",
    "fetched": "tokens that an update returned as keys",
    "fetched_values": "tokens that an update returned as values",
    "fetched_shape": "shape of the keys returned",
    "returned": "what any other operation gave back",
    "mask": "`none`, `causal`, or a row a query: `x` attended, `.` masked",
    "mask_shape": "shape of the mask, where it is an array",
    "raised": "the class of the error that the reference raised",
    "message": "what that error said",
    "refused": "the error with which a hardened cache refuses this input, as the scenario says",
    "kind": "the kind of cache",
    "offset": "tokens that went by; of a batch, a number a row",
    "size": "what `size()` says",
    "empty": "what `empty()` says",
    "trimmable": "what `is_trimmable()` says",
    "idx": "the cursor: where the next token goes",
    "max_size": "rows of the ring",
    "keep": "rows of the ring that stay",
    "left_padding": "padding of each row of a batch",
    "rotated": "whether a batched ring has turned",
    "offset_of_all": "the raw counter of a batched ring",
    "start_position": "position of the oldest token of a chunk",
    "chunk_size": "tokens of a chunk",
    "group_size": "lanes quantized together",
    "bits": "bits of a quantized lane",
    "digests": "of quantized keys, then values: a hash of what each slot holds",
    "slots": "tokens in each slot of an `arrays` cache",
    "lengths": "tokens left of each row of an `arrays` cache",
    "batch_size": "rows of an `arrays` cache",
    "buffer": "ids in a token buffer",
    "length": "sequences in an LRU",
    "nbytes_of_all": "bytes of all that an LRU holds",
    "buffer_shape": "shape of the keys' buffer, with what is allocated beyond the tokens held",
    "allocated_nbytes": "bytes of the buffers",
    "nbytes": "what `nbytes` says",
    "rope_offset": "the position for rotary embeddings, where there is such an attribute",
    "meta_state": "metadata as strings, where there is any (mlx-lm up to 0.31.3)",
    "state_count": "arrays in `state`, where it is a list of arrays (mlx-lm up to 0.31.3)",
    "working": "with --trace: the lines that the operation ran, with the values put in",
}
"""Every column and what it holds."""

PLACE = ("scenario", "op", "step")
"""Columns that say where a row stands, rather than what was seen."""
UNCOMPARED = frozenset({*PLACE, "message", "working"})
"""Columns that say nothing about whether a row still holds."""
OUTCOMES = (
    *("cache", "operation", "tokens", "fetched", "fetched_values", "fetched_shape", "returned"),
    *("mask", "mask_shape", "raised", "refused"),
)
"""Columns in which nothing is an answer too. In any other compared one it may mean that a release
has no such attribute, which is not a change of behaviour."""
ALWAYS = ("op", "step", "cache", "operation", "tokens", "keys", "shape", "offset")
"""Columns that a table for reading shows even where they never change."""
OF_FIELD = {"tokens": "buffer"}
"""Fields of a cache that are called otherwise here, where `tokens` are those given."""
