"""A link proves that whoever signed up reads the mailbox. Source: contracts/provider-api.md §7."""

from __future__ import annotations

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.limits import VERIFY_EMAIL, Limiter
from identry.core.origin import Origin
from identry.oauth import mailed_links
from identry.records import users
from identry.records.audit import Audit
from identry.records.one_time_tokens import Purpose
from identry.records.users import ApprovalStatus
from identry_kit.apierror import BadRequest


class InvalidVerification(BadRequest):
    """400: unknown, used, void or expired, or the account is blocked; one text for all of them."""

    message = "the link is invalid, was used before or has expired"


class VerifyEmail:
    """Takes proofs of addresses."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, limiter: Limiter) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter

    async def __call__(self, raw_token: str, origin: Origin) -> None:
        """Note that the address of the token's user is proven.

        Raises:
            InvalidVerification: the token proves nothing (any more).
            RateLimited, ServiceUnavailable: the client address used up its tries; nobody can tell.
        """
        await self._limiter.spend(VERIFY_EMAIL, origin.ip)
        if not await self._prove(raw_token, origin):
            raise InvalidVerification

    async def _prove(self, raw_token: str, origin: Origin) -> bool:
        now = self._clock.now()
        bound = await mailed_links.peek(self._db, Purpose.EMAIL_VERIFICATION, raw_token, now)
        if bound is None:
            return False
        user_id, link = bound
        async with self._db.transaction() as tx:
            user = await users.lock(tx, user_id)
            if user is None or user.email != link.email or not user.is_active:
                return False
            if user.approval_status != ApprovalStatus.APPROVED:
                return False
            if not await mailed_links.consume(tx, Purpose.EMAIL_VERIFICATION, raw_token, now):
                return False
            await users.update(tx, user.id, {"email_verified": True}, now=now)
            await self._audit.record(tx, "user.email_verified", origin, actor=user.id, target=user.id)
        return True
