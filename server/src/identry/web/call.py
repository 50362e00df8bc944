"""One request as a handler sees it: decoded, guarded, without HTTP details that it does not need."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec

from identry.core.origin import Origin
from identry.records.clients import Client
from identry.records.users import User
from identry_kit.apierror import Scope
from identry_kit.httpware import Repeated

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Actor(msgspec.Struct, frozen=True):
    """Who is calling, proven by a verified token and a live session; read from the database, never from the token.

    Attributes:
        user: the caller's row as it is now.
        session_id: the session of the token (`sid`).
        amr: how the session was authenticated (RFC 8176 values).
        auth_time: when.
    """

    user: User
    session_id: UUID
    amr: list[str]
    auth_time: datetime


class Call:
    """What a handler receives.

    Attributes:
        scope: the ASGI scope.
        path: converted path parameters.
        actor: who is calling (set by the bearer and browser guards).
        tenant_id: the tenant of the caller's session (set by the browser guard), or the company that `x-org` names.
        access_version: that tenant's, read with the session (set by the browser guard); None: not read.
        app: the application that the path names (set by the check of an operation's `reach`).
        client: the application of the caller's token, or the one that proved itself (set by the provider's guards).
        claims: verified claims of the bearer token (set by the token, bearer and browser guards).
        body: the decoded request body.
        query: the decoded query string.
        typed: the fields of a page's form as they came, to be shown again.
    """

    __slots__ = (
        "_origin",
        "_origin_of",
        "access_version",
        "actor",
        "app",
        "body",
        "claims",
        "client",
        "path",
        "query",
        "scope",
        "tenant_id",
        "typed",
    )

    actor: Actor
    app: Client
    client: Client
    tenant_id: UUID
    claims: Any
    body: Any
    query: Any

    def __init__(self, scope: Scope, path: Mapping[str, Any], origin_of: Callable[[Scope], Origin]) -> None:
        self.scope = scope
        self.path = path
        self._origin_of = origin_of
        self._origin: Origin | None = None
        self.access_version: int | None = None
        self.typed: Mapping[str, str] = _NOTHING

    @property
    def caller(self) -> Actor | None:
        """The actor, or None where the guard lets somebody in who has no session yet."""
        return getattr(self, "actor", None)

    @property
    def tenant(self) -> UUID | None:
        """The tenant of the caller's session, or None where a session is of none."""
        return getattr(self, "tenant_id", None)

    @property
    def origin(self) -> Origin:
        """Address, user agent and request id of the caller; worked out only when somebody asks."""
        if self._origin is None:
            self._origin = self._origin_of(self.scope)
        return self._origin

    def header(self, name: bytes) -> str | None:
        """A request header (lower-case `name`) or None; of a repeated one the first."""
        for key, value in self.scope["headers"]:
            if key == name:
                return str(value.decode("latin-1"))
        return None

    def headers(self, name: bytes) -> list[str]:
        """Every value of a header that may come more than once."""
        return [value.decode("latin-1") for key, value in self.scope["headers"] if key == name]


class Ready:
    """A whole answer that is made once and sent as it is, to everybody who asks.

    Args:
        body: its bytes.
        media_type: its `Content-Type`.
        headers: further headers.
    """

    __slots__ = ("body", "start")

    def __init__(self, body: bytes, media_type: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        lines = [(b"content-type", media_type.encode()), (b"content-length", b"%d" % len(body)), *header_lines(headers)]
        self.start = Repeated(200, lines)
        self.body = body


class Answer(msgspec.Struct, frozen=True):
    """A reply that needs more than the operation's status and JSON body.

    Attributes:
        data: what the envelope carries, or bytes sent as they are.
        status: replaces the operation's.
        headers: extra headers.
        cookies: lines that set or take away cookies (`Cookie.holding`, `Cookie.cleared`).
    """

    data: Any
    status: int | None = None
    headers: Mapping[str, str] | None = None
    cookies: tuple[tuple[bytes, bytes], ...] = ()


class Stream:
    """A whole answer whose body comes in parts, made while it is sent; what fails before the first part is an error.

    Args:
        parts: the body. Nothing is held between two of them: whoever reads slowly keeps nobody waiting.
        media_type: its `Content-Type`.
        headers: further headers.
    """

    __slots__ = ("headers", "media_type", "parts")

    def __init__(self, parts: AsyncGenerator[bytes], media_type: str, headers: Mapping[str, str] = _NOTHING) -> None:
        self.parts = parts
        self.media_type = media_type
        self.headers = headers


def header_lines(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI wants them."""
    return [(_line_name(name), value.encode("latin-1")) for name, value in headers.items()]


@lru_cache(maxsize=256)
def _line_name(name: str) -> bytes:
    return name.lower().encode()
