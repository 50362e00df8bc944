"""Ask for a link; use it once. Source: contracts/platform-api.md §4.2 "reset token", "reset success", SECURITY §2.

A known and an unknown address cost the same: both run the same statements and commit an audit row;
for the unknown one everything but that row is rolled back to a savepoint.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from identry import ways_in
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.ids import uuid7
from identry.core.kv import RevocationMarks
from identry.core.limits import (
    ACCOUNT_FAILURES,
    RESET_CONFIRM,
    RESET_REQUEST,
    RESET_REQUEST_EMAIL,
    Limit,
    Limiter,
)
from identry.core.mail import Outbox
from identry.core.mail.events import ASKED_IN
from identry.core.mail.outbox import instant
from identry.core.new_passwords import NewPasswords
from identry.core.origin import Origin
from identry.core.secrets import new_token, token_hash
from identry.records import one_time_tokens, seats, sessions, user_profiles, users
from identry.records.audit import Audit
from identry.records.one_time_tokens import Purpose
from identry.records.seats import Place
from identry.records.users import ApprovalStatus, User
from identry.signin import PasswordLoginDisabled
from identry_kit.apierror import BadRequest, NotImplementedYet

_SENT = "sent"


class VendorReset(NotImplementedYet):
    """501: the vendor pipeline is reserved by the contract and not served."""

    message = "vendor accounts are not served by this deployment"


class InvalidResetToken(BadRequest):
    """400: unknown, used, void or expired; one text for all of them."""

    code = "validation_error"
    message = "token: is invalid, was used before or has expired; ask for a new link"

    def __init__(self) -> None:
        rule = {"field": "token", "rule": "invalid", "message": self.message.removeprefix("token: ")}
        super().__init__(details={"fields": [rule]})


class _Binding(msgspec.Struct):
    """What a token is bound to besides its user: a link sent to a former address is worthless."""

    email: str


class PasswordReset:
    """Lets the owner of a mailbox set a new password.

    Args:
        ttl: how long a link works (60 minutes).
        password_login: False under `AUTH_POLICY=restricted`: no password, nothing to reset.
        asked_in: where people ask here, and so come back to (`core/mail/events.py`); empty: `FRONTEND_URL`.
        requests, confirms: how often a client address may ask for a link, and try one.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        new_passwords: NewPasswords,
        outbox: Outbox,
        marks: RevocationMarks,
        ttl: timedelta,
        *,
        password_login: bool = True,
        asked_in: str = "",
        requests: Limit = RESET_REQUEST,
        confirms: Limit = RESET_CONFIRM,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._new_passwords = new_passwords
        self._outbox = outbox
        self._marks = marks
        self._ttl = ttl
        self._password_login = password_login
        self._asked_in = asked_in
        self._requests = requests
        self._confirms = confirms

    async def request(self, email: str, account_type: str, origin: Origin) -> str:
        """Mail a link to the address if it has an account that may use one; older links are void from now on.

        Returns the raw token (for an address without account: one that opens nothing), for deployments that show it.

        Raises:
            TooManyRequests: the client address or the mail address used up its requests.
            PasswordLoginDisabled: `AUTH_POLICY=restricted`.
            VendorReset: `account_type` is `vendor`.
            ServiceUnavailable: limiter or database cannot answer.
        """
        await self._limiter.spend(self._requests, origin.ip)
        if not self._password_login:
            raise PasswordLoginDisabled
        if account_type == "vendor":
            raise VendorReset
        await self._limiter.spend(RESET_REQUEST_EMAIL, email)
        user = await users.find_by_email(self._db, email)
        someone = user or users.nobody(uuid7(self._clock), email, self._clock.now())
        places = await seats.of_user(self._db, someone.id)
        raw_token = new_token()
        reason = _reason(user, places)
        eligible = reason == _SENT
        async with self._db.transaction() as tx:
            await tx.execute("SAVEPOINT reset")
            await self._issue(tx, someone, raw_token)
            await tx.execute("RELEASE SAVEPOINT reset" if eligible else "ROLLBACK TO SAVEPOINT reset")
            await self._audit.record(
                tx,
                "auth.password_reset.requested",
                origin,
                actor="anonymous",
                target=user.id if user else None,
                success=eligible,
                details={"reason": reason},
            )
        return raw_token

    async def _issue(self, tx: Executor, user: User, raw_token: str) -> None:
        now = self._clock.now()
        expires_at = now + self._ttl
        await one_time_tokens.issue(
            tx,
            Purpose.PASSWORD_RESET,
            user.id,
            token_hash(raw_token),
            now=now,
            expires_at=expires_at,
            data=msgspec.json.encode(_Binding(user.email)).decode(),
        )
        await self._outbox.enqueue(
            tx,
            template="password_reset",
            to=user.email,
            context={
                "full_name": user.full_name,
                "token": raw_token,
                "expires_at": instant(expires_at),
                **({ASKED_IN: self._asked_in} if self._asked_in else {}),
            },
        )

    async def confirm(self, raw_token: str, new_password: str, origin: Origin, *, field: str = "newPassword") -> None:
        """Set the password of the token's user; every session and every other one-time token of the user ends.

        `field` is the name of the password in the request. Wrong passwords that were tried from here count no more: who
        forgot a password has guessed before.

        Raises:
            PasswordLoginDisabled: deployment, or every tenant of the account, want single sign-on.
            InvalidResetToken: the token opens nothing (any more), or its account is blocked.
            UnacceptablePassword: the policy refuses the password; the token stays open.
            TooManyRequests, ServiceUnavailable: limit used up; hashing queue, limiter or database cannot answer.
        """
        await self._limiter.spend(self._confirms, origin.ip)
        if not self._password_login:
            raise PasswordLoginDisabled
        user = await self._holder(token_hash(raw_token))
        if user is None:
            await self._refuse(None, "invalid token", origin)
            raise InvalidResetToken
        if not may_reset(user):
            await self._refuse(user.id, "blocked account", origin)
            raise InvalidResetToken
        if seats.only_single_sign_on(await seats.of_user(self._db, user.id)):
            await self._refuse(user.id, "single sign-on only", origin)
            raise PasswordLoginDisabled
        password_hash = await self._new_passwords.hash(new_password, email=user.email, field=field)
        ended = await self._set_password(user, token_hash(raw_token), password_hash, origin)
        if ended is None:
            raise InvalidResetToken
        await self._marks.mark(*ended)
        await self._limiter.forget(ACCOUNT_FAILURES, origin.ip, user.email)

    async def _holder(self, hashed: bytes) -> User | None:
        """The user of an open token, as long as the address it was sent to is still theirs."""
        bound = await one_time_tokens.peek(self._db, Purpose.PASSWORD_RESET, hashed, self._clock.now())
        if bound is None:
            return None
        user = await users.find(self._db, bound.user_id)
        same = user is not None and user.email == msgspec.json.decode(bound.data, type=_Binding).email
        return user if same else None

    async def _set_password(self, user: User, hashed: bytes, password_hash: str, origin: Origin) -> list[UUID] | None:
        """Consume the token and do all that follows from it, or None (audited) when it was not open any more."""
        async with self._db.transaction() as tx:
            now = self._clock.now()
            current = await users.lock(tx, user.id)
            usable = current is not None and may_reset(current) and current.email == user.email
            if not usable or await one_time_tokens.consume(tx, Purpose.PASSWORD_RESET, hashed, now) is None:
                await self._refuse(user.id, "token no longer open", origin, tx)
                return None
            return await self._replace(tx, user, password_hash, now, origin)

    async def _replace(self, tx: Executor, user: User, password_hash: str, now: datetime, origin: Origin) -> list[UUID]:
        changes = {"password_hash": password_hash, "email_verified": True}
        await users.update(tx, user.id, changes, now=now, bump=True)
        await user_profiles.password_chosen(tx, user.id)
        await one_time_tokens.void(tx, user.id, now)
        if not user.email_verified:
            # The mailbox's owner takes the account; whoever came by an unproven address keeps no way into it.
            await ways_in.close_unproven(tx, user.id)
        ended = await sessions.revoke_all(tx, user.id, "password reset", now)
        await self._outbox.enqueue(
            tx, template="password_changed", to=user.email, context={"full_name": user.full_name}
        )
        await self._audit.record(
            tx,
            "auth.password_reset.completed",
            origin,
            actor=user.id,
            target=user.id,
            details={"revokedSessions": len(ended)},
        )
        return ended

    async def _refuse(self, user_id: UUID | None, reason: str, origin: Origin, db: Executor | None = None) -> None:
        await self._audit.record(
            db or self._db,
            "auth.password_reset.failed",
            origin,
            actor="anonymous",
            target=user_id,
            success=False,
            details={"reason": reason},
        )


def _reason(user: User | None, places: list[Place]) -> str:
    """What becomes of a request; only the first word sends a mail, and the answer never tells."""
    if user is None:
        return "unknown address"
    if not may_reset(user):
        return "blocked account"
    return "single sign-on only" if seats.only_single_sign_on(places) else _SENT


def may_reset(user: User) -> bool:
    """Whether a reset link of this account is worth anything: not when it was rejected or deactivated.

    A registration that waits for approval may: the new password cannot sign in before staff approve the account, and
    the owner of the mailbox takes the account from whoever registered the address.
    """
    if user.approval_status == ApprovalStatus.PENDING:
        return True
    return user.approval_status == ApprovalStatus.APPROVED and user.is_active
