"""The rotation of `identry.rotation`, and the platform's or a browser's tokens of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.kv import RevocationMarks
from identry.core.limits import REFRESH, Limiter
from identry.core.origin import Origin
from identry.profile import WIDTH, ProfileRow
from identry.records.audit import Audit
from identry.rotation import PLATFORM, SEATED, InvalidRefreshToken, Rotation, SessionRevoked
from identry.tokens import Grant, Mint, RefreshTokens, Seat, TokenPair

__all__ = ["InvalidRefreshToken", "Refresh", "SessionRevoked"]


@dataclass(frozen=True, slots=True)
class Renewed:
    """A session that goes on.

    Attributes:
        tokens: the next pair.
        profile: who is in it, as the rotation has read it; None: not asked, or it was an honest retry.
    """

    tokens: TokenPair
    profile: ProfileRow | None


class Refresh:
    """Keeps a session going.

    Args:
        grace: how long the predecessor still gets the same successor (`REFRESH_GRACE`; zero: never).
        plan: of tenants that bought nothing; None: its sessions are of no tenant.
        mfa_required: `MFA_REQUIRED`: no session without a second factor goes on.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        mint: Mint,
        refresh_tokens: RefreshTokens,
        marks: RevocationMarks,
        grace: timedelta,
        plan: str | None = None,
        *,
        mfa_required: bool,
    ) -> None:
        self._limiter = limiter
        self._mint = mint
        self._plan = plan
        self._reading = PLATFORM if plan is None else SEATED
        self._rotation = Rotation(
            db, clock, audit, refresh_tokens, marks, grace, self._reading, mfa_required=mfa_required
        )

    async def __call__(self, raw_token: str, origin: Origin) -> TokenPair:
        """The next pair of tokens.

        Raises:
            InvalidRefreshToken: we never issued that string.
            SessionRevoked: its session ended, or the token was used before.
            TooManyRequests, ServiceUnavailable: limit used up; database down.
        """
        return (await self.renewed(raw_token, origin)).tokens

    async def renewed(self, raw_token: str, origin: Origin) -> Renewed:
        """The next pair of tokens, and the person's profile when it is known already.

        Raises:
            as `__call__`.
        """
        await self._limiter.spend(REFRESH, origin.ip)
        refreshed = await self._rotation(raw_token, origin)
        tokens = await self._mint.pair(self._grant(refreshed.token.session_id, refreshed.row), refreshed.token.raw)
        return Renewed(tokens, refreshed.row[-WIDTH:] if self._reading.profiled and refreshed.rotated else None)

    def _grant(self, session_id: UUID, row: Any) -> Grant:
        tenant_id = row["tenant_id"]
        return Grant(
            session_id=session_id,
            user_id=row["user_id"],
            global_role=row["global_role"],
            token_version=row["token_version"],
            amr=row["amr"],
            auth_time=row["auth_time"],
            expires_at=row["expires_at"],
            seat=Seat(tenant_id, row["role"] or "MEMBER", row["plan"] or self._plan or "") if tenant_id else None,
        )
