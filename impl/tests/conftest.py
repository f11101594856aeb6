"""What the tests of kvimpl share: painted tokens, snapshots, and mlx-lm's own caches."""

from types import ModuleType

import mlx.core as mx
import pytest

from kvoracle.load import load
from kvoracle.releases import PINNED, release


def _paint(ids, *, B=1, H=1, D=1, Dv=None, dtype=mx.float32):
    """Keys and values whose every element tells its token, row, head and lane.

    Values are negative, so that neither passes for the other.
    """

    def painted(lanes, sign):
        token = mx.array(list(ids), mx.float32).reshape(1, 1, -1, 1)
        row, head, lane = (mx.arange(n, dtype=mx.float32) for n in (B, H, lanes))
        place = row[:, None, None, None] / 4 + head[:, None, None] / 8 + lane / 64
        return (sign * (token + place)).astype(dtype)

    return painted(D, 1), painted(D if Dv is None else Dv, -1)


def _bits(value):
    """All that tells two results apart: dtype, shape and bytes, through any nesting."""
    if isinstance(value, mx.array):
        mx.eval(value)
        return str(value.dtype), value.shape, bytes(memoryview(mx.contiguous(value)))
    if isinstance(value, list | tuple):
        return [_bits(item) for item in value]
    return value


def _snapshot(cache):
    """Everything that a cache remembers."""
    return {name: _bits(value) for name, value in vars(cache).items()}


@pytest.fixture(scope="session")
def paint():
    return _paint


@pytest.fixture(scope="session")
def bits():
    return _bits


@pytest.fixture(scope="session")
def snapshot():
    return _snapshot


@pytest.fixture(scope="session")
def ids():
    """Read the token ids back out of painted keys or values of one row, head and lane."""
    return lambda array: [abs(int(x)) for x in array.reshape(-1).tolist()]


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """mlx-lm's ``models.cache`` of the release that kvimpl is held against, whatever is installed."""
    cache, _base = load(release(PINNED))
    return cache
