"""`python -m kvparity`, and the `kvparity` command.

Nothing heavy is imported before Ctrl-C is dealt with: it leaves with 130, and no traceback.
"""

import signal
import sys

from kvparity.exitcodes import INTERRUPTED


def main() -> None:
    """Run the command line."""
    interruptions = []

    def interrupt(number: int, _frame: object) -> None:
        interruptions.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    answered: list[int] = []
    try:
        from kvparity.cli import answered, app  # noqa: PLC0415 - takes its time

        app()
    except SystemExit:
        # Typer leaves with a code of its own where it is interrupted.
        if not interruptions or answered:
            raise
    except KeyboardInterrupt:
        print("kvparity: interrupted", file=sys.stderr)
    sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
