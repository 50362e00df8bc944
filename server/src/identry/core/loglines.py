"""Request lines on their way to a stream: made and written together, a few milliseconds after their requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

_encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode

_ATOMIC = 4096
"""PIPE_BUF on Linux: a write of at most so many bytes to a pipe that workers share is not mixed with another's."""

_SOON = 0.01
_MANY = 64
_MILLISECONDS = [f".{number:03d}Z" for number in range(1000)]

Fields = dict[str, Any]


class Lines:
    """Keeps requests for ten milliseconds at most, or 64 of them; outside of an event loop, none.

    A line made for itself, with a system call for itself, costs more than all else that is done for a short request.

    Args:
        stream: where lines go.
        line: makes the line of a request that ended at an instant (seconds since the epoch).
    """

    def __init__(self, stream: TextIO, line: Callable[[Fields, float], str]) -> None:
        self._stream = stream
        self._line = line
        self._kept: list[tuple[Fields, float]] = []

    def add(self, fields: Fields, timestamp: float) -> None:
        """Write a line soon."""
        kept = self._kept
        kept.append((fields, timestamp))
        if len(kept) == 1:
            try:
                asyncio.get_running_loop().call_later(_SOON, self.flush)
            except RuntimeError:
                self.flush()
        elif len(kept) >= _MANY:
            self.flush()

    def flush(self) -> None:
        """Write what is kept."""
        kept, self._kept = self._kept, []
        make = self._line
        text = ""
        for fields, timestamp in kept:
            line = make(fields, timestamp)
            if len(text) + len(line) > _ATOMIC or not line.isascii():  # else it has as many bytes as characters
                self._put(text)
                text = ""
            text += line
            if not line.isascii():
                self._put(text)
                text = ""
        self._put(text)

    def _put(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()


class ForMachines:
    """JSON lines. The time up to the second is worked out once a second."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def __call__(self, fields: Fields, timestamp: float) -> str:
        """One line."""
        second = int(timestamp)
        if second != self._second:
            self._second, self._text = second, f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
        fields["level"] = "info"
        fields["timestamp"] = self._text + _MILLISECONDS[int((timestamp - second) * 1000)]
        return _encode(fields).decode() + "\n"


def for_people(fields: Fields, timestamp: float) -> str:
    """A short line for a terminal."""
    at = datetime.fromtimestamp(timestamp, UTC)
    return (
        f"{at:%H:%M:%S} {fields['method']:6} {fields['path']} {fields['status']} {fields['duration_ms']:g} ms"
        f"  {fields['request_id']}\n"
    )
