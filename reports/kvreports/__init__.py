"""The run file and everything drawn from it, and from it alone."""
