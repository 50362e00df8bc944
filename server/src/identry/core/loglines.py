"""Request lines on their way to a stream: made and written together, a few milliseconds after their requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

_encode_lines = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode_lines

_ATOMIC = 4096
"""PIPE_BUF on Linux: a write of at most so many bytes to a pipe that workers share is not mixed with another's."""

_SOON = 0.01
_MANY = 64
_AT_ONCE = 10
"""Lines of usual length that fit into one write."""
_MILLISECONDS = [f".{number:03d}Z" for number in range(1000)]

Fields = dict[str, Any]
Format = Callable[[list[tuple[Fields, float]]], bytes]
"""Makes the lines of requests from their fields and the instant each ended (seconds since the epoch)."""


class Lines:
    """Keeps requests for ten milliseconds at most, or 64 of them; outside of an event loop, none.

    A line made for itself, with a system call for itself, costs more than all else that is done for a short request.
    """

    def __init__(self, stream: TextIO, form: Format) -> None:
        self._stream = stream
        self._format = form
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
        for start in range(0, len(kept), _AT_ONCE):
            lines = self._format(kept[start : start + _AT_ONCE])
            if len(lines) <= _ATOMIC:
                self._put(lines)
            else:
                for line in lines.splitlines(keepends=True):
                    self._put(line)

    def _put(self, lines: bytes) -> None:
        self._stream.write(lines.decode())
        self._stream.flush()


class ForMachines:
    """JSON lines. The time up to the second is worked out once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._text = ""

    def __call__(self, kept: list[tuple[Fields, float]]) -> bytes:
        """One line for each."""
        for fields, timestamp in kept:
            second = int(timestamp)
            if second != self._second:
                self._second, self._text = second, f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
            fields["level"] = "info"
            fields["timestamp"] = self._text + _MILLISECONDS[int((timestamp - second) * 1000)]
        return _encode_lines([fields for fields, _ in kept])


def for_people(kept: list[tuple[Fields, float]]) -> bytes:
    """Short lines for a terminal."""
    return "".join(_for_people(fields, datetime.fromtimestamp(timestamp, UTC)) for fields, timestamp in kept).encode()


def _for_people(fields: Fields, at: datetime) -> str:
    return (
        f"{at:%H:%M:%S} {fields['method']:6} {fields['path']} {fields['status']} {fields['duration_ms']:g} ms"
        f"  {fields['request_id']}\n"
    )
