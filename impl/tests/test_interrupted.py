"""Whatever stops an operation, wherever: the cache is as before, or as after, never in between.

A trace function raises at the first line of kvimpl that an operation runs, then, on a fresh cache,
at the second, and so on until the operation goes through.
"""

import sys
from pathlib import Path

import mlx.core as mx
import pytest

import kvimpl

SOURCES = str(Path(kvimpl.__file__).parent)


class Interrupted(Exception):  # noqa: N818 - nothing is wrong
    """Stands for running out of memory, or the user's Ctrl-C."""


def interrupt_at(line):
    seen = 0

    def trace(frame, event, _):
        nonlocal seen
        if not frame.f_code.co_filename.startswith(SOURCES):
            return None
        if event == "line":
            seen += 1
            if seen > line:
                raise Interrupted
        return trace

    return trace


def update(*tokens, **geometry):
    return lambda cache, paint: cache.update_and_fetch(*paint(tokens, **geometry))


def standard(paint):
    cache = kvimpl.KVCache()
    cache.step = 2
    cache.update_and_fetch(*paint([0, 1]))
    return cache


def concatenating(paint):
    cache = kvimpl.ConcatenateKVCache()
    cache.update_and_fetch(*paint([0, 1]))
    return cache


def wrapped_ring(paint):
    cache = kvimpl.RotatingKVCache(4, keep=1)
    for token in range(6):
        cache.update_and_fetch(*paint([token]))
    return cache


def overlong_ring(paint):
    cache = kvimpl.RotatingKVCache(4, keep=1)
    cache.update_and_fetch(*paint(range(7)))
    return cache


def filling_ring(paint):
    cache = kvimpl.RotatingKVCache(8, keep=1)
    cache.step = 2
    for token in range(2):
        cache.update_and_fetch(*paint([token]))
    return cache


def chunked(paint):
    cache = kvimpl.ChunkedKVCache(2)
    cache.step = 2
    cache.update_and_fetch(*paint(range(4)))
    return cache


def quantized(paint):
    cache = kvimpl.QuantizedKVCache(32, 4)
    cache.step = 2
    cache.update_and_fetch(*paint([0, 1], D=32))
    return cache


def arrays(_):
    cache = kvimpl.ArraysCache(2, left_padding=[1, 2])
    cache[0] = mx.arange(4).reshape(2, 2)
    cache.prepare(lengths=[3, 4])
    return cache


def batch(paint, kind=kvimpl.BatchKVCache, *args, sizes=(3,)):
    cache = kind(*args, [2, 1])
    cache.step = 2
    for S in sizes:
        cache.update_and_fetch(*paint(range(S), B=2))
    return cache


def wrapped_batch(paint):
    return batch(paint, kvimpl.BatchRotatingKVCache, 4, sizes=(3, 1, 1))


def overlong_batch(paint):
    return batch(paint, kvimpl.BatchRotatingKVCache, 4, sizes=(6,))


def padded_batch(_):
    return kvimpl.BatchKVCache([0, 0])


def prepare(cache, _):
    cache.prepare(lengths=[1, 2], right_padding=[1, 0])


def prepared_batch(paint):
    cache = batch(paint)
    prepare(cache, paint)
    return cache


def prepared_wrapped_batch(paint):
    cache = wrapped_batch(paint)
    prepare(cache, paint)
    cache.update_and_fetch(*paint([7, 8], B=2))
    return cache


def full_buffer(_):
    return kvimpl.TokenBuffer([1, 2])


def roomy_buffer(_):
    buffer = full_buffer(None)
    buffer.update_and_fetch([3])
    return buffer


def zero_state(cache, paint):
    cache.state = paint([7, 8, 9])


OPERATIONS = [
    (standard, update(2)),
    (standard, lambda cache, _: cache.trim(1)),
    (standard, zero_state),
    (concatenating, update(2)),
    (concatenating, lambda cache, _: cache.trim(1)),
    (concatenating, zero_state),
    (filling_ring, update(2)),
    (filling_ring, lambda cache, _: cache.trim(1)),
    (filling_ring, zero_state),
    (wrapped_ring, update(6)),
    (wrapped_ring, update(6, 7)),
    (wrapped_ring, lambda cache, _: cache.set_meta_state(["0", "8", "2", "2"])),
    (overlong_ring, update(6)),
    (overlong_ring, update(6, 7)),
    (chunked, update(4)),
    (chunked, lambda cache, _: cache.trim(1)),
    (chunked, lambda cache, _: cache.maybe_trim_front()),
    (chunked, lambda cache, _: cache.set_meta_state(["3", "7"])),
    (chunked, zero_state),
    (quantized, update(2, D=32)),
    (quantized, lambda cache, _: cache.trim(1)),
    (quantized, lambda cache, _: cache.set_meta_state(["9", "1", "32", "4"])),
    (quantized, lambda cache, _: setattr(cache, "state", [])),
    (arrays, lambda cache, _: cache.__setitem__(1, mx.zeros((2, 1)))),
    (arrays, lambda cache, _: cache.filter([1])),
    (arrays, lambda cache, _: cache.extend(arrays(None))),
    (arrays, lambda cache, _: cache.prepare(lengths=[5, 6])),
    (arrays, lambda cache, _: cache.finalize()),
    (arrays, lambda cache, _: cache.advance(1)),
    (arrays, lambda cache, _: setattr(cache, "state", [mx.zeros((3, 1))])),
    (arrays, lambda cache, _: cache.set_meta_state(["2", "7,8", "5,6"])),
    (batch, update(4, B=2)),
    (batch, update(4, 5, B=2)),
    (batch, lambda cache, _: cache.trim(1)),
    (batch, lambda cache, _: cache.filter([1])),
    (batch, lambda cache, _: cache.filter([])),
    (batch, lambda cache, _: cache.extend(cache)),
    (batch, prepare),
    (batch, lambda cache, _: setattr(cache, "state", [])),
    (batch, lambda cache, _: setattr(cache, "state", cache.state)),
    (wrapped_batch, update(4, B=2)),
    (wrapped_batch, update(4, 5, B=2)),
    (wrapped_batch, lambda cache, _: cache.trim(1)),
    (wrapped_batch, lambda cache, _: cache.filter([1])),
    (wrapped_batch, lambda cache, _: cache.filter([])),
    (wrapped_batch, lambda cache, _: cache.extend(cache)),
    (wrapped_batch, prepare),
    (wrapped_batch, lambda cache, _: setattr(cache, "state", [])),
    (wrapped_batch, lambda cache, _: setattr(cache, "state", cache.state)),
    (overlong_batch, update(4, B=2)),
    (overlong_batch, update(4, 5, B=2)),
    (overlong_batch, lambda cache, _: cache.trim(1)),
    (overlong_batch, lambda cache, _: cache.filter([1])),
    (overlong_batch, lambda cache, _: cache.filter([])),
    (overlong_batch, lambda cache, _: cache.extend(cache)),
    (overlong_batch, prepare),
    (overlong_batch, lambda cache, _: setattr(cache, "state", [])),
    (overlong_batch, lambda cache, _: setattr(cache, "state", cache.state)),
    (prepared_batch, lambda cache, _: cache.finalize()),
    (prepared_wrapped_batch, lambda cache, _: cache.finalize()),
    (prepared_wrapped_batch, update(4, 5, B=2)),
    (padded_batch, lambda cache, _: cache.prepare(left_padding=[1, 2])),
    (padded_batch, lambda cache, _: cache.set_meta_state(["3,4"])),
    (wrapped_batch, lambda cache, _: cache.set_meta_state(["5", "3", "2", "False"])),
    (full_buffer, lambda buffer, _: buffer.update_and_fetch([4])),
    (roomy_buffer, lambda buffer, _: buffer.update_and_fetch([4])),
]


@pytest.mark.parametrize(("make", "operation"), OPERATIONS)
def test_an_interrupted_operation_happened_or_did_not(make, operation, paint, snapshot):
    after = make(paint)
    operation(after, paint)
    allowed = [snapshot(make(paint)), snapshot(after)]
    tracer = sys.gettrace()
    for line in range(1000):
        cache = make(paint)
        try:
            sys.settrace(interrupt_at(line))
            operation(cache, paint)
        except Interrupted:
            sys.settrace(tracer)
            assert snapshot(cache) in allowed, f"in between, at line {line}"
        else:
            break
        finally:
            sys.settrace(tracer)
    assert line, "nothing was interrupted"
    assert snapshot(cache) == allowed[1]
