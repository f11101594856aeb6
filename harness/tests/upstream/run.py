"""Runs mlx-lm's own tests of its caches, byte for byte as released, with kvimpl in their place.

    python harness/tests/upstream/run.py [pytest's arguments]

Fetches the source distribution of the installed mlx-lm release, takes the test files out of it, and
runs them with `plugin.py`. Leaves with pytest's exit code, 0 where exactly the tests that
`not_passing.yaml` lists do not pass, or 3 where the release cannot be fetched.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

TESTS = ("test_prompt_cache.py", "test_generate.py", "test_server.py")
COULD_NOT_RUN = 3


def main(arguments: list[str]) -> int:
    release = f"mlx-lm=={importlib.metadata.version('mlx-lm')}"
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        # mlx-lm alone from source: pip would build what builds it from source as well.
        fetch = ["download", "--quiet", "--no-deps", "--no-binary", "mlx-lm", release]
        fetched = subprocess.run(
            [sys.executable, "-m", "pip", *fetch, "--dest", scratch], check=False
        )
        archives = list(directory.glob("*.tar.gz"))
        if fetched.returncode or not archives:
            print(f"the source distribution of {release} cannot be fetched", file=sys.stderr)
            return COULD_NOT_RUN
        _take_tests(archives[0], directory)
        return _run(directory, arguments)


def _take_tests(archive: Path, directory: Path) -> None:
    """Write the test files, and nothing else: beside them, mlx-lm's sources would be imported."""
    with tarfile.open(archive) as sources:
        for name in TESTS:
            member = sources.extractfile(f"{archive.name.removesuffix('.tar.gz')}/tests/{name}")
            assert member is not None, f"{archive.name} has no tests/{name}"
            (directory / name).write_bytes(member.read())


def _run(directory: Path, arguments: list[str]) -> int:
    own = {
        "PYTHONPATH": str(Path(__file__).parent),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": str(directory),
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "plugin",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "-ra",
    ]
    command += ["--rootdir", str(directory), *TESTS, *arguments]
    return subprocess.run(command, cwd=directory, env={**os.environ, **own}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
