"""`python -m kvparity`, and the `kvparity` command.

Nothing heavy is imported before Ctrl-C is dealt with: it leaves with 130, and no traceback.
"""

import sys

from kvparity import ending, interruptions, output
from kvparity.exitcodes import COULD_NOT_RUN, INTERRUPTED


def main() -> None:
    """Run the command line."""
    if not output.fit():
        print("kvparity: standard output is closed", file=sys.stderr)
        sys.exit(COULD_NOT_RUN)
    ending.guarded()
    interruptions.heed()
    answered: list[int] = []
    try:
        from kvparity.cli import answered, app  # noqa: PLC0415 - takes its time

        app()
    except SystemExit as leaving:
        # Typer leaves with a code of its own where it is interrupted.
        if answered or not (interruptions.noted() or _is_foreign(leaving)):
            raise
        if not interruptions.noted():
            print(f"kvparity: something called exit({leaving.code!r})", file=sys.stderr)
            sys.exit(COULD_NOT_RUN)
    except KeyboardInterrupt:
        pass
    except OSError as error:  # of typer's own: the help, and what it says of wrong options
        from kvparity.mistakes import exit_code_of  # noqa: PLC0415 - takes its time

        sys.exit(exit_code_of(error))
    print("kvparity: interrupted", file=sys.stderr)
    sys.exit(INTERRUPTED)


def _is_foreign(leaving: SystemExit) -> bool:
    """Whether it is none of typer's own: those come of an exception that has the code."""
    return not hasattr(leaving.__context__, "exit_code")


if __name__ == "__main__":
    main()
