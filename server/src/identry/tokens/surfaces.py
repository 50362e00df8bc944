"""Access tokens of the platform and of the browser surface (contracts/platform-api.md §9, browser-api.md §3)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from identry.core.clock import Clock
from identry.core.ids import uuid7
from identry.tokens.signing import Signer, Signing


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

    async def pair(self, grant: Grant, refresh_token: str) -> TokenPair:
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
        self._signed = Signing(signer)
        self._issuer = issuer
        self._audience = audience
        self._access_ttl = int(access_ttl.total_seconds())
        self._clock = clock

    @abstractmethod
    def access_token(self, grant: Grant) -> Awaitable[str]:
        """A signed access token for the grant."""

    async def pair(self, grant: Grant, refresh_token: str) -> TokenPair:
        """Access token and refresh token of a session as one reply."""
        horizon = int(grant.expires_at.timestamp() - self._clock.timestamp())
        return TokenPair(
            access_token=await self.access_token(grant),
            expires_in=self._access_ttl,
            refresh_token=refresh_token,
            refresh_expires_in=max(horizon, 0),
            session_id=grant.session_id,
        )


class TokenMint(_SurfaceMint):
    """Signs the tokens of the platform surface."""

    def access_token(self, grant: Grant) -> Awaitable[str]:
        """A signed access token for the grant; it never outlives its session."""
        now = int(self._clock.timestamp())
        return self._signed(
            {
                "iss": self._issuer,
                "aud": self._audience,
                "sub": grant.user_id,
                "sid": grant.session_id,
                "jti": uuid7(self._clock),
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

    def access_token(self, grant: Grant) -> Awaitable[str]:
        """A signed access token for the grant, which has a seat.

        Raises:
            ValueError: the grant is of another surface.
        """
        if grant.seat is None:
            raise ValueError("a browser's token belongs to a tenant")
        now = int(self._clock.timestamp())
        return self._signed(
            {
                "iss": self._issuer,
                "aud": self._audience,
                "sub": grant.user_id,
                "user_id": grant.user_id,
                "tenant_id": grant.seat.tenant_id,
                "sid": grant.session_id,
                "jti": uuid7(self._clock),
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
