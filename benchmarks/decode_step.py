"""How long kvimpl's decode step takes, and how much memory, beside the installed mlx-lm's.

Both run the same loop in one process: prefill every layer, then append one token a layer and
evaluate, as generation does. They take turns in short blocks, so that a busy machine slows both;
the figure is the median of the blocks' ratios. Peak memory is that of the whole loop.

    python benchmarks/decode_step.py [--quick]
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import mlx.core as mx
from mlx_lm.models import cache as mlx_lm_cache

import kvimpl

BLOCK = 8
KINDS: dict[str, tuple[float, Callable[[Any, int], Any]]] = {
    "KVCache": (1.00, lambda module, _: module.KVCache()),
    "RotatingKVCache": (1.05, lambda module, context: module.RotatingKVCache(context, keep=4)),
    "ChunkedKVCache": (1.10, lambda module, context: module.ChunkedKVCache(context)),
    "QuantizedKVCache": (1.10, lambda module, _: module.QuantizedKVCache(64, 8)),
    "BatchKVCache": (1.10, lambda module, _: module.BatchKVCache([0])),
    "BatchRotatingKVCache": (
        1.10,
        lambda module, context: module.BatchRotatingKVCache(context, [0]),
    ),
}


class Loop:
    """The decode loop of one implementation."""

    def __init__(self, new: Callable[[], Any], layers: int, context: int) -> None:
        self.token = mx.ones((1, 8, 1, 128), mx.float16)
        self.caches = [new() for _ in range(layers)]
        for cache in self.caches:
            # A prompt of its own for each: mlx-lm's rotating cache keeps the array it is given.
            prompts = (mx.ones((1, 8, context, 128), mx.float16) for _ in range(2))
            mx.eval(cache.update_and_fetch(*prompts))
        self.step()

    def step(self) -> float:
        """Decode one token; returns the seconds that took."""
        start = time.perf_counter()
        mx.eval([cache.update_and_fetch(self.token, self.token) for cache in self.caches])
        return time.perf_counter() - start

    def block(self) -> float:
        """Return the median seconds of a few steps."""
        return statistics.median(self.step() for _ in range(BLOCK))


def time_ratio(ours: Loop, theirs: Loop, blocks: int) -> tuple[float, float, float]:
    """Return the median of ours over theirs, and the median seconds of each."""
    a: list[float] = []
    b: list[float] = []
    for i in range(blocks):
        for loop, times in ((ours, a), (theirs, b))[:: 1 if i % 2 else -1]:
            times.append(loop.block())
    ratios = [x / y for x, y in zip(a, b, strict=True)]
    return statistics.median(ratios), statistics.median(a), statistics.median(b)


def peak_bytes(new: Callable[[], Any], layers: int, context: int, steps: int) -> int:
    """Return the peak memory of prefilling and decoding ``steps`` tokens."""
    gc.collect()
    mx.clear_cache()
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    loop = Loop(new, layers, context)
    for _ in range(steps):
        loop.step()
    return mx.get_peak_memory() - before


def main() -> None:
    """Print a row for each kind."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer layers, blocks and tokens")
    quick = parser.parse_args().quick
    layers, context, blocks = (8, 1024, 20) if quick else (32, 4096, 60)

    print(f"[1, 8, 1, 128] float16, {layers} layers, {context} tokens of context")
    print(f"{'kind':21}{'ours us':>9}{'mlx-lm us':>11}{'ratio':>8}{'budget':>8}{'peak memory':>13}")
    for kind, (budget, new) in KINDS.items():

        def ours(new: Callable[[Any, int], Any] = new) -> Any:
            return new(kvimpl, context)

        def theirs(new: Callable[[Any, int], Any] = new) -> Any:
            return new(mlx_lm_cache, context)

        memory = peak_bytes(ours, layers, context, 8) / peak_bytes(theirs, layers, context, 8)
        loops = Loop(ours, layers, context), Loop(theirs, layers, context)
        ratio, a, b = time_ratio(*loops, blocks)
        row = f"{kind:21}{a * 1e6:9.0f}{b * 1e6:11.0f}{ratio:8.2f}{budget:8.2f}{memory:13.3f}"
        print(row, flush=True)


if __name__ == "__main__":
    main()
