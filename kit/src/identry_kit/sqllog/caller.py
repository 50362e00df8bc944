"""Who sent a statement: the first frame outside SQLAlchemy and the kit. Looked for only when a line is written."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import FrameType, TracebackType

_INSIDE = frozenset({"sqlalchemy", "identry_kit", "asyncio"})
_LOOP = frozenset({"asyncio.events", "asyncio.base_events", "asyncio.runners"})
"""Beyond these is whoever runs the event loop; that is nobody's caller."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A line of code."""

    path: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def find_caller() -> Caller | None:
    """The innermost frame of the running call that is neither SQLAlchemy's, nor the kit's, nor asyncio's. None when
    there is none: a task may run one of their coroutines itself.

    Under an async engine SQLAlchemy runs in a greenlet whose parent is the coroutine that awaits it, so the search
    goes on there.
    """
    found = _outside(sys._getframe(1))  # noqa: SLF001 - the one way to look up the stack without building all of it
    greenlets = sys.modules.get("greenlet")
    if found is None and greenlets is not None:
        parent = greenlets.getcurrent().parent
        while found is None and parent is not None:
            found = _outside(parent.gr_frame)
            parent = parent.parent
    return found


def find_raiser(traceback: TracebackType | None) -> Caller | None:
    """The innermost line in `traceback` that is neither SQLAlchemy's nor the kit's."""
    found = None
    while traceback is not None:
        if not _inside(traceback.tb_frame):
            found = _caller(traceback.tb_frame, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def _outside(frame: FrameType | None) -> Caller | None:
    while frame is not None and frame.f_globals.get("__name__") not in _LOOP:
        if not _inside(frame):
            return _caller(frame, frame.f_lineno)
        frame = frame.f_back
    return None


def _inside(frame: FrameType) -> bool:
    """By module, not by file: SQLAlchemy compiles some of its functions from text, in a namespace without a name."""
    module = frame.f_globals.get("__name__")
    return not isinstance(module, str) or module.partition(".")[0] in _INSIDE


def _caller(frame: FrameType, line: int) -> Caller:
    return Caller(frame.f_code.co_filename, line, frame.f_code.co_qualname)
