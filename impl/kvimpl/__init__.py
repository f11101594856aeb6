"""kvimpl: mlx-lm's KV caches, hardened.

Drop-in for ``mlx_lm.models.cache`` in names and call signatures. On valid input every result is
mlx-lm's, bit for bit. Beyond that, an operation either happens or raises a typed error and leaves
the cache as it was, no array is shared with the caller, and restored state is checked.
"""

from .arrays import ArraysCache
from .base import BaseCache, KeysValuesCache
from .batch import BatchKVCache
from .batch_rotating import BatchRotatingKVCache
from .cache_list import CacheList
from .chunked import ChunkedKVCache
from .concatenate import ConcatenateKVCache
from .errors import (
    ArithmeticOverflowError,
    CacheError,
    CapExceededError,
    DtypeMismatchError,
    InvariantViolationError,
    LayerError,
    LengthMismatchError,
    MetaParseError,
    MissingKeyError,
    OutOfRangeError,
    RankMismatchError,
    ShapePairMismatchError,
    UnknownKindError,
)
from .files import load_prompt_cache, save_prompt_cache
from .lru import LRUPromptCache
from .masks import MAX_MASK_INDEX, MAX_POSITION, create_attention_mask, create_causal_mask
from .prompt import can_trim_prompt_cache, make_prompt_cache, trim_prompt_cache
from .quantized import QuantizedKVCache
from .restore import from_state
from .roll import dynamic_roll
from .rotating import RotatingKVCache
from .standard import KVCache
from .tokens import TokenBuffer
from .trie import PromptTrie, PromptTrieResult

__all__ = [
    "MAX_MASK_INDEX",
    "MAX_POSITION",
    "ArithmeticOverflowError",
    "ArraysCache",
    "BaseCache",
    "BatchKVCache",
    "BatchRotatingKVCache",
    "CacheError",
    "CacheList",
    "CapExceededError",
    "ChunkedKVCache",
    "ConcatenateKVCache",
    "DtypeMismatchError",
    "InvariantViolationError",
    "KVCache",
    "KeysValuesCache",
    "LRUPromptCache",
    "LayerError",
    "LengthMismatchError",
    "MetaParseError",
    "MissingKeyError",
    "OutOfRangeError",
    "PromptTrie",
    "PromptTrieResult",
    "QuantizedKVCache",
    "RankMismatchError",
    "RotatingKVCache",
    "ShapePairMismatchError",
    "TokenBuffer",
    "UnknownKindError",
    "can_trim_prompt_cache",
    "create_attention_mask",
    "create_causal_mask",
    "dynamic_roll",
    "from_state",
    "load_prompt_cache",
    "make_prompt_cache",
    "save_prompt_cache",
    "trim_prompt_cache",
]
