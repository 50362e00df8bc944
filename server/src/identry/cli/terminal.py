"""Plain words to the person at the terminal: what is wrong on standard error, what was asked for on standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from identry.core.db import Unavailable
from identry.settings import Problem


def say(text: str) -> None:
    """One line on standard output, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """One line on standard error, after the program's name."""
    sys.stderr.write(f"identry: {text}\n")
    sys.stderr.flush()


def complain_of(error: Exception, words: Callable[[str], str] = str) -> None:
    """Why it could not be done, in one line; of a database that does not answer also where to look.

    `words` puts what the error says into the words of the command.
    """
    hint = " (wrong DATABASE_URL, or PostgreSQL is not running there)" if isinstance(error, Unavailable) else ""
    complain(f"{words(str(error))}{hint}")


def list_problems(problems: Iterable[Problem]) -> None:
    """Every problem with the configuration, one a line, with what to do."""
    found = list(problems)
    complain(f"the configuration has {len(found)} problem{'s' if len(found) != 1 else ''}:")
    for problem in found:
        sys.stderr.write(f"  {problem}\n")
    sys.stderr.flush()
