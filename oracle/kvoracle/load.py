"""Loads a release's two files as a package of their own, beside any number of others.

`from .base import ...` and `from .cache import ...` inside them resolve to each other, whichever
comes first, as they do in mlx-lm. The file names are kept, so that tracebacks and line traces show
the source.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import linecache
import re
import sys
from collections.abc import Sequence
from types import ModuleType

from kvoracle.compiled import code
from kvoracle.sources import OracleError, Sources

PACKAGE = "kvoracle._loaded"


class _Loader(importlib.abc.Loader):
    def __init__(self, source: bytes, filename: str) -> None:
        self._source = source
        self._filename = filename

    def exec_module(self, module: ModuleType) -> None:
        text = self._source.decode()
        lines = text.splitlines(keepends=True)
        linecache.cache[self._filename] = (len(text), None, lines, self._filename)
        exec(code(self._source, self._filename), module.__dict__)  # noqa: S102 - the point


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the packages that stand for releases, and the two modules in each."""

    def __init__(self) -> None:
        self.releases: dict[str, Sources] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname == PACKAGE or not fullname.startswith(PACKAGE):
            return _package(fullname) if fullname == PACKAGE else None
        parts = fullname.removeprefix(PACKAGE + ".").split(".")
        sources = self.releases.get(parts[0])
        if sources is None:
            return None
        if len(parts) == 1 or parts[1:] == ["models"]:
            return _package(fullname)
        if parts[1:-1] != ["models"] or parts[-1] not in ("base", "cache"):
            return None
        source = sources.cache if parts[-1] == "cache" else sources.base
        filename = f"<{sources.name}>/models/{parts[-1]}.py"
        return importlib.machinery.ModuleSpec(fullname, _Loader(source, filename), origin=filename)


def _package(fullname: str) -> importlib.machinery.ModuleSpec:
    spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
    spec.submodule_search_locations = []
    return spec


_FINDER = _Finder()


def load(sources: Sources) -> tuple[ModuleType, ModuleType]:
    """The release's `cache` and `base` modules; the same pair for the same sources.

    Raises OracleError where they do not load under this mlx.
    """
    if _FINDER not in sys.meta_path:
        sys.meta_path.append(_FINDER)
    slug = "v" + re.sub(r"\W", "_", sources.version) + "_" + sources.hashes["cache.py"][:8]
    slug += sources.hashes["base.py"][:8]
    _FINDER.releases[slug] = sources
    try:
        cache = importlib.import_module(f"{PACKAGE}.{slug}.models.cache")
        base = importlib.import_module(f"{PACKAGE}.{slug}.models.base")
    except (Exception, SystemExit) as error:
        raise OracleError(
            f"{sources.name} does not load here: {type(error).__name__}: {error}"
        ) from error
    return cache, base
