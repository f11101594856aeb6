"""A release's wheel from the package index, by pip as the user has configured it, or by uv's pip.

Nothing is installed, and nothing of the wheel is run.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from kvoracle import lock, store
from kvoracle.sources import DISTRIBUTION, FILES, OracleError

_LISTED = re.compile(r"\(from versions: (?P<versions>[^)]*)\)")
_YANKED = re.compile(r"Reason for being yanked: (?P<reason>.*)")


def download(version: str) -> tuple[store.Wheel, str | None]:
    """A release's wheel, and why it was yanked if it was. Raises OracleError and OSError."""
    with store.workspace() as directory:
        said = _pip_download(version, directory)
        wheels = list(directory.glob("*.whl"))
        if len(wheels) != 1:
            raise OracleError(f"pip brought no wheel of {DISTRIBUTION}=={version}: {_last(said)}")
        yanked = _YANKED.search(said)
        return _opened(wheels[0]), yanked["reason"].strip() if yanked else None


def _pip_download(version: str, directory: Path) -> str:
    """What pip said on standard error. Raises OracleError."""
    only_the_wheel = ["--no-deps", "--only-binary", ":all:", "--dest", str(directory)]
    done = subprocess.run(  # noqa: S603 - the version has been checked to be one
        [
            *_pip(),
            "download",
            "--quiet",
            "--no-input",
            *only_the_wheel,
            f"{DISTRIBUTION}=={version}",
        ],
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OracleError(_why(version, done.stderr))
    return done.stderr


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    uv = shutil.which("uv")
    if uv is None:
        raise OracleError("there is neither pip nor uv here to fetch a release with")
    return [uv, "--quiet", "tool", "run", "pip"]


def _why(version: str, said: str) -> str:
    listed = _LISTED.search(said)
    known = [] if listed is None else listed["versions"].replace(" ", "").split(",")
    if known in ([], ["none"]):
        return f"{DISTRIBUTION}=={version} could not be fetched; pip said: {_last(said)}"
    near = ", ".join(lock.nearest(version, known))
    was = "was taken back from" if version in lock.releases() else "is not on"
    return f"{DISTRIBUTION}=={version} {was} the package index; the nearest there: {near}"


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["nothing"])[0]


def _opened(wheel: Path) -> store.Wheel:
    try:
        with zipfile.ZipFile(wheel) as archive:
            base, cache = (archive.read(f"mlx_lm/models/{stem}.py") for stem in FILES)
    except (zipfile.BadZipFile, KeyError) as error:
        raise OracleError(f"{wheel.name} is no wheel of {DISTRIBUTION}: {error}") from None
    return store.Wheel(wheel.name, base, cache)
