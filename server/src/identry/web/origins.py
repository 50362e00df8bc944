"""Where a request came from: the client's address through trusted hops, its user agent, its request id."""

from __future__ import annotations

import re
from collections.abc import Callable

from identry.core.address import TrustedProxies, client_ip
from identry.core.origin import Origin
from identry_kit.apierror import Scope

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONGEST_USER_AGENT = 512


def origin_reader(trusted: TrustedProxies, request_id: Callable[[], str]) -> Callable[[Scope], Origin]:
    """A function from an ASGI scope to its `Origin`.

    Args:
        trusted: networks whose `X-Forwarded-For` is believed (`TRUSTED_PROXY_CIDRS`).
        request_id: gives the id of the request being served.
    """

    def read(scope: Scope) -> Origin:
        user_agent = ""
        forwarded: list[str] = []
        for name, value in scope["headers"]:
            if name == b"user-agent":
                user_agent = value.decode("latin-1")
            elif name == b"x-forwarded-for":
                forwarded.append(value.decode("latin-1"))
        peer = scope["client"][0] if scope.get("client") else None
        return Origin(
            ip=client_ip(peer, forwarded, trusted),
            user_agent=_printable(user_agent)[:_LONGEST_USER_AGENT] or None,
            request_id=request_id() or None,
        )

    return read


def _printable(text: str) -> str:
    return text if text.isprintable() else _CONTROL.sub("", text)
