"""The claim vocabulary: a session becomes signed tokens here, and nowhere else.

Access tokens: contracts/platform-api.md §9. Refresh tokens: opaque to everybody else; ours can tell, before any
database is asked, that a string was issued by us, for which session and as which link of its chain.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import msgspec

from identry.core.clock import Clock
from identry.core.ids import uuid7
from identry.core.secrets import RootSecret, Sealer


class Signer(Protocol):
    """A key that signs claims: a private key of the ring, or a shared secret."""

    def sign(self, claims: Mapping[str, Any], typ: str = "JWT") -> str:
        """The claims as a compact JWS."""


class TokenPair(msgspec.Struct, rename="camel", frozen=True):
    """What a successful sign-in or refresh returns (contracts/platform-api.md §3)."""

    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    session_id: UUID
    token_type: str = "Bearer"  # noqa: S105 - RFC 6750 token type


@dataclass(frozen=True, slots=True)
class Seat:
    """Where in a tenant a session's user sits.

    Attributes:
        tenant_id: the tenant.
        role: the user's role in it.
        plan: what the tenant bought.
    """

    tenant_id: UUID
    role: str
    plan: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A session as far as its tokens are concerned; `seat` is None on the platform surface."""

    session_id: UUID
    user_id: UUID
    global_role: str
    token_version: int
    amr: list[str]
    auth_time: datetime
    expires_at: datetime
    seat: Seat | None = None


class Mint(Protocol):
    """Whoever makes the tokens of a surface."""

    def pair(self, grant: Grant, refresh_token: str) -> TokenPair:
        """Access token and refresh token of a session as one reply."""


class _SurfaceMint(ABC):
    """What the mints of all surfaces have in common.

    Args:
        signer: gives the key that signs now.
        issuer, audience: `iss` and `aud`.
        access_ttl: lifetime of an access token.
        clock: the time.
    """

    def __init__(
        self, signer: Callable[[], Signer], *, issuer: str, audience: str, access_ttl: timedelta, clock: Clock
    ) -> None:
        self._signer = signer
        self._issuer = issuer
        self._audience = audience
        self._access_ttl = int(access_ttl.total_seconds())
        self._clock = clock

    @abstractmethod
    def access_token(self, grant: Grant) -> str:
        """A signed access token for the grant."""

    def pair(self, grant: Grant, refresh_token: str) -> TokenPair:
        """Access token and refresh token of a session as one reply."""
        horizon = int(grant.expires_at.timestamp() - self._clock.timestamp())
        return TokenPair(
            access_token=self.access_token(grant),
            expires_in=self._access_ttl,
            refresh_token=refresh_token,
            refresh_expires_in=max(horizon, 0),
            session_id=grant.session_id,
        )


class TokenMint(_SurfaceMint):
    """Signs the tokens of the platform surface."""

    def access_token(self, grant: Grant) -> str:
        """A signed access token for the grant; it never outlives its session."""
        now = int(self._clock.timestamp())
        return self._signer().sign(
            {
                "iss": self._issuer,
                "aud": self._audience,
                "sub": str(grant.user_id),
                "sid": str(grant.session_id),
                "jti": str(uuid7(self._clock)),
                "iat": now,
                "nbf": now,
                "exp": now + self._access_ttl,
                "globalRole": grant.global_role,
                "tokenVersion": grant.token_version,
                "accountType": "internal",
                "type": "access",
                "amr": grant.amr,
                "auth_time": int(grant.auth_time.timestamp()),
            }
        )


class BrowserMint(_SurfaceMint):
    """Signs the tokens of the browser surface (contracts/browser-api.md §3). They hold no permissions.

    Its issuer is `API_PUBLIC_URL`, its audience the origin of `APP_BASE_URL`.
    """

    def access_token(self, grant: Grant) -> str:
        """A signed access token for the grant, which has a seat.

        Raises:
            ValueError: the grant is of another surface.
        """
        if grant.seat is None:
            raise ValueError("a browser's token belongs to a tenant")
        now = int(self._clock.timestamp())
        return self._signer().sign(
            {
                "iss": self._issuer,
                "aud": self._audience,
                "sub": str(grant.user_id),
                "user_id": str(grant.user_id),
                "tenant_id": str(grant.seat.tenant_id),
                "sid": str(grant.session_id),
                "jti": str(uuid7(self._clock)),
                "iat": now,
                "nbf": now,
                "exp": now + self._access_ttl,
                "type": "access",
                "token_version": grant.token_version,
                "role": grant.seat.role,
                "plan": grant.seat.plan,
                "amr": grant.amr,
                "auth_time": int(grant.auth_time.timestamp()),
            }
        )


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token that we issued.

    Attributes:
        raw: as presented.
        session_id: the session (family) it belongs to.
        generation: its place in the chain; 0 was given at sign-in.
    """

    raw: str
    session_id: UUID
    generation: int

    @property
    def hash(self) -> bytes:
        """SHA-256 of the raw token: the only form that is stored."""
        return hashlib.sha256(self.raw.encode()).digest()


_BODY = struct.Struct(">16sI32s")
_TAG = 16
_LENGTH = (_BODY.size + _TAG) * 4 // 3 + 1


class RefreshTokens:
    """Makes and recognises refresh tokens: session id, generation, 256 random bits, and a tag over all three.

    The tag (HMAC-SHA256 under a derived key) lets a replayed old link be told from noise without keeping a row for
    every link: only a token that we issued can end its family as "reused", a guess cannot (RFC 9700 §4.14).

    The key of the tag differs by surface, so a token of one is none of the other's.
    """

    def __init__(self, root: RootSecret, surface: str = "") -> None:
        self._key = root.derive("refresh-token-tag" + (f"/{surface}" if surface else ""))

    def new(self, session_id: UUID, generation: int = 0) -> RefreshToken:
        """A fresh link of a session's chain."""
        body = _BODY.pack(session_id.bytes, generation, secrets.token_bytes(32))
        raw = base64.urlsafe_b64encode(body + self._tag(body)).rstrip(b"=").decode()
        return RefreshToken(raw, session_id, generation)

    def parse(self, raw: str) -> RefreshToken | None:
        """The token, or None when we never issued that string (wrong length, alphabet, encoding or tag)."""
        if len(raw) != _LENGTH or not raw.isascii():
            return None
        try:
            data = base64.b64decode(raw + "=", altchars=b"-_", validate=True)
        except ValueError:
            return None
        body, tag = data[: _BODY.size], data[_BODY.size :]
        if not hmac.compare_digest(tag, self._tag(body)):
            return None
        if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != raw:
            return None
        session_id, generation, _ = _BODY.unpack(body)
        return RefreshToken(raw, UUID(bytes=session_id), generation)

    def seal_successor(self, predecessor: RefreshToken, successor: RefreshToken) -> bytes:
        """The successor, readable only by who presents the predecessor: a dump of the table reveals neither."""
        return _successor_sealer(predecessor).seal(successor.raw.encode(), predecessor.session_id.bytes)

    def open_successor(self, predecessor: RefreshToken, sealed: bytes) -> RefreshToken:
        """The successor that was given for `predecessor`.

        Raises:
            ValueError: the stored value was not sealed for this predecessor.
        """
        raw = _successor_sealer(predecessor).open(sealed, predecessor.session_id.bytes).decode()
        return RefreshToken(raw, predecessor.session_id, predecessor.generation + 1)

    def _tag(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_TAG]


def _successor_sealer(predecessor: RefreshToken) -> Sealer:
    key = hmac.digest(predecessor.raw.encode(), b"identry refresh successor v1", "sha256")
    return Sealer(key, "refresh")
