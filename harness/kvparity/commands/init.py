"""`kvparity init`: what a repository needs to hold its caches against mlx-lm's in its own CI."""

from __future__ import annotations

from pathlib import Path

from kvparity import subjects
from kvparity.exitcodes import CONFORMS
from kvparity.mistakes import UsageError
from kvreports.runfile import write_whole

_TEMPLATES = Path(__file__).parents[1] / "templates"
_FILES = {
    "kvparity.toml": Path("kvparity.toml"),
    "kvparity-ledger.yaml": Path("kvparity-ledger.yaml"),
    "kvparity.yml": Path(".github", "workflows", "kvparity.yml"),
}


def command(subject: str) -> int:
    """Write the configuration, a first ledger and a workflow; nothing that is there is touched."""
    subjects.check_name(subject)
    there = [str(path) for path in _FILES.values() if path.exists()]
    if there:
        raise UsageError(f"not written over: {', '.join(there)}; nothing was written")
    for template, path in _FILES.items():
        text = (_TEMPLATES / template).read_text(encoding="utf-8")
        write_whole(path, text.replace("@SUBJECT@", subject))
        print(f"wrote  {path}")
    print("next   kvparity gate")
    return CONFORMS
