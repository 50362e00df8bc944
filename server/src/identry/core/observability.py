"""Logs: one JSON object a line on standard output, with the request id, without a secret.

`configure` is called once by a process; modules ask `structlog.get_logger(name)`. Standard-library loggers (the web
server, drivers) are routed into the same stream.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import Processor

_SECRET_NAMES = re.compile(
    r"password|passwd|secret|token(?!_version|version|s_|_type)|authorization|cookie|api_?key|private|credential|otp",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)*"  # a JWT, whole or cut
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # user:password of a URL
    r"|(?<=Bearer )\S+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_SHORTEST_TOKEN = 40
_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{_SHORTEST_TOKEN},}}")  # longer than a UUID: GET /auth/invitations/{token}
_LONGEST_VALUE = 2000
_encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode

Event = MutableMapping[str, Any]


def redact(_logger: object, _method: str, event: Event) -> Event:
    """Replace what looks like a secret, by its name or by its shape, and cut values that are too long for a line."""
    for name, value in event.items():
        if name != "event" and _SECRET_NAMES.search(name) and isinstance(value, str | bytes):
            event[name] = "[redacted]"
        elif isinstance(value, str):
            text = _SECRET_TEXT.sub("[redacted]", value)
            if len(text) > _LONGEST_VALUE and name != "exception":
                text = text[:_LONGEST_VALUE] + "…"
            event[name] = text
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
    out = stream or sys.stdout

    def add_request_id(_logger: object, _method: str, event: Event) -> Event:
        if "request_id" not in event and (current := request_id()):
            event["request_id"] = current
        return event

    processors: list[Processor] = [
        structlog.processors.add_log_level,
        add_request_id,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    if form == "json":
        processors.append(lambda _l, _m, event: _encode(event).decode())
    else:
        processors.append(structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=0))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_ToStructlog()]
    root.setLevel(max(threshold, logging.INFO))
    for noisy in ("httpx2", "httpcore2", "botocore", "boto3", "urllib3", "s3transfer"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class _ToStructlog(logging.Handler):
    """Hands a standard-library record to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it there, with its level and traceback."""
        try:
            structlog.get_logger().log(
                record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None
            )
        except Exception:
            self.handleError(record)


def access_log(
    observe: Callable[[dict[str, Any]], None] | None = None, stream: TextIO | None = None
) -> Callable[[dict[str, Any]], None]:
    """A sink for the kit's request log: one line per request, encoded without the processors above.

    Its fields are the kit's own (no header, no body, no query string), so only a token in the path is to be hidden.
    `observe` sees the same fields first (the metrics).
    """
    write = (stream or sys.stdout).write

    def sink(fields: dict[str, Any]) -> None:
        if observe is not None:
            observe(fields)
        if len(fields["path"]) >= _SHORTEST_TOKEN:
            fields["path"] = _TOKEN.sub("…", fields["path"])
        fields["level"] = "info"
        write(_encode(fields).decode() + "\n")

    return sink
