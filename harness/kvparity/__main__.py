"""`python -m kvparity`, and the `kvparity` command."""

from kvparity.cli import main

if __name__ == "__main__":
    main()
