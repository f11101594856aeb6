"""One side of a comparison: mlx-lm's models on one implementation's caches.

Runs in a process of its own, because mlx-lm can be imported on one implementation only. Both sides
run the same code here, in the same order, from the same seed.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections import Counter
from contextlib import nullcontext
from types import ModuleType
from typing import Any, Literal

import mlx.core as mx

from kvparity import subjects
from kvparity.models.record import Played, Record
from kvparity.models.swap import TARGET, stand_in
from kvparity.models.zoo import SEED, VOCABULARY, ZOO
from kvparity.observe import ANY_ERROR
from kvparity.pool import become_worker

Way = Literal["generate", "batch"]

PROMPT = 250
"""Tokens of the prompt, so that a few more pass the 256 rows by which buffers grow."""
SECOND_PROMPT = 40
TAKEN_BACK = 3
"""Tokens that are trimmed off between two turns, where all caches can."""
PREFILL = 48
"""Tokens of a chunk of the prompt."""
BATCH_PREFILL = 16


def start(subject: str | None) -> None:
    """Import mlx-lm on this subject's caches, on its own where that is None. Raises Missing."""
    become_worker()
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    if subject is not None:
        stand_in(subjects.resolve(subject).face.cache)
    try:
        importlib.import_module("mlx_lm.generate")
    except ImportError as error:
        who = subject or subjects.INSTALLED
        raise subjects.Missing(f"mlx-lm does not import on the caches of {who}: {error}") from error


def kinds(name: str) -> tuple[str, ...]:
    """The classes of the caches that a model runs on, a layer each."""
    caches = _cache_module().make_prompt_cache(_model(name), ZOO[name].options.get("max_kv_size"))
    return tuple(type(cache).__name__ for cache in caches)


def play(name: str, way: Way, tokens: int, *, watch: bool) -> Played:
    """Run a model and record what it gives out; with `watch`, all that its caches do as well."""
    record = Record(_cache_module())
    model = _Watched(_model(name), record, way) if watch else _model(name)
    run = _generate if way == "generate" else _batch
    mx.random.seed(SEED)
    with record.watching() if watch else nullcontext():
        try:
            run(model, record, tokens, ZOO[name].options)
        except ANY_ERROR as error:  # whatever ends a run is an observation
            record.raised(error)
    return record.played()


class _Watched:
    """A model whose caches are recorded at every call, and the logits after it."""

    def __init__(self, model: Any, record: Record, way: Way) -> None:
        self._model = model
        self._record = record
        self._way = way
        self._calls = 0
        self._turn = 1
        self._chosen = 0

    def __call__(self, inputs: mx.array, cache: list[Any]) -> Any:
        token = self._token(*inputs.shape)
        with self._record.call(token, cache):
            logits = self._model(inputs, cache=cache)
        self._record.gave(token, "logits", logits)
        return logits

    def _token(self, B: int, S: int) -> str:
        """The token that the logits will choose; in a batch, which call it is."""
        self._calls += 1
        if self._way == "batch":
            return f"call {self._calls} ({B} rows of {S} tokens)"
        if S == 1:
            self._chosen += 1
            return f"turn {self._turn}, token {self._chosen - 1}"
        if self._chosen:
            self._turn, self._chosen = self._turn + 1, 0
        return f"turn {self._turn}, prompt (call {self._calls})"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def _generate(model: Any, record: Record, tokens: int, options: dict[str, Any]) -> None:
    """Two turns of a chat: a long prompt in chunks, then token by token; some taken back; again."""
    lm = importlib.import_module("mlx_lm.generate")
    cache_module = _cache_module()
    caches = cache_module.make_prompt_cache(model, options.get("max_kv_size"))
    for turn, prompt in enumerate((PROMPT, SECOND_PROMPT), start=1):
        steps = lm.generate_step(
            mx.array(_prompt(prompt)),
            model,
            max_tokens=tokens,
            sampler=mx.random.categorical,
            prompt_cache=caches,
            prefill_step_size=PREFILL,
            **options,
        )
        for index, (token, logprobs) in enumerate(steps):
            record.gave(f"turn {turn}, token {index}", "logprobs", logprobs)
            record.gave(f"turn {turn}, token {index}", "token", token)
        record.holds(f"turn {turn}, at its end", caches)
        taken = cache_module.trim_prompt_cache(caches, TAKEN_BACK)
        record.gave(f"turn {turn}, at its end", "trim_prompt_cache", taken)


def _batch(model: Any, record: Record, tokens: int, options: dict[str, Any]) -> None:
    """Prompts of unequal length that join while others run, end one by one, or are taken out."""
    lm = importlib.import_module("mlx_lm.generate")
    batch = lm.BatchGenerator(
        model,
        sampler=mx.random.categorical,
        prefill_batch_size=3,
        prefill_step_size=BATCH_PREFILL,
        **options,
    )
    seen: Counter[int] = Counter()
    third = max(1, tokens // 3)
    batch.insert([_prompt(5), _prompt(37), _prompt(21)], max_tokens=[third, 2 * tokens, 2 * third])
    _turn(batch, record, seen, third // 2)
    _, taken = batch.insert([_prompt(50), _prompt(9)], max_tokens=[third, PROMPT])
    _turn(batch, record, seen, third)
    ((caches, fed),) = batch.remove([taken], return_prompt_caches=True).values()
    record.holds(f"prompt {taken}, taken out", caches)
    _turn(batch, record, seen, 2)
    # It comes back with what it had, beside a newcomer, while the longest still runs.
    more = [_prompt(4), _prompt(12)]
    batch.insert(more, max_tokens=[third, third], caches=[caches, None], all_tokens=[fed, []])
    _turn(batch, record, seen, PROMPT + 2 * tokens)
    record.gave("the end", "tokens of each prompt", tuple(sorted(seen.items())))


def _turn(batch: Any, record: Record, seen: Counter[int], times: int) -> None:
    """Let a batch go on, and record every prompt's token, and its caches once it ends."""
    for _ in range(times):
        read, responses = batch.next()
        if not read and not responses:
            return
        for response in responses:
            token = f"prompt {response.uid}, token {seen[response.uid]}"
            seen[response.uid] += 1
            record.gave(token, "logprobs", response.logprobs)
            record.gave(token, "token", response.token)
            if response.prompt_cache is not None:
                record.holds(f"prompt {response.uid}, at its end", response.prompt_cache)


def _prompt(length: int, start: int = 0) -> list[int]:
    return [(start + 7 * n + n * n // 5) % VOCABULARY for n in range(length)]


def _cache_module() -> ModuleType:
    return importlib.import_module(TARGET)


@functools.cache
def _model(name: str) -> Any:
    return ZOO[name].build()
