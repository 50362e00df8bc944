"""Limit → link → gates, membership, second factor → link used up and grant opened, both or neither.

Source: contracts/provider-api.md §7, §10. At an application everything that could still be missing is asked before the
link is used up, so a code can be sent after `mfa_required`. On our own pages the link is the first step, and a
ticket leads to the second, as after passwords.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from uuid import UUID

from identry import ways_in
from identry.app_signin import AppSignIn, Login
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.kv import RevocationMarks
from identry.core.limits import MAGIC_LINK_VERIFY, Limiter
from identry.core.origin import Origin
from identry.core.secrets import token_hash
from identry.oauth import mailed_links
from identry.records import clients, one_time_tokens, sessions, users
from identry.records.audit import Audit
from identry.records.one_time_tokens import Purpose
from identry.records.users import User
from identry.refusals import note_failed
from identry.signin import SignedIn, SignIn
from identry_kit.apierror import APIError, Unauthorized, ValidationFailed


class InvalidMagicLink(Unauthorized):
    """401: unknown, expired, replaced by a newer one, or of another application."""

    message = "the link is invalid or has expired"


class MagicLinkUsed(ValidationFailed):
    """422: it signed somebody in before."""

    message = "the link was used before"


class Links:
    """Links of one purpose: whose they are, and their one use."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, marks: RevocationMarks, purpose: Purpose) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._marks = marks
        self._purpose = purpose

    async def holder(self, raw_token: str, client_row_id: UUID | None) -> User | None:
        """Whose link it is, as long as the address it was sent to is still theirs; None: it opens nothing there.

        Raises:
            MagicLinkUsed: it did, once.
        """
        bound = await mailed_links.peek(self._db, self._purpose, raw_token, self._clock.now())
        if bound is None:
            spent = await mailed_links.used(self._db, self._purpose, raw_token)
            if spent is not None and spent.client_id == client_row_id:
                raise MagicLinkUsed
            return None
        user_id, link = bound
        user = await users.find(self._db, user_id) if link.client_id == client_row_id else None
        return user if user is not None and user.email == link.email else None

    async def prove(self, user: User, raw_token: str) -> User:
        """The account of whoever reads the mailbox, as it is once they do; the link stays open.

        Where nobody had proven the address its reader takes the account: whoever came by an unproven address keeps no
        way into it.

        Raises:
            MagicLinkUsed: somebody else was faster.
            InvalidMagicLink: the account changed meanwhile.
        """
        if user.email_verified:
            return user
        ended: list[UUID] = []
        async with self._db.transaction() as tx:
            now = self._clock.now()
            current = await users.lock(tx, user.id)
            if current is None or not await mailed_links.peek(tx, self._purpose, raw_token, now):
                raise await self._gone(tx, raw_token)
            if not current.email_verified:
                proven = {"email_verified": True, "password_hash": None}
                current = await users.update(tx, user.id, proven, now=now, bump=True)
                await one_time_tokens.void(tx, user.id, now, keep=token_hash(raw_token))
                await ways_in.close_unproven(tx, user.id)
                ended = await sessions.revoke_all(tx, user.id, "address proven", now)
        await self._marks.mark(*ended)
        return current

    async def spend(self, user: User, raw_token: str, origin: Origin, tx: Executor) -> None:
        """Use the link up, in the transaction of what it opens.

        Raises:
            MagicLinkUsed: somebody else was faster.
            InvalidMagicLink: the account changed meanwhile.
        """
        if not await mailed_links.consume(tx, self._purpose, raw_token, self._clock.now()):
            raise await self._gone(tx, raw_token)
        await self._audit.record(tx, "auth.magic_link.redeemed", origin, actor=user.id, target=user.id)

    async def _gone(self, tx: Executor, raw_token: str) -> APIError:
        used = await mailed_links.used(tx, self._purpose, raw_token)
        return MagicLinkUsed() if used else InvalidMagicLink()

    async def refuse(self, origin: Origin) -> None:
        """Note that a link opened nothing."""
        await note_failed(self._db, self._audit, "auth.magic_link.failed", None, origin, reason="invalid link")


class VerifyMagicLink:
    """Signs in by mailed links."""

    def __init__(
        self, db: Database, clock: Clock, audit: Audit, limiter: Limiter, marks: RevocationMarks, people: AppSignIn
    ) -> None:
        self._db = db
        self._limiter = limiter
        self._people = people
        self._links = Links(db, clock, audit, marks, Purpose.MAGIC_LINK)

    async def __call__(self, raw_token: str, client_id: str, code: str | None, origin: Origin) -> Login:
        """A grant for the person of a link, at the application that it was made for.

        Raises:
            RateLimited: the client address used up its tries, or the account its wrong codes.
            InvalidMagicLink, MagicLinkUsed: as they say.
            Forbidden, MfaCodeNeeded, WrongMfaCode: as `AppSignIn.admit`; the link stays as it is.
            CredentialsChanged, ServiceUnavailable: as `AppSignIn.open`.
        """
        await self._limiter.spend(MAGIC_LINK_VERIFY, origin.ip)
        client = await clients.find(self._db, client_id)
        serves = client is not None and client.is_active and not client.require_dpop
        user = await self._links.holder(raw_token, client.id) if client and serves else None
        if user is None or client is None:
            await self._links.refuse(origin)
            raise InvalidMagicLink
        admitted = await self._people.admit(user, client, ("otp",), code, origin, mailbox_proven=True)
        proven = await self._links.prove(user, raw_token)
        spend = partial(self._links.spend, proven, raw_token, origin)
        return await self._people.open(proven, client, admitted.before(spend), origin, "magic_link")


class SignInByLink:
    """Signs in on our own pages by mailed links."""

    def __init__(
        self, db: Database, clock: Clock, audit: Audit, limiter: Limiter, marks: RevocationMarks, signin: SignIn
    ) -> None:
        self._limiter = limiter
        self._signin = signin
        self._links = Links(db, clock, audit, marks, Purpose.PAGES_LINK)

    async def whose(self, raw_token: str) -> User:
        """Who would be signed in; nothing is used up.

        Raises:
            InvalidMagicLink: it opens nothing, or did before.
        """
        with suppress(MagicLinkUsed):
            if user := await self._links.holder(raw_token, None):
                return user
        raise InvalidMagicLink

    async def __call__(self, raw_token: str, origin: Origin) -> SignedIn:
        """A session for the person of a link.

        Raises:
            RateLimited: the client address used up its tries.
            InvalidMagicLink: it opens nothing, or did before.
            Forbidden, CredentialsChanged, ServiceUnavailable: as `SignIn.complete`.
        """
        await self._limiter.spend(MAGIC_LINK_VERIFY, origin.ip)
        try:
            user = await self.whose(raw_token)
        except InvalidMagicLink:
            await self._links.refuse(origin)
            raise
        await self._signin.admit(user, origin)
        try:
            proven = await self._links.prove(user, raw_token)
            spend = partial(self._links.spend, proven, raw_token, origin)
            return await self._signin.complete(proven, ("otp",), origin, spend=spend)
        except MagicLinkUsed:
            raise InvalidMagicLink from None
