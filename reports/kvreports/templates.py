"""What every page is made with: the templates, the style, and a policy that lets nothing be loaded.

What a page says is worked out elsewhere; text that goes through here is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from platformdirs import user_cache_path

from kvreports.overview import link
from kvreports.words import plain

_PAGE = Path(__file__).parent / "page"


def drawn(template: str, script: str = "", **parts: Any) -> str:
    """A page of this template. Control characters in its text are spelled out."""
    style = _asset("page.css")
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own files
            policy=_policy(style, script),
            **parts,
        )
    )


@cache
def scripts() -> str:
    """The scripts in the order of their names, in a scope of their own."""
    parts = (path.read_text(encoding="utf-8") for path in sorted((_PAGE / "script").glob("*.js")))
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n"


@cache
def _asset(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_PAGE),
        bytecode_cache=_compiled(),
        autoescape=True,
        finalize=_spelled,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shell"] = shlex.join
    environment.globals["link"] = link
    return environment


def _compiled() -> FileSystemBytecodeCache | None:
    """Where compiled templates are kept: compiling them costs more than drawing most pages."""
    directory = user_cache_path("kvparity") / "templates"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    writable = os.access(directory, os.W_OK)
    return FileSystemBytecodeCache(str(directory)) if writable else None


def _spelled(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return plain(value, keep="\n\t")
    return value


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded; the style and the script on the page are named by their hashes."""
    allowed = f"script-src {_source(script)}" if script else "script-src 'none'"
    return (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src {_source(style)}; {allowed}"
    )


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
