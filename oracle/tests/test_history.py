"""Since when there is what, as the sources of all releases say."""

from __future__ import annotations

import pytest

from kvoracle import history
from kvoracle.sources import Sources


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("KVCache", " (mlx-lm has it since 0.19.1)"),
        ("KVCache.size", " (mlx-lm has it since 0.30.4)"),
        ("KVCache.nbytes", " (mlx-lm has it since 0.31.0)"),
        ("LRUPromptCache", " (mlx-lm has it since 0.31.2)"),
        ("base.create_causal_mask(left_padding)", " (mlx-lm has it since 0.28.0)"),
        ("MambaCache", " (mlx-lm had it from 0.19.1 to 0.30.5)"),
        ("KVCache.meta_state", " (mlx-lm had it from 0.19.1 to 0.31.3)"),
        ("NoSuchCache", ""),
    ],
)
def test_the_table_knows_when_things_came_and_went(name: str, said: str) -> None:
    assert history.note(name) == said


def test_inherited_members_and_parameters_are_named_and_setters_are_not() -> None:
    cache = b"""
class _Base:
    @property
    def state(self): ...
    @state.setter
    def state(self, v): ...
    def trim(self, n): ...
    def hidden(self): ...
class Cache(_Base):
    def __init__(self, size, *, step=1): ...
    def trim(self, n, far=False): ...
    def _private(self): ...
def free(x): ...
"""
    found = history.names(Sources("x", "1", b"def mask(N): ...", cache, ""))
    assert found == {
        "Cache", "Cache(size)", "Cache(step)", "Cache.state", "Cache.trim", "Cache.trim(n)",
        "Cache.trim(far)", "Cache.hidden", "free", "free(x)", "base.mask", "base.mask(N)",
    }  # fmt: skip
