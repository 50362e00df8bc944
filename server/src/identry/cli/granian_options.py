"""How granian serves Identry, the same in development and production.

Measured with granian 2.8.7: on a stop it refuses new connections and closes idle ones at once, answers what is in
flight (with `Connection: close`), then runs the lifespan's end. `header_read_timeout` is also how long an idle
keep-alive connection lives, so a proxy must close its idle connections sooner.
"""

from __future__ import annotations

from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings

IDLE_SECONDS = 14
"""A request's headers must arrive within this; an idle connection is closed after it.

The server counts from the opening of a connection or anew from its first byte, which it is differs; so whoever sends
slowly is hung up on after 14 s or after 28.
"""

_HEADER_BYTES = 32 * 1024


def options() -> dict[str, Any]:
    """Keyword arguments that both of granian's servers take."""
    return {
        "interface": Interfaces.ASGI,
        "http": HTTPModes.http1,
        "websockets": False,
        "backlog": 2048,
        "backpressure": 1024,
        "http1_settings": HTTP1Settings(
            header_read_timeout=IDLE_SECONDS * 1000, keep_alive=True, max_buffer_size=_HEADER_BYTES
        ),
    }


def logging_config() -> dict[str, Any]:
    """Granian's own messages go where all others go."""
    return {"loggers": {"_granian": {"handlers": [], "level": "INFO", "propagate": True}}}
