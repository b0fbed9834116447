"""One file a command: what it does once its arguments are known to make sense."""

import sys

from benchmarks.core.escape import one_line


def warn(problem: object) -> None:
    """Tell of what is left out, on one line; the rest goes on."""
    print(f"warning: {one_line(problem)}", file=sys.stderr)
