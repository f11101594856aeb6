"""Compiled code kept beside the store, as Python keeps its own in `__pycache__`.

Compiling takes most of the time of loading a release: 17 of 20 ms. What cannot be kept is compiled
anew each time; what was damaged is not used.
"""

from __future__ import annotations

import hashlib
import importlib.util
import marshal
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import CodeType

from kvoracle import store

_DIGEST = hashlib.sha256().digest_size


def code(source: bytes, filename: str) -> CodeType:
    """The compiled source. Raises SyntaxError."""
    kept = store.directory() / "compiled" / _name(source, filename)
    found = _read(kept)
    if found is None:
        found = compile(source, filename, "exec")
        with suppress(OSError):
            _write(kept, found)
    return found


def _name(source: bytes, filename: str) -> str:
    """A name for this source under this Python."""
    python = f"{sys.implementation.cache_tag}-{sys.flags.optimize}"
    parts = (importlib.util.MAGIC_NUMBER, filename.encode(), source)
    return f"{hashlib.sha256(b'0'.join(parts)).hexdigest()}.{python}"


def _read(path: Path) -> CodeType | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, dumped = content[:_DIGEST], content[_DIGEST:]
    # Loading what is damaged would take the interpreter down.
    whole = hashlib.sha256(dumped).digest() == digest
    found = marshal.loads(dumped) if whole else None  # noqa: S302 - written by us, as a .pyc is
    return found if isinstance(found, CodeType) else None


def _write(path: Path, found: CodeType) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    dumped = marshal.dumps(found)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(hashlib.sha256(dumped).digest() + dumped)
    Path(temporary).replace(path)
