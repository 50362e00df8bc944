"""The command line. Each command is one module; this one only decides which to load.

`identry serve` is kept apart: the process that forks the workers must not carry a command-line library into them.
"""

from __future__ import annotations

import gc
import io
import sys


def main() -> None:
    """The entry point of the `identry` program."""
    for stream in (sys.stdout, sys.stderr):  # a terminal or pipe that knows fewer letters gets escapes, no traceback
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.argv[1:] == ["serve"]:
        gc.disable()  # what is loaded stays: looking through it again and again is an eighth of the start
        from identry.cli.serve import serve

        sys.exit(serve())
    from identry.cli.commands import program

    program()
