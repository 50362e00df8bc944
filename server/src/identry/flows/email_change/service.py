"""Asked for by a recent sign-in → a link to the new address, word to the old one → opened by the same account → done.

The link counts only in a session of the account that asked for it: whoever is sent a stranger's link gives nothing away
by opening it. Source: SECURITY §2 rows 26, 30, 31, 34; ASVS 6.3.7, 7.5.1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from identry.core import email_domains
from identry.core.clock import Clock
from identry.core.db import Database, Duplicate, Executor
from identry.core.kv import RevocationMarks
from identry.core.limits import EMAIL_CHANGE, EMAIL_CHANGE_MAIL, Limiter
from identry.core.mail import Outbox
from identry.core.mail.outbox import instant
from identry.core.origin import Origin
from identry.core.secrets import new_token, token_hash
from identry.flows.email_change import queries
from identry.records import one_time_tokens, sessions, tenants, users
from identry.records.audit import Audit
from identry.records.one_time_tokens import Purpose
from identry.records.users import User
from identry.refusals import EmailDomainNotAllowed
from identry_kit.apierror import BadRequest


class SameAddress(BadRequest):
    """400: it is the account's address already."""

    code = "same_address"
    message = "this is your address already"


class InvalidEmailLink(BadRequest):
    """400: the link was never given, was used, has expired, is another account's, or the address is taken meanwhile."""

    code = "invalid_token"
    message = "the link is invalid or has expired"


class _Binding(msgspec.Struct, frozen=True):
    """What a link is bound to: the address as it was, and as it shall be."""

    before: str
    after: str


class EmailChange:
    """Changes the address of an account.

    Args:
        ttl: of a link.
        domains: `AUTH_ALLOWED_EMAIL_DOMAINS`.
        tenant_of_domain: the tenant that proved to own a domain; nobody moves where it wants single sign-on only.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        outbox: Outbox,
        marks: RevocationMarks,
        ttl: timedelta,
        *,
        domains: tuple[str, ...],
        tenant_of_domain: Callable[[str], Awaitable[UUID | None]],
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._outbox = outbox
        self._marks = marks
        self._ttl = ttl
        self._domains = domains
        self._tenant_of_domain = tenant_of_domain

    async def begin(self, user: User, session_id: UUID, wanted: str, origin: Origin) -> None:
        """Mail a link to the address that the user wants (normalised), and word of it to the one they have.

        For an address that has an account nothing is mailed there; the answer and its time are the same.

        Raises:
            SameAddress: it is theirs already.
            RateLimited: the account, or the address, had enough of these mails.
            EmailDomainNotAllowed: deployment, a tenant of the user or the owner of the domain do not let it in.
        """
        if wanted == user.email:
            raise SameAddress
        await self._limiter.spend(EMAIL_CHANGE, str(user.id))
        await self._limiter.spend(EMAIL_CHANGE_MAIL, wanted)
        await self._require_allowed(user, wanted)
        taken = await users.find_by_email(self._db, wanted) is not None
        async with self._db.transaction() as tx:
            await tx.execute("SAVEPOINT link")
            await self._issue(tx, user, wanted)
            await tx.execute("ROLLBACK TO SAVEPOINT link" if taken else "RELEASE SAVEPOINT link")
            await self._outbox.enqueue(
                tx, template="email_change_requested", to=user.email, context={"full_name": user.full_name}
            )
            await self._record(
                tx,
                "user.email_change_requested",
                user,
                session_id,
                origin,
                success=not taken,
                reason="address has an account" if taken else "link sent",
            )

    async def _require_allowed(self, user: User, wanted: str) -> None:
        lists = await queries.domain_lists(self._db, user.id)
        if not email_domains.allowed(wanted, self._domains, *lists):
            raise EmailDomainNotAllowed
        domain = email_domains.domain_of(wanted)
        owner = await self._tenant_of_domain(domain) if domain else None
        tenant = await tenants.find(self._db, owner) if owner else None
        if tenant is not None and tenant.is_active and tenant.auth_policy == "restricted":
            raise EmailDomainNotAllowed

    async def _issue(self, tx: Executor, user: User, wanted: str) -> None:
        raw_token, now = new_token(), self._clock.now()
        expires_at = now + self._ttl
        await one_time_tokens.issue(
            tx,
            Purpose.EMAIL_CHANGE,
            user.id,
            token_hash(raw_token),
            now=now,
            expires_at=expires_at,
            data=msgspec.json.encode(_Binding(user.email, wanted)).decode(),
        )
        context = {"full_name": user.full_name, "token": raw_token, "expires_at": instant(expires_at)}
        await self._outbox.enqueue(tx, template="email_change", to=wanted, context=context)

    async def pending(self, user: User, raw_token: str) -> str:
        """The address that a link would give this user; nothing is used up.

        Raises:
            InvalidEmailLink: it opens nothing for them.
        """
        bound = await one_time_tokens.peek(self._db, Purpose.EMAIL_CHANGE, token_hash(raw_token), self._clock.now())
        wanted = _wanted(user, bound)
        if wanted is None:
            raise InvalidEmailLink
        return wanted

    async def confirm(self, user: User, session_id: UUID, raw_token: str, origin: Origin) -> str:
        """Use the link: the user has that address now; every other session and every link of the old address ends.

        Raises:
            InvalidEmailLink: it opens nothing for them (audited).
        """
        try:
            changed = await self._change(user, session_id, token_hash(raw_token), origin)
        except Duplicate:  # somebody else took the address between the look and the write
            changed = None
        if changed is None:
            await self._record(self._db, "user.email_changed", user, session_id, origin, success=False)
            raise InvalidEmailLink
        wanted, ended = changed
        await self._marks.mark(*ended)
        return wanted

    async def _change(
        self, user: User, session_id: UUID, hashed: bytes, origin: Origin
    ) -> tuple[str, list[UUID]] | None:
        """The new address and the sessions that ended, or None when the link opens nothing (any more)."""
        async with self._db.transaction() as tx:
            now = self._clock.now()
            held = await users.lock(tx, user.id)
            if held is None or not held.is_active:
                return None
            wanted = _wanted(held, await one_time_tokens.peek(tx, Purpose.EMAIL_CHANGE, hashed, now))
            if wanted is None or await one_time_tokens.consume(tx, Purpose.EMAIL_CHANGE, hashed, now) is None:
                return None
            if await users.find_by_email(tx, wanted) is not None:
                return None
            return wanted, await self._write(tx, held, wanted, session_id, now, origin)

    async def _write(
        self, tx: Executor, held: User, wanted: str, session_id: UUID, now: datetime, origin: Origin
    ) -> list[UUID]:
        changes = {"email": wanted, "email_verified": True}
        changed = await users.update(tx, held.id, changes, now=now, bump=True)
        await one_time_tokens.void(tx, held.id, now)
        ended = await sessions.revoke_all(tx, held.id, "e-mail address changed", now, keep=session_id)
        await sessions.carry(tx, session_id, changed.token_version)
        context = {"full_name": held.full_name}
        await self._outbox.enqueue(tx, template="email_changed", to=held.email, context=context)
        await self._audit.record(
            tx,
            "user.email_changed",
            origin,
            actor=held.id,
            target=held.id,
            session_id=session_id,
            details={"fields": ["email"], "revokedSessions": len(ended)},
        )
        return ended

    async def _record(
        self,
        tx: Executor,
        event: str,
        user: User,
        session_id: UUID,
        origin: Origin,
        *,
        success: bool,
        reason: str = "link not open",
    ) -> None:
        await self._audit.record(
            tx,
            event,
            origin,
            actor=user.id,
            target=user.id,
            session_id=session_id,
            success=success,
            details={"reason": reason},
        )


def _wanted(user: User, bound: one_time_tokens.Consumed | None) -> str | None:
    """The address that a link gives this user; None: it is not theirs, or of an address that they no longer have."""
    if bound is None or bound.user_id != user.id:
        return None
    binding = msgspec.json.decode(bound.data, type=_Binding)
    return binding.after if binding.before == user.email else None
