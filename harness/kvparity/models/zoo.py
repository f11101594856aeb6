"""The models: mlx-lm's own architectures at a few thousand parameters, with random weights.

Each is there for the kinds of cache that it makes and for how it uses them. Sizes are chosen so
that a prompt of a few hundred tokens passes every boundary: steps of 256 rows, windows, chunks.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
from mlx.utils import tree_map

from kvparity.subjects import UnknownName
from kvscenarios.errors import nearest

SEED = 7
VOCABULARY = 64
_NOISE = 0.1
"""Added to every weight: some start as zeros or ones, and would hide what is multiplied by them."""


@dataclass(frozen=True)
class Recipe:
    """A model to build, and how to run it.

    `architecture` is a module of `mlx_lm.models`; `config` is what its `ModelArgs` takes; `options`
    goes to `generate_step`; `not_batched` says why the model is not run in a batch, if it is not.
    """

    name: str
    exercises: str
    architecture: str
    config: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)
    not_batched: str | None = None

    def build(self) -> Any:
        """The model, with the same random float32 weights every time."""
        module = importlib.import_module(f"mlx_lm.models.{self.architecture}")
        mx.random.seed(SEED)
        arguments = module.ModelArgs.from_dict({"model_type": self.architecture, **self.config})
        model = module.Model(arguments)
        model.update(tree_map(_perturbed, model.parameters()))
        mx.eval(model.parameters())
        return model


def _perturbed(weight: mx.array) -> mx.array:
    return weight + _NOISE * mx.random.normal(weight.shape, weight.dtype)


_ATTENTION = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}
_WIDE = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32}

_RECIPES = (
    Recipe("llama", "KVCache past a step of 256", "llama", _ATTENTION),
    Recipe(
        "llama-kv4",
        "KVCache turned into QuantizedKVCache amid the prompt: 4 bits in groups of 32",
        "llama",
        _ATTENTION | _WIDE,
        {"kv_bits": 4, "kv_group_size": 32, "quantized_kv_start": 100},
        not_batched="mlx-lm does not batch quantized caches",
    ),
    Recipe(
        "qwen3-ring",
        "RotatingKVCache that pins 4 tokens, as max_kv_size makes it",
        "qwen3",
        _ATTENTION,
        {"max_kv_size": 48},
    ),
    Recipe(
        "gemma3",
        "RotatingKVCache and KVCache in turn, windows in masks",
        "gemma3_text",
        _ATTENTION
        | {
            "query_pre_attn_scalar": 16,
            "sliding_window": 24,
            "sliding_window_pattern": 3,
            "num_hidden_layers": 4,
        },
    ),
    Recipe(
        "llama4",
        "ChunkedKVCache, slid before every update, and KVCache",
        "llama4",
        {
            "text_config": _ATTENTION
            | {
                "model_type": "llama4_text",
                "num_hidden_layers": 4,
                "attention_bias": False,
                "attention_chunk_size": 48,
                "interleave_moe_layer_step": 2,
                "intermediate_size_mlp": 48,
                "num_experts_per_tok": 1,
                "num_local_experts": 2,
                "rope_scaling": None,
                "use_qk_norm": True,
            }
        },
        not_batched="mlx-lm does not batch chunked caches",
    ),
    Recipe(
        "mamba2",
        "ArraysCache of two slots, with lengths that advance",
        "mamba2",
        {
            "num_heads": 4,
            "head_dim": 16,
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "intermediate_size": 64,
            "state_size": 8,
            "num_hidden_layers": 3,
            "layer_norm_epsilon": 1e-5,
            "conv_kernel": 4,
            "n_groups": 2,
            "use_bias": False,
            "use_conv_bias": True,
            "tie_word_embeddings": False,
            "time_step_limit": (0.0, 100.0),
            "time_step_rank": "auto",
        },
    ),
    Recipe(
        "lfm2",
        "ArraysCache of one slot and KVCache in turn",
        "lfm2",
        _ATTENTION
        | {
            "num_hidden_layers": 4,
            "norm_eps": 1e-5,
            "conv_bias": False,
            "conv_L_cache": 3,
            "block_dim": 32,
            "block_multiple_of": 8,
            "block_ffn_dim_multiplier": 1.0,
            "block_auto_adjust_ff_dim": False,
            "full_attn_idxs": [1, 3],
        },
    ),
    Recipe(
        "falcon-h1",
        "CacheList of ArraysCache and KVCache in every layer",
        "falcon_h1",
        _ATTENTION
        | {
            "mamba_d_ssm": 64,
            "mamba_n_heads": 4,
            "mamba_d_head": 16,
            "mamba_d_state": 8,
        },
    ),
    Recipe(
        "baichuan-m1",
        "CacheList of ArraysCache with RotatingKVCache or KVCache",
        "baichuan_m1",
        _ATTENTION
        | {
            "num_hidden_layers": 4,
            "sliding_window": 24,
            "sliding_window_layers": [1, 3],
            "conv_window": 2,
        },
    ),
)
ZOO = {recipe.name: recipe for recipe in _RECIPES}


def pick(names: Sequence[str]) -> list[Recipe]:
    """The models of these names, all of them where none is given. Raises UnknownName."""
    for name in names:
        if name not in ZOO:
            raise UnknownName(f"no model is called {name!r}; {nearest(name, ZOO)}")
    return [ZOO[name] for name in dict.fromkeys(names)] or list(ZOO.values())
