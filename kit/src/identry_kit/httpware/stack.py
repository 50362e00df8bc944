"""The layers in the order that works."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from identry_kit.apierror import ASGIApp, Renderer, to_asgi
from identry_kit.httpware.bodylimit import BodyLimit
from identry_kit.httpware.headers import SECURITY_HEADERS, SecurityHeaders
from identry_kit.httpware.identity import RequestID
from identry_kit.httpware.logger import Logger, Sink
from identry_kit.httpware.recover import Recover
from identry_kit.httpware.timeout import Timeout


def standard_stack(
    app: ASGIApp,
    *,
    logger: logging.Logger | None = None,
    sink: Sink | None = None,
    headers: Mapping[str, str] = SECURITY_HEADERS,
    max_body: int = 1 << 20,
    timeout: float = 30.0,
    on_error: Renderer = to_asgi,
) -> ASGIApp:
    """`app` inside RequestID → Logger → SecurityHeaders → BodyLimit → Recover → Timeout.

    `max_body` in bytes, `timeout` in seconds; `on_error` writes the answers of the layers (413, 500, 504 and any
    `APIError` that reaches Recover). `logger` and `sink` as in `Logger`.
    """
    app = Timeout(app, timeout, logger=logger, on_error=on_error)
    app = Recover(app, logger=logger, on_error=on_error)
    app = BodyLimit(app, max_body, on_error=on_error)
    app = SecurityHeaders(app, headers)
    app = Logger(app, logger=logger, sink=sink)
    return RequestID(app)
