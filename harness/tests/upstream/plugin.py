"""A pytest plugin that lets mlx-lm's own tests run unmodified on kvimpl's caches, without a network.

It is loaded (`-p`) before any test module. It puts kvimpl in the place of `mlx_lm.models.cache`,
and a tiny random model with a tiny tokenizer in the place of what `mlx_lm.utils.load` downloads.
Every test must pass, but for those in `not_passing.yaml`, which must not.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

import kvimpl
from kvparity.models.swap import stand_in
from kvparity.models.zoo import VOCABULARY, Recipe

LISTED = Path(__file__).with_name("not_passing.yaml")
MODEL = Recipe(
    "the model that mlx-lm's tests download",
    "an architecture that leaves its caches to make_prompt_cache, as that one does",
    "qwen3",
    {
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,  # a group of the default quantization
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
    },
)
CHAT = "user {% for message in messages %}{{ message.content }} {% endfor %}assistant"


def pytest_configure() -> None:
    stand_in(kvimpl)
    utils: Any = importlib.import_module("mlx_lm.utils")
    utils.load = _load


def pytest_report_header() -> str:
    cache: Any = importlib.import_module("mlx_lm.models.cache")
    return f"mlx_lm.models.cache.KVCache is {cache.KVCache!r}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reasons: dict[str, str] = yaml.safe_load(LISTED.read_text())
    for item in items:
        test = item.nodeid.rpartition("/")[2]
        if test in reasons:
            item.add_marker(pytest.mark.xfail(reason=reasons.pop(test), strict=True))
    if reasons:
        raise pytest.UsageError(f"{LISTED.name} names tests that are not there: {list(reasons)}")


@functools.cache
def _load(*_args: Any, **_options: Any) -> tuple[Any, Any]:
    """The tiny model and tokenizer, whatever is asked for."""
    return MODEL.build(), _tokenizer()


def _tokenizer() -> Any:
    """Words as tokens: a few that mlx-lm's tests know, the rest only to fill the vocabulary."""
    from mlx_lm.tokenizer_utils import TokenizerWrapper
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["!", "<eos>", "<unk>", "this", "is", "a", "prompt", "user", "assistant"]
    words += [f"w{n}" for n in range(len(words), VOCABULARY)]
    vocabulary = {word: n for n, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.Fuse()
    special = {"unk_token": "<unk>", "eos_token": "<eos>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=CHAT, **special)
    return TokenizerWrapper(fast)
