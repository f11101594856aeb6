"""Puts a module in the place of `mlx_lm.models.cache`, for the rest of the process.

mlx-lm's models make and test for the cache classes that they imported, so the stand-in must be
found before any of them is. What the stand-in lacks is lacking: an import of it fails.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PACKAGE = "mlx_lm"
TARGET = f"{PACKAGE}.models.cache"


class _StandIn(MetaPathFinder, Loader):
    """Finds `mlx_lm.models.cache`, and fills it with another module's names."""

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        return ModuleSpec(fullname, self) if fullname == TARGET else None

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._names)


def stand_in(module: ModuleType) -> None:
    """Let everything that is imported from now on find `module` under mlx-lm's name.

    The module may itself be built on mlx-lm's caches: what it imported of mlx-lm stays its own, and
    everybody else imports mlx-lm anew.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    names = {name: value for name, value in vars(module).items() if not name.startswith("__")}
    sys.meta_path.insert(0, _StandIn(names))
