"""CORS: which pages may read answers. Source: contracts/browser-api.md §4, contracts/provider-api.md §1.

On the browser surface, where a cookie may open something: pages of listed origins. On the provider, where every request
carries its own proof: every page, and those of listed origins with credentials.

Two halves: `lines` names the page on every answer (errors of the outer layers included), `preflights` says yes or no
before any route, guard or limit is asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any

from identry.web.origin_check import OriginNotAllowed
from identry.web.surfaces import is_browser_path
from identry_kit.apierror import ASGIApp, Receive, Scope, Send
from identry_kit.httpware.exchange import Lines

METHODS = b"GET, POST, PUT, PATCH, DELETE, OPTIONS"
HEADERS = b"Authorization, Content-Type, X-Request-ID, X-CSRF-Token"
EXPOSED = b"X-Request-ID, Retry-After"
PROVIDER_HEADERS = b"Accept, Authorization, Content-Type, DPoP, X-Correlation-ID, X-Requested-By"
PROVIDER_EXPOSED = b"X-Request-ID, Retry-After, WWW-Authenticate"
MAX_AGE = b"300"

_VARY = (b"vary", b"Origin")
_NOBODY = (_VARY,)
_ANYBODY = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", PROVIDER_EXPOSED),
)
_PROVIDER_PATHS = frozenset(
    {
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/api/userinfo",
        "/oauth/device_authorization",
        "/oauth/par",
        "/oauth/revoke",
        "/oauth/token",
        "/oauth/userinfo",
    }
)
_PROVIDER_PREFIXES = ("/api/auth/", "/api/profile")


def _is_provider_path(path: str) -> bool:
    """Whether scripts of applications call this path; the pages of the provider are navigated to instead."""
    return path in _PROVIDER_PATHS or path.startswith(_PROVIDER_PREFIXES)


class Cors:
    """The pages of some origins may read what the browser surface answers; with credentials. All others the provider's.

    Args:
        allowed: origins, exactly as browsers write them.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._lines: dict[bytes, Lines] = {
            origin.encode("ascii"): (
                (b"access-control-allow-origin", origin.encode("ascii")),
                (b"access-control-allow-credentials", b"true"),
                (b"access-control-expose-headers", EXPOSED),
                _VARY,
            )
            for origin in allowed
        }
        # An answer that is the same for every page is one that caches need not keep apart.
        self._anybody = (*_ANYBODY, _VARY) if self._lines else _ANYBODY

    def lines(self, scope: Scope) -> Lines:
        """Headers by which every answer to a request tells the browser which page may read it."""
        path = scope["path"]
        if is_browser_path(path):
            return self._lines.get(_header(scope, b"origin"), _NOBODY)
        if _is_provider_path(path):
            return self._lines.get(_header(scope, b"origin"), self._anybody) if self._lines else self._anybody
        return ()

    def preflights(self, app: ASGIApp) -> ASGIApp:
        """`app`, before which preflights are answered: 204 for a page that may ask, otherwise 403."""

        def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            if scope["method"] == "OPTIONS" and _is_preflight(scope):
                if is_browser_path(scope["path"]):
                    return self._answer(scope, send)
                if _is_provider_path(scope["path"]):
                    return _allow(PROVIDER_HEADERS, send)
            return app(scope, receive, send)

        return serve

    async def _answer(self, scope: Scope, send: Send) -> None:
        """May this page ask?

        Raises:
            OriginNotAllowed: no.
        """
        if _header(scope, b"origin") not in self._lines:
            raise OriginNotAllowed
        await _allow(HEADERS, send)


async def _allow(allowed: bytes, send: Send) -> None:
    headers: list[Any] = [
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", allowed),
        (b"access-control-max-age", MAX_AGE),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _is_preflight(scope: Scope) -> bool:
    return bool(_header(scope, b"origin")) and bool(_header(scope, b"access-control-request-method"))


def _header(scope: Scope, name: bytes) -> bytes:
    """The value of a header that comes once; empty when it is absent or repeated."""
    found = None
    for key, value in scope["headers"]:
        if key == name:
            if found is not None:
                return b""
            found = value
    return found or b""
