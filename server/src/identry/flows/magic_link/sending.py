"""Limit → is there a page → link and mail in one transaction. Source: contracts/provider-api.md §10, §13.

A known and an unknown address cost the same: both run the same statements and commit an audit row; for one that gets
no mail everything but that row is rolled back to a savepoint.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.ids import uuid7
from identry.core.limits import MAGIC_LINK, PAGE_LINK, Limiter
from identry.core.mail import Outbox
from identry.core.mail.outbox import instant
from identry.core.origin import Origin
from identry.oauth import mailed_links
from identry.records import app_members, seats, users
from identry.records.audit import Audit
from identry.records.clients import Client
from identry.records.one_time_tokens import Purpose
from identry.records.users import ADMINISTRATORS, ApprovalStatus, User
from identry.signin import PasswordLoginDisabled
from identry_kit.apierror import Conflict

TTL = timedelta(minutes=15)
"""How long a link works (contracts/provider-api.md §10)."""

_SENT = "sent"


class NoPage(Conflict):
    """409: the application has no `magic_link_url` that a link could lead to."""

    message = "the application has no magic_link_url"


class SendMagicLink:
    """Mails links.

    Args:
        local_login: False under `AUTH_POLICY=restricted`: nothing but single sign-on.
    """

    def __init__(
        self, db: Database, clock: Clock, audit: Audit, limiter: Limiter, outbox: Outbox, *, local_login: bool
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._outbox = outbox
        self._local_login = local_login

    async def __call__(self, client: Client, email: str, origin: Origin) -> str:
        """Mail a link to the address if it is a member's; older links are void from now on.

        Returns the link (for an address that gets none: one that opens nothing), for deployments that show it.

        Raises:
            NoPage: the application has no page for it.
            PasswordLoginDisabled: `AUTH_POLICY=restricted`.
            RateLimited: address and application used up their links.
            ServiceUnavailable: limiter or database cannot answer.
        """
        if client.magic_link_url is None:
            raise NoPage
        if not self._local_login:
            raise PasswordLoginDisabled
        await self._limiter.spend(MAGIC_LINK, email, str(client.id))
        page, name = client.magic_link_url, client.client_id
        return await self._mail(email, client, client.name, lambda token: _link(page, token, name), origin)

    async def to_our_pages(self, email: str, application: str, url_of: Callable[[str], str], origin: Origin) -> None:
        """Mail a link that signs in on our own pages, if the address is somebody's; older ones are void from now on.

        Args:
            email: as typed.
            application: the one that sent the person here, for the mail; empty: none.
            url_of: the page that the link leads to, for a token.
            origin: the request.

        Raises:
            RateLimited: the client address or the mailbox used up its links.
            ServiceUnavailable: limiter or database cannot answer.
        """
        await self._limiter.spend(PAGE_LINK, origin.ip)
        await self._limiter.spend(MAGIC_LINK, email, None)
        await self._mail(email, None, application, url_of, origin)

    async def _mail(
        self, email: str, client: Client | None, application: str, url_of: Callable[[str], str], origin: Origin
    ) -> str:
        user = await users.find_by_email(self._db, email)
        someone = user or users.nobody(uuid7(self._clock), email, self._clock.now())
        reason = await self._reason(user, someone, client)
        now, purpose = self._clock.now(), Purpose.MAGIC_LINK if client else Purpose.PAGES_LINK
        async with self._db.transaction() as tx:
            await tx.execute("SAVEPOINT link")
            url = url_of(await mailed_links.issue(tx, purpose, someone, client, now, TTL))
            context = {"full_name": someone.full_name, "application_name": application, "url": url}
            context["expires_at"] = instant(now + TTL)
            await self._outbox.enqueue(tx, template="magic_link", to=email, context=context)
            await tx.execute("RELEASE SAVEPOINT link" if reason == _SENT else "ROLLBACK TO SAVEPOINT link")
            await self._record(tx, user.id if user else None, client, reason, origin)
        return url

    async def _reason(self, user: User | None, someone: User, client: Client | None) -> str:
        """What becomes of a request; only the first word sends a mail, and the answer never tells."""
        member = await app_members.find(self._db, client.id, someone.id) if client else None
        places = await seats.of_user(self._db, someone.id)
        if user is None:
            return "unknown address"
        if not user.is_active or user.approval_status != ApprovalStatus.APPROVED:
            return "blocked account"
        if client and member is None and user.global_role not in ADMINISTRATORS:
            return "not a member"
        return "single sign-on only" if seats.only_single_sign_on(places) else _SENT

    async def _record(
        self, tx: Executor, user_id: UUID | None, client: Client | None, reason: str, origin: Origin
    ) -> None:
        await self._audit.record(
            tx,
            "auth.magic_link.requested",
            origin,
            actor="anonymous",
            target=user_id,
            success=reason == _SENT,
            details={"client": client.client_id if client else None, "reason": reason},
        )


def _link(page: str, raw_token: str, client_id: str) -> str:
    """The application's page with the token; what its address carries already stays."""
    parts = urlsplit(page)
    query = urlencode({"token": raw_token, "client_id": client_id})
    return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))
