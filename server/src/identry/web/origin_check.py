"""Which web page is asking: origins are compared exactly, as browsers write them. Source: contracts/browser-api.md §4.

A cookie is sent by the browser whoever wrote the page; so a route that a cookie opens asks for the page's origin. A
browser always names it on a POST; a request that names none comes from no page, and is let through only where the
cookie itself stays at home (`SameSite=strict`).
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from identry.web.call import Call
from identry.web.endpoint import require_json
from identry_kit.apierror import Forbidden


class OriginNotAllowed(Forbidden):
    """403: the page that asks is of an origin that `ALLOW_ORIGINS` does not name."""

    code = "origin_not_allowed"
    message = "requests from this origin are not allowed"


def origin_of(url: str) -> str:
    """The origin of an absolute URL as a browser writes it (RFC 6454 §6.2): lower-case, no default port."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}.get(parts.scheme)
    port = f":{parts.port}" if parts.port and parts.port != default else ""
    return f"{parts.scheme}://{host}{port}"


class OriginCheck:
    """Guards the routes that a cookie opens.

    Args:
        own: origins of this server and its app.
        allowed: `ALLOW_ORIGINS`.
        absent: whether a request that names no origin may pass (`SameSite=strict` only).
    """

    def __init__(self, own: Iterable[str], allowed: Iterable[str], *, absent: bool) -> None:
        self._known = frozenset((*own, *allowed))
        self._absent = absent

    async def check(self, call: Call) -> None:
        """Let a request of a known page pass, with a body that only a script of that page can send.

        Raises:
            OriginNotAllowed: of another page, or of none that it names.
            UnsupportedMediaType: not `Content-Type: application/json`; anything else a foreign form could send.
        """
        origins = call.headers(b"origin")
        if origins:
            known = len(origins) == 1 and origins[0] in self._known
        elif referrers := call.headers(b"referer"):
            known = len(referrers) == 1 and _origin_or_none(referrers[0]) in self._known
        else:
            known = self._absent
        if not known:
            raise OriginNotAllowed
        require_json(call)


def _origin_or_none(url: str) -> str | None:
    try:
        return origin_of(url)
    except ValueError:
        return None
