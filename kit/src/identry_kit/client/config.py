"""What a client is told once: addresses, and who the application is."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from identry_kit.client.errors import AppIdMissing, ClientSecretMissing

ADMIN_PORT = 8081
TIMEOUT = 30.0
RETRIES = 2

_log = logging.getLogger("identry_kit.client")
# RFC 6750 §2.1: what a bearer token may consist of. Anything else could end the header and start another.
_BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*", re.ASCII)
_MAX_BEARER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Config:
    """Checked settings of a client. `base_url` and `admin_base_url` have no slash at the end."""

    base_url: str
    admin_base_url: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    app_id: str = ""
    timeout: float = TIMEOUT
    retries: int = RETRIES

    @classmethod
    def checked(
        cls,
        base_url: str,
        client_id: str,
        client_secret: str,
        app_id: str | int,
        admin_base_url: str,
        timeout: float,
        retries: int,
    ) -> Config:
        """Raises ValueError for what can never work; no message repeats the secret."""
        if not client_id:
            msg = "client_id is required"
            raise ValueError(msg)
        if timeout <= 0 or retries < 0:
            msg = "timeout is above 0 and retries is not negative"
            raise ValueError(msg)
        base = _checked_url(base_url, "base_url")
        admin = _checked_url(admin_base_url, "admin_base_url") if admin_base_url else _admin_of(base)
        app = "" if app_id in {"", 0} else str(app_id)
        if app:
            segment(app)
        for url in sorted({base, admin}):
            if not _is_private(url):
                _log.warning("%s is plain http to another machine: tokens and secrets travel readable", url)
        return cls(base, admin, client_id, client_secret, app, float(timeout), retries)

    def secret(self) -> str:
        """The client secret; raises ClientSecretMissing when the client has none."""
        if not self.client_secret:
            msg = "client_secret is required for calls in the application's own name"
            raise ClientSecretMissing(msg)
        return self.client_secret

    def app(self) -> str:
        """The application's number; raises AppIdMissing when the client was not told it."""
        if not self.app_id:
            msg = "app_id is required for service-account calls: pass Client(..., app_id=...)"
            raise AppIdMissing(msg)
        return self.app_id


def segment(value: str | int) -> str:
    """One segment of a path, percent-encoded.

    Raises ValueError for an empty one and for dots alone: those would change which resource the path names.
    """
    text = str(value)
    if text in {"", ".", ".."}:
        msg = "an id is not empty and not a dot segment"
        raise ValueError(msg)
    return quote(text, safe="")


def bearer(token: str) -> str:
    """`token` when it can be sent as one (RFC 6750 §2.1), else ValueError; the message does not repeat it."""
    if len(token) > _MAX_BEARER or not _BEARER.fullmatch(token):
        msg = "not a bearer token (RFC 6750 §2.1)"
        raise ValueError(msg)
    return token


def _checked_url(url: str, name: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        msg = f"{name} is required and is an http or https URL"
        raise ValueError(msg)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        msg = f"{name} holds no credentials, query or fragment"
        raise ValueError(msg)
    return url.rstrip("/")


def _admin_of(base_url: str) -> str:
    """The admin listener beside `base_url`: same scheme and host, port 8081."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{ADMIN_PORT}"


def _is_private(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
