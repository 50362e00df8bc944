"""CORS by exact origin: which pages may read answers of the browser surface. Source: contracts/browser-api.md §4.

Two halves around the application: `answers` names the page on every answer (errors of the outer layers included),
`preflights` says yes or no before any route, guard or limit is asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any

from identry.web.origin_check import OriginNotAllowed
from identry.web.surfaces import is_browser_path
from identry_kit.apierror import ASGIApp, Message, Receive, Scope, Send

METHODS = b"GET, POST, PUT, PATCH, DELETE, OPTIONS"
HEADERS = b"Authorization, Content-Type, X-Request-ID, X-CSRF-Token"
EXPOSED = b"X-Request-ID, Retry-After"
MAX_AGE = b"300"

_VARY = (b"vary", b"Origin")


class Cors:
    """The pages of some origins may read what the browser surface answers; with credentials.

    Args:
        allowed: origins, exactly as browsers write them.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._lines = {
            origin.encode("ascii"): [
                (b"access-control-allow-origin", origin.encode("ascii")),
                (b"access-control-allow-credentials", b"true"),
                (b"access-control-expose-headers", EXPOSED),
                _VARY,
            ]
            for origin in allowed
        }

    def answers(self, app: ASGIApp) -> ASGIApp:
        """`app`, whose answers tell the browser which page may read them."""

        def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            if scope["type"] != "http" or not is_browser_path(scope["path"]):
                return app(scope, receive, send)
            lines = self._lines.get(_header(scope, b"origin"), [_VARY])

            def named(message: Message) -> Awaitable[None]:
                if message["type"] == "http.response.start":
                    message = {**message, "headers": [*message["headers"], *lines]}
                return send(message)

            return app(scope, receive, named)

        return serve

    def preflights(self, app: ASGIApp) -> ASGIApp:
        """`app`, before which preflights are answered: 204 for a page that may ask, otherwise 403."""

        def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            if scope["method"] == "OPTIONS" and is_browser_path(scope["path"]) and _is_preflight(scope):
                return self._answer(scope, send)
            return app(scope, receive, send)

        return serve

    async def _answer(self, scope: Scope, send: Send) -> None:
        """May this page ask?

        Raises:
            OriginNotAllowed: no.
        """
        if _header(scope, b"origin") not in self._lines:
            raise OriginNotAllowed
        headers: list[Any] = [
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", HEADERS),
            (b"access-control-max-age", MAX_AGE),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _is_preflight(scope: Scope) -> bool:
    return bool(_header(scope, b"origin")) and bool(_header(scope, b"access-control-request-method"))


def _header(scope: Scope, name: bytes) -> bytes:
    """The value of a header that comes once; empty when it is absent or repeated."""
    found = [value for key, value in scope["headers"] if key == name]
    return bytes(found[0]) if len(found) == 1 else b""
