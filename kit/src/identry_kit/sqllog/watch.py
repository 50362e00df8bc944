"""Not found: what SQLAlchemy has no event for."""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType

from identry_kit.sqllog.fields import Statement
from identry_kit.sqllog.lines import Line, Lines


class Watch(AbstractContextManager[None]):
    """A block in which a `NoResultFound` is told, with the last statement before it. The exception goes on."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self._outer: Watch | None = None
        self._last = Statement("", None, -1, None)
        self._waiting: Line | None = None
        self._told: BaseException | None = None

    def __enter__(self) -> None:
        self._outer = watching.get()
        watching.set(self)

    def saw(self, statement: Statement, line: Line | None) -> None:
        """A statement ended. Its line waits; of the one before it is now known that its row was found."""
        self.flush()
        self._last, self._waiting = statement, line

    def flush(self) -> None:
        """Write the line that waits."""
        self.lines.write(self._waiting)
        self._waiting = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        watching.set(self._outer)  # not a reset: a block in a generator may end in another context
        if error is None or error is self._told or not _is_not_found(error):
            self.flush()
            return
        if self._outer is not None:
            self._outer.tell(error)
        self.lines.write(self.lines.of_not_found(self._last, error))

    def tell(self, error: BaseException) -> None:
        """An inner block has told this error."""
        self._told = error


watching: ContextVar[Watch | None] = ContextVar("identry_kit.sqllog.watch", default=None)
"""The innermost block around what runs now."""


def _is_not_found(error: BaseException) -> bool:
    try:
        from sqlalchemy.exc import NoResultFound
    except ImportError:
        return False
    return isinstance(error, NoResultFound)
