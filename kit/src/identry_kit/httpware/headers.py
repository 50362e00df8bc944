"""SecurityHeaders: the answer's defaults that make a browser careful."""

from __future__ import annotations

from collections.abc import Mapping

from identry_kit.apierror import ASGIApp, Receive, Scope, Send
from identry_kit.httpware.exchange import Exchange

SECURITY_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "0",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains; preload",
    "Cache-Control": "no-store",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""contracts/kit.md §3. An API's policy: a page states its own Content-Security-Policy."""


class SecurityHeaders:
    """Add each of `headers` to every answer that does not set it itself. Default: `SECURITY_HEADERS`."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str] = SECURITY_HEADERS) -> None:
        self.app = app
        lines = tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items())
        for name, value in lines:
            if any(char in b"\r\n\0" for char in name + value):
                msg = f"a header cannot hold a line break: {name!r}"
                raise ValueError(msg)
        self.lines = lines
        self.names = frozenset(name for name, _ in lines)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; `http` answers get the headers."""
        if scope["type"] == "http":
            exchange = Exchange.of(send)
            exchange.add_defaults(self.lines, self.names)
            send = exchange.send
        await self.app(scope, receive, send)
