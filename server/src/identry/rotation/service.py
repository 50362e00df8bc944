"""Rotate, or hand the same successor to an honest retry, or end the family. Source: DESIGN §4.11, RFC 9700 §4.14.2."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.kv import RevocationMarks
from identry.core.origin import Origin
from identry.records import sessions
from identry.records.audit import Audit
from identry.rotation.batches import Rotations
from identry.rotation.statements import NO_HOLDER, Asked, Holder, Reading
from identry.tokens import RefreshToken, RefreshTokens
from identry_kit.apierror import Unauthorized
from identry_kit.context import annotate

log = structlog.get_logger("identry.refresh")

_CLOCK_SKEW = timedelta(seconds=60)


class InvalidRefreshToken(Unauthorized):
    """401: not a refresh token of ours."""

    message = "invalid refresh token"


class SessionRevoked(Unauthorized):
    """401: the token was ours, but its session is over (or has just been ended because the token was replayed)."""

    code = "session_revoked"
    message = "the session has ended; sign in again"


class Misfit(Unauthorized):
    """What is asked for goes beyond the session; the presented token stays as it is."""

    message = "more is asked for than was granted"


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A session that goes on.

    Attributes:
        row: its grant columns, with those of the surface's `Reading`.
        token: the successor of the presented token.
        rotated: whether it was made now; False: an honest retry got the one of before.
    """

    row: Any
    token: RefreshToken
    rotated: bool = True


class Rotation:
    """Keeps the sessions of a surface going.

    Args:
        grace: how long the predecessor still gets the same successor (`REFRESH_GRACE`; zero: never).
        reading: what its sessions are.
        mfa_required: `MFA_REQUIRED`: no session without a second factor goes on.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        refresh_tokens: RefreshTokens,
        marks: RevocationMarks,
        grace: timedelta,
        reading: Reading,
        *,
        mfa_required: bool,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._refresh_tokens = refresh_tokens
        self._marks = marks
        self._grace = grace
        self._rotations = Rotations(db, reading, mfa_required=mfa_required)

    async def __call__(self, raw_token: str, origin: Origin, holder: Holder = NO_HOLDER) -> Refreshed:
        """The session of a presented token, and the token that comes after it.

        Raises:
            InvalidRefreshToken: we never issued that string.
            SessionRevoked: its session ended, it is another holder's, or the token was used before.
            Misfit: the holder asks for more than the session has.
            ServiceUnavailable: database down.
        """
        presented = self._refresh_tokens.parse(raw_token)
        if presented is None:
            annotate(refresh="refused")
            raise InvalidRefreshToken
        successor = self._refresh_tokens.new(presented.session_id, presented.generation + 1)
        row = await self._rotations.rotate(
            Asked(
                presented.session_id,
                presented.hash,
                successor.hash,
                self._refresh_tokens.seal_successor(presented, successor),
                self._audit.row("auth.refresh.rotated", origin, actor="user", session_id=presented.session_id),
                holder,
            )
        )
        if row is None:
            annotate(refresh="refused")  # unless one of the cases below says otherwise
            return await self._repeated(presented, origin, holder)
        annotate(refresh="rotated")
        return Refreshed(row, successor)

    async def _repeated(self, presented: RefreshToken, origin: Origin, holder: Holder) -> Refreshed:
        """The token is not the current one: an honest retry inside the window, or a replay."""
        now = self._clock.now()
        row = await self._rotations.statements.repeat(
            self._db,
            presented.session_id,
            presented.hash,
            now,
            self._recent(now),
            self._audit.row("auth.refresh.replayed", origin, actor="user", session_id=presented.session_id),
            holder,
        )
        if row is None or not row["live"]:
            raise SessionRevoked
        if not row["fits"] and (row["in_grace"] or presented.generation >= row["refresh_generation"]):
            raise Misfit
        if row["in_grace"]:
            successor = self._successor(presented, row["successor_sealed"])
            annotate(refresh="replayed")
            return Refreshed(row, successor, rotated=False)
        if presented.generation >= row["refresh_generation"]:
            # A genuine link of another history of this session (a restored backup): refuse, but nothing was stolen.
            raise InvalidRefreshToken
        await self._end_family(presented, row, origin)
        raise SessionRevoked

    def _successor(self, presented: RefreshToken, sealed: bytes) -> RefreshToken:
        """The successor that the presented token was given; a damaged one refuses this request and ends nothing."""
        try:
            return self._refresh_tokens.open_successor(presented, sealed)
        except ValueError:
            log.exception("refresh.successor_unreadable", session_id=str(presented.session_id))
            raise SessionRevoked from None

    def _recent(self, now: datetime) -> tuple[datetime, datetime]:
        """When a rotation is recent: inside the window; in the future only as far as two clocks may differ."""
        return (now - self._grace, now + _CLOCK_SKEW) if self._grace else (now, now)

    async def _end_family(self, presented: RefreshToken, row: Any, origin: Origin) -> None:
        async with self._db.transaction() as tx:
            ended = await sessions.revoke(tx, presented.session_id, "refresh token reuse", self._clock.now())
            if ended is not None:
                annotate(refresh="reuse")
                await self._audit.record(
                    tx,
                    "auth.refresh.reuse_detected",
                    origin,
                    actor="anonymous",
                    target=row["user_id"],
                    session_id=presented.session_id,
                    success=False,
                    details={
                        "presentedGeneration": presented.generation,
                        "currentGeneration": row["refresh_generation"],
                        "tokenFingerprint": hashlib.sha256(presented.hash).hexdigest()[:12],
                    },
                )
        await self._marks.mark(presented.session_id)
