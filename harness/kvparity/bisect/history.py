"""The commits between two revisions that touch the two files, merges included."""

from __future__ import annotations

from dataclasses import dataclass

from kvoracle.commits import PATHS, Clone
from kvoracle.sources import OracleError
from kvparity.bisect.search import History


@dataclass(frozen=True)
class Commit:
    """What a report says of a commit."""

    sha: str
    date: str
    author: str
    title: str
    link: str | None
    patch: str


def between(clone: Clone, good: str, bad: str) -> History:
    """The commits after `good` up to `bad` that touch the files, with those parents that do.

    `bad` itself is among them, whether it touches the files or not. Raises OracleError where
    `good` does not come before `bad`.
    """
    if clone.git("merge-base", good, bad) == bad and good != bad:
        raise OracleError(f"the bad revision {bad[:12]} comes before the good one: swap them")
    listed = clone.git(
        "rev-list", "--parents", "--topo-order", "--full-history", "--simplify-merges",
        f"{good}..{bad}", "--", *PATHS,
    )  # fmt: skip
    history = {}
    for line in listed.splitlines():
        commit, *parents = line.split()
        history[commit] = tuple(parents)
    if bad not in history:
        children = {parent for parents in history.values() for parent in parents}
        history[bad] = tuple(commit for commit in history if commit not in children)
    return history


def described(clone: Clone, sha: str) -> Commit:
    """A commit with what it did to the two files."""
    date, author, title = clone.git("show", "-s", "--format=%cs%n%an%n%s", sha).split("\n", 2)
    patch = clone.git("show", "--format=", "--first-parent", "-m", sha, "--", *PATHS)
    return Commit(sha, date, author, title, _link(clone, sha), patch)


def _link(clone: Clone, sha: str) -> str | None:
    """The commit's page, where the clone came from a host that has pages."""
    try:
        url = clone.git("remote", "get-url", "origin")
    except OracleError:
        return None
    if not url.startswith("https://"):
        return None
    return f"{url.removesuffix('.git')}/commit/{sha}"
