"""One scenario under several versions of mlx, each in an environment of its own.

An environment holds that mlx and nothing else; everything besides comes from the environment that
this process runs in. It is made once, with uv where that is installed and venv otherwise, and kept
in the store beside the releases. The scenario is played in a child process.
"""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kvoracle import releases, store
from kvoracle.sources import OracleError
from kvparity.timeline import Played
from kvparity.trace import Trace
from kvscenarios import Scenario
from kvscenarios.writer import as_yaml

VERSIONS = ("0.29.1", "0.30.6", "0.31.2", "0.32.4")
"""The lowest mlx that is allowed, and the last of each series since."""
_TIMEOUT = 600
_CHILD = "import sys; sys.path += sys.argv[2:]; from kvparity.mlxchild import main; main()"


def played(
    scenario: Scenario,
    reference: str,
    versions: Sequence[str],
    advance: Callable[[str], None],
) -> list[Played]:
    """The scenario's trace on a reference under each mlx. Raises OracleError."""
    traces = []
    for version in versions:
        advance(version)
        traces.append(Played(f"mlx {version}", _trace(_python(version), scenario, reference)))
    return traces


def _python(version: str) -> Path:
    """The interpreter of an environment with this mlx, which is made if it is not there."""
    environment = store.root() / "mlx" / version
    python = environment / "bin" / "python"
    if python.exists():
        return python
    if releases.offline():
        raise OracleError(f"there is no environment with mlx {version} yet, and this is offline")
    with store.workspace() as directory:
        made = directory / "environment"
        _make(made, version)
        environment.parent.mkdir(parents=True, exist_ok=True)
        if not environment.exists():
            made.replace(environment)
    return python


def _make(environment: Path, version: str) -> None:
    wanted = f"mlx[cpu]=={version}" if sys.platform == "linux" else f"mlx=={version}"
    python = str(environment / "bin" / "python")
    uv = shutil.which("uv")
    if uv is not None:
        commands = [
            [uv, "venv", "-q", "--python", sys.executable, str(environment)],
            [uv, "pip", "install", "-q", "--python", python, wanted],
        ]
    else:
        commands = [
            [sys.executable, "-m", "venv", str(environment)],
            [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", wanted],
        ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            said = (done.stderr.strip() or "nothing was said").splitlines()[-1]
            raise OracleError(f"no environment with mlx {version} could be made: {said}")


def _trace(python: Path, scenario: Scenario, reference: str) -> Trace:
    # Behind the environment's own packages, those of this one: all but mlx is the same for each.
    paths = [path for path in sys.path if path and Path(path).is_dir()]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(  # noqa: S603 - an interpreter that we made, and this package
        [str(python), "-c", _CHILD, reference, *paths],
        input=as_yaml(scenario).encode(),
        capture_output=True,
        check=False,
        timeout=_TIMEOUT,
        env=environment,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise OracleError(f"the scenario cannot be played in {python}: {said.splitlines()[-1]}")
    trace = pickle.loads(done.stdout)  # noqa: S301 - written by our own child
    assert isinstance(trace, Trace)  # noqa: S101 - narrows the type
    return trace
