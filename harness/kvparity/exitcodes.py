"""What the command line's exit codes mean."""

CONFORMS = 0
"""Conforms, declared divergences included."""
DIVERGES = 1
USAGE = 2
"""Wrong usage, or a scenario, ledger or configuration that cannot be read."""
COULD_NOT_RUN = 3
"""A driver, a reference or a file is missing."""
INTERRUPTED = 130
"""Ctrl-C: what a shell calls 128 + SIGINT."""
CANNOT_JUDGE = 125
"""Neither good nor bad: what `git bisect run` passes over."""
