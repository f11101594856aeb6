"""Implementations by name: `kvimpl`, an mlx-lm release or commit, `python:pkg.module`."""

from __future__ import annotations

import importlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from kvoracle import releases, sources
from kvoracle.commits import Clone
from kvoracle.face import Face
from kvoracle.load import load
from kvoracle.sources import OracleError, Sources
from kvparity import output
from kvparity.play import InProcess
from kvscenarios.errors import nearest

KVIMPL = "kvimpl"
INSTALLED = "mlx-lm"
FORMS = (KVIMPL, INSTALLED, "mlx-lm==VERSION", "mlx-lm@COMMIT", "python:PACKAGE.MODULE")
REPO = "KVPARITY_REPO"
"""The environment variable that names the clone in which commits are looked up."""

_RELEASE = re.compile(r"^mlx-lm==(?P<version>[0-9][0-9A-Za-z.+!-]*)$")
_COMMIT = re.compile(r"^mlx-lm@(?P<revision>[0-9A-Za-z][\w./~^+-]*)$")
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


def is_own(name: str) -> bool:
    """Whether this is kvimpl, installed or from elsewhere on the path: our ledger speaks of it."""
    return name in {KVIMPL, f"python:{KVIMPL}"}


def check_name(name: str) -> None:
    """Raises UnknownName where a name is of no known form."""
    forms = (_RELEASE, _COMMIT, _MODULE)
    if name not in {KVIMPL, INSTALLED} and not any(form.match(name) for form in forms):
        hint = nearest(name, FORMS)
        raise UnknownName(f"no implementation is called {name!r}; {hint}")


def resolve(name: str) -> Implementation:
    """The implementation of this name; a module may stand where one works.

    Raises UnknownName and Missing.
    """
    check_name(name)
    if name == KVIMPL:
        return _of_module(KVIMPL, _import(KVIMPL))
    try:
        if name == INSTALLED:
            return of_sources(sources.installed())
        if release := _RELEASE.match(name):
            return of_sources(releases.release(release["version"]))
        if commit := _COMMIT.match(name):
            return of_sources(_clone().sources(commit["revision"]))
    except OracleError as error:
        raise Missing(str(error)) from error
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # behind everything else: it hides no package that is installed
    return _of_module(name, _import(name.partition(":")[2]))


def of_sources(found: Sources) -> Implementation:
    """A release's or a commit's caches. Raises OracleError where they do not load."""
    face = Face(found.name, *load(found))
    version = found.version if "==" in found.name else None
    return Implementation(found.name, version, found.origin, found.hashes, InProcess(face))


def _clone() -> Clone:
    path = os.environ.get(REPO)
    if not path:
        raise Missing(f"to look up a commit, name a clone of mlx-lm: --repo CLONE, or {REPO}")
    return Clone(Path(path))


def _import(module: str) -> ModuleType:
    here = Path.cwd()
    try:
        with output.kept_clear():
            return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise Missing(
            f"python:{module} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    finally:
        os.chdir(here)  # some go elsewhere meanwhile; what we write stays here


def _of_module(name: str, module: ModuleType) -> Implementation:
    version = getattr(module, "__version__", None)
    origin = getattr(module, "__file__", None) or name
    return Implementation(name, version, origin, {}, InProcess(Face(name, module)))
