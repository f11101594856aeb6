"""kvparity: whether a KV cache behaves like mlx-lm's, step by step and token by token."""

__version__ = "0.1.0"
