"""Logs: one JSON object a line on standard output, with the request id, without a secret.

`configure` is called once by a process; modules ask `structlog.get_logger(name)`. Standard-library loggers (the web
server, drivers) are routed into the same stream.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import Processor

from identry.core.clock import Clock
from identry.core.loglines import ForMachines, Lines, for_people
from identry.core.redaction import clean_path, hidden
from identry_kit import context

_encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode

_LONG = 40  # a shorter path holds no token

Event = MutableMapping[str, Any]


def redact(_logger: object, _method: str, event: Event) -> Event:
    """Hide secrets in every field of a line, the event's own text included."""
    for name, value in event.items():
        event[name] = hidden("" if name == "event" else name, value)
    return event


def configure(
    *, level: str = "INFO", form: str = "json", request_id: Callable[[], str] = lambda: "", stream: TextIO | None = None
) -> None:
    """Set up logging for this process.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
        form: `json`, or `console` for a person at a terminal.
        request_id: gives the id of the request being served, or an empty string.
        stream: where lines go; standard output when None.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=processors(form, request_id, colors=(stream or sys.stdout).isatty()),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_ToStructlog()]
    root.setLevel(max(threshold, logging.INFO))
    for noisy in ("httpx2", "httpcore2", "botocore", "boto3", "urllib3", "s3transfer"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def processors(
    form: str = "json", request_id: Callable[[], str] = lambda: "", *, colors: bool = False
) -> list[Processor]:
    """What every line passes through; tracebacks are plain, without the values of variables."""

    def add_request(_logger: object, _method: str, event: Event) -> Event:
        if "request_id" not in event and (current := request_id()):
            event["request_id"] = current
        caller = context.caller()
        if caller.user_id is not None:
            event.setdefault("user_id", str(caller.user_id))
        if caller.tenant_id is not None:
            event.setdefault("tenant_id", str(caller.tenant_id))
        return event

    steps: list[Processor] = [
        structlog.processors.add_log_level,
        add_request,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    if form == "json":
        steps.append(lambda _l, _m, event: _encode(event).decode())
    else:
        plain = structlog.dev.plain_traceback
        steps.append(structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=0, exception_formatter=plain))
    return steps


class _ToStructlog(logging.Handler):
    """Hands a standard-library record to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it there, with its level and traceback."""
        try:
            structlog.get_logger().log(
                record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None
            )
        except Exception as error:  # a wrong format: say where, without the arguments
            structlog.get_logger().error(
                "log line not written", logger=record.name, file=record.filename, line=record.lineno, reason=repr(error)
            )


class AccessLog:
    """The sink of the kit's request log: one line per request, encoded without the processors above.

    Its fields are the kit's own (no header, no body, no query string), so only a token in the path is to be hidden.

    Args:
        observe: sees the same fields first (the metrics).
        level: above INFO nothing is written.
        form: as in `configure`.
    """

    def __init__(
        self,
        clock: Clock,
        observe: Callable[[dict[str, Any]], None] = lambda _: None,
        *,
        level: str = "INFO",
        form: str = "json",
        stream: TextIO | None = None,
    ) -> None:
        self._now = clock.timestamp
        self._observe = observe
        self._silent = logging.getLevelNamesMapping()[level.upper()] > logging.INFO
        self._lines = Lines(stream or sys.stdout, ForMachines() if form == "json" else for_people)

    def __call__(self, fields: dict[str, Any]) -> None:
        """Count and write one request."""
        self._observe(fields)
        if self._silent:
            return
        if len(fields["path"]) >= _LONG:
            fields["path"] = clean_path(fields["path"])
        self._lines.add(fields, self._now())

    def flush(self) -> None:
        """Write what is still kept: the process is about to end."""
        self._lines.flush()
