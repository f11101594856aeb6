"""What is installed here, for the few tests that it matters to."""

from __future__ import annotations

import importlib.metadata

import pytest
from packaging.version import Version

_MLX = Version(importlib.metadata.version("mlx"))
_MLX_LM = Version(importlib.metadata.version("mlx-lm"))

PINNED_SAVES_EMPTY_CACHES = Version("0.32.1") <= _MLX
"""mlx before 0.32.1 saves no array without elements, and the pinned mlx-lm writes nothing as one."""

needs_models_of_today = pytest.mark.skipif(
    Version("0.32") > _MLX_LM,
    reason="before 0.32.0 mlx-lm's models do not run to the end on mlx-lm's own caches",
)
