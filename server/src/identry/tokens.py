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
from collections.abc import Callable, Iterable, Mapping
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
class ProviderGrant:
    """What a user's grant to an application comes to in tokens (contracts/provider-api.md §8).

    Attributes:
        session_id: the grant's session; hidden in each token's `jti`.
        user_id, user_number: whose; `sub` is the number.
        client_id: the application, first of `aud`.
        audiences: further resource servers.
        scopes: as granted.
        role: the user's in this application.
        roles: platform-wide role and that one.
        app_roles: `client_id` → role, of every application.
        amr, auth_time, token_version: as in `Grant`.
        extra: claims that the client's settings add (tenant, plan, mapped, profile); they shadow none of the above.
        dpop_jkt: thumbprint of the key that the tokens are bound to (RFC 9449).
        at_jwt: whether the header says `at+jwt` (RFC 9068).
    """

    session_id: UUID
    user_id: UUID
    user_number: int
    client_id: str
    audiences: tuple[str, ...]
    scopes: tuple[str, ...]
    role: str
    roles: tuple[str, ...]
    app_roles: Mapping[str, str]
    amr: tuple[str, ...]
    auth_time: datetime
    token_version: int
    extra: Mapping[str, Any]
    dpop_jkt: str | None = None
    at_jwt: bool = False


class ProviderMint:
    """Signs the tokens of the provider surface.

    Args:
        signer: gives the key that signs now.
        issuer: `OAUTH_ISSUER`.
        clock: the time.
    """

    def __init__(self, signer: Callable[[], Signer], *, issuer: str, clock: Clock) -> None:
        self._signer = signer
        self._issuer = issuer
        self._clock = clock

    def service_token(
        self,
        client_id: str,
        number: int,
        scopes: tuple[str, ...],
        audiences: tuple[str, ...],
        ttl: int,
        *,
        dpop_jkt: str | None = None,
        at_jwt: bool = False,
    ) -> str:
        """An access token of the application itself (`sub` is `app:{number}`), for `ttl` seconds."""
        claims: dict[str, Any] = {
            **self._times(ttl),
            "aud": [client_id, *audiences],
            "sub": f"app:{number}",
            "type": "access",
            "scope": " ".join(scopes),
            "jti": _provider_jti(uuid7(self._clock)),
        }
        return self._sign(claims, client_id, dpop_jkt=dpop_jkt, at_jwt=at_jwt)

    def access_token(self, grant: ProviderGrant, ttl: int) -> str:
        """A user's access token for an application, for `ttl` seconds."""
        claims: dict[str, Any] = {
            **grant.extra,
            **self._times(ttl),
            "aud": [grant.client_id, *grant.audiences],
            "sub": str(grant.user_number),
            "type": "access",
            "scope": " ".join(grant.scopes),
            "role": grant.role,
            "roles": list(grant.roles),
            "app_roles": dict(grant.app_roles),
            "token_version": grant.token_version,
            "auth_time": int(grant.auth_time.timestamp()),
            "amr": list(grant.amr),
            "acr": acr_of(grant.amr),
            "jti": _provider_jti(grant.session_id),
        }
        return self._sign(claims, grant.client_id, dpop_jkt=grant.dpop_jkt, at_jwt=grant.at_jwt)

    def id_token(
        self, grant: ProviderGrant, access_token: str, profile: Mapping[str, Any], ttl: int, nonce: str | None = None
    ) -> str:
        """An ID token (OpenID Connect Core §2) beside an access token; `profile` holds what the scopes let through."""
        claims: dict[str, Any] = {
            **profile,
            **self._times(ttl),
            "aud": [grant.client_id],
            "sub": str(grant.user_number),
            "type": "id_token",
            "role": grant.role,
            "app_roles": dict(grant.app_roles),
            "auth_time": int(grant.auth_time.timestamp()),
            "amr": list(grant.amr),
            "acr": acr_of(grant.amr),
            "at_hash": _at_hash(access_token),
            "jti": _provider_jti(grant.session_id),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        return self._signer().sign(claims)

    def _times(self, ttl: int) -> dict[str, Any]:
        now = int(self._clock.timestamp())
        return {"iss": self._issuer, "iat": now, "nbf": now, "exp": now + ttl}

    def _sign(self, claims: dict[str, Any], client_id: str, *, dpop_jkt: str | None, at_jwt: bool) -> str:
        if dpop_jkt is not None:
            claims["cnf"] = {"jkt": dpop_jkt}
        if at_jwt:
            claims["client_id"] = client_id  # RFC 9068 §2.2
        return self._signer().sign(claims, "at+jwt" if at_jwt else "JWT")


def acr_of(amr: Iterable[str]) -> str:
    """The authentication context of a sign-in: `mfa` or `pwd` (contracts/provider-api.md §8)."""
    return "mfa" if "mfa" in amr else "pwd"


def _at_hash(access_token: str) -> str:
    """OpenID Connect Core §3.1.3.6 for algorithms with SHA-256."""
    return base64.urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()[:16]).rstrip(b"=").decode()


def _provider_jti(session_id: UUID) -> str:
    """A token's id that says whose session it is to us, and nothing to others (the claims are exact: no `sid`)."""
    return base64.urlsafe_b64encode(session_id.bytes + secrets.token_bytes(8)).decode()


def session_of_jti(jti: object) -> UUID | None:
    """The session in the `jti` of a verified provider token; None: it is not one of ours."""
    if not isinstance(jti, str) or len(jti) != 32:
        return None
    try:
        return UUID(bytes=base64.b64decode(jti, altchars=b"-_", validate=True)[:16])
    except ValueError:
        return None


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
