"""Implementations by name: `kvimpl`, `mlx-lm`, `mlx-lm==0.31.3`, `python:pkg.module`."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from types import ModuleType

import kvimpl
from kvoracle import sources
from kvoracle.face import Face
from kvoracle.load import load
from kvoracle.sources import OracleError
from kvparity.play import InProcess
from kvscenarios.errors import nearest

KVIMPL = "kvimpl"
INSTALLED = "mlx-lm"
FORMS = (KVIMPL, INSTALLED, "mlx-lm==VERSION", "python:PACKAGE.MODULE")

_RELEASE = re.compile(r"^mlx-lm==(?P<version>[0-9][0-9A-Za-z.+!-]*)$")
_MODULE = re.compile(r"^python:(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)$")


class UnknownName(ValueError):  # noqa: N818 - says what is wrong
    """A name of no known form: wrong usage."""


class Missing(Exception):  # noqa: N818 - says what is wrong
    """A name of a known form whose implementation is not to be had here."""


@dataclass(frozen=True)
class Implementation:
    """An implementation ready to play, and what a report says of it."""

    name: str
    version: str | None
    origin: str
    hashes: dict[str, str]
    driver: InProcess

    @property
    def face(self) -> Face:
        """The implementation's face."""
        return self.driver.face


def resolve(name: str) -> Implementation:
    """The implementation of this name. Raises UnknownName and Missing."""
    if name == KVIMPL:
        return _of_module(KVIMPL, kvimpl)
    if name == INSTALLED:
        return _release(None)
    if release := _RELEASE.match(name):
        return _release(release["version"])
    if module := _MODULE.match(name):
        return _of_module(name, _import(module["module"]))
    hint = nearest(name, FORMS)
    raise UnknownName(f"no implementation is called {name!r}; {hint}")


def _release(version: str | None) -> Implementation:
    try:
        found = sources.installed()
        if version not in (None, found.version):
            raise Missing(
                f"mlx-lm=={version} is not to be had here: {found.name} is installed; "
                f"pip install mlx-lm=={version}, or leave the version out"
            )
        cache, base = load(found)
    except OracleError as error:
        raise Missing(str(error)) from error
    face = Face(found.name, cache, base)
    return Implementation(found.name, found.version, found.origin, found.hashes, InProcess(face))


def _import(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise Missing(
            f"python:{module} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _of_module(name: str, module: ModuleType) -> Implementation:
    version = getattr(module, "__version__", None)
    origin = getattr(module, "__file__", None) or name
    return Implementation(name, version, origin, {}, InProcess(Face(name, module)))
