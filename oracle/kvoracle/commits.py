"""mlx-lm's two files at any commit of a local clone: nothing is checked out or installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kvoracle.sources import FILES, OracleError, Sources

ROOTS = ("mlx_lm", "llms/mlx_lm")
"""Where the package is in the repository: at its root since March 2025, below `llms` before."""
PATHS = tuple(f"{root}/models/{stem}.py" for root in ROOTS for stem in FILES)


class Clone:
    """A local clone of mlx-lm. Raises OracleError where it is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_dir():
            raise OracleError(f"{path}: no such directory")
        try:
            self.git("rev-parse", "--git-dir")
        except OracleError:
            raise OracleError(f"{path} is no git repository: clone mlx-lm there") from None

    def git(self, *words: str) -> str:
        """What a git command prints. Raises OracleError with what git said."""
        return self._git(*words).decode(errors="replace").strip()

    def commit(self, revision: str) -> str:
        """The full name of a commit. Raises OracleError."""
        try:
            return self.git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        except OracleError:
            shallow = self.git("rev-parse", "--is-shallow-repository") == "true"
            hint = "; the clone is shallow: git fetch --unshallow" if shallow else ""
            raise OracleError(f"{self.path} has no commit {revision!r}{hint}") from None

    def sources(self, revision: str) -> Sources:
        """The two files at a revision. Raises OracleError."""
        commit = self.commit(revision)
        for root in ROOTS:
            try:
                base, cache = (self._git("show", f"{commit}:{root}/models/{f}.py") for f in FILES)
            except OracleError:
                continue
            name = f"mlx-lm@{commit[:12]}"
            return Sources(name, commit, base, cache, f"{self.path}, {root}/models")
        raise OracleError(f"{self.path} at {revision} has no {PATHS[1]}: is it a clone of mlx-lm?")

    def _git(self, *words: str) -> bytes:
        try:
            done = subprocess.run(  # noqa: S603 - git, with revisions after --verify or as one word
                ["git", "-C", str(self.path), *words],  # noqa: S607 - whichever git is installed
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            raise OracleError("git is not installed") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise OracleError(said.splitlines()[-1] if said else f"git {words[0]} failed")
        return done.stdout
