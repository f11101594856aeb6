"""The child that plays one scenario under the mlx of its environment, for `kvparity.overmlx`.

The scenario comes on standard input, the reference's name as the argument; the trace goes to
standard output.
"""

from __future__ import annotations

import pickle
import sys

from kvparity import subjects
from kvparity.program import Program
from kvscenarios import load_text


def main() -> None:
    """Play and hand over the trace."""
    (scenario,) = load_text(sys.stdin.read())
    implementation = subjects.resolve(sys.argv[1])
    trace = implementation.driver.play(Program(scenario))
    sys.stdout.buffer.write(pickle.dumps(trace))
