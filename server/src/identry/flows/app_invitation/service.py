"""Link → gates → password → one conditional write → grant. Source: contracts/provider-api.md §7, §10.

An account whose address nobody proved yet was made by an invitation, or by whoever typed the address: the link proves
the mailbox, so its reader takes the account and sets the password. An account that is in use keeps its password, which
is asked for: a mail alone opens none (decision "An invitation is worth what its inviter may give").
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identry import ways_in
from identry.app_refusals import WrongMfaCode
from identry.app_signin import Admitted, AppSignIn, Login
from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.kv import RevocationMarks
from identry.core.limits import APP_ACCOUNT_FAILURES, APP_INVITE, Limiter
from identry.core.new_passwords import NewPasswords
from identry.core.origin import Origin
from identry.core.password_tries import PasswordTries
from identry.core.passwords import Passwords
from identry.oauth import mailed_links
from identry.opening import Spend
from identry.records import clients, one_time_tokens, sessions, user_profiles, users
from identry.records.audit import Audit
from identry.records.clients import Client
from identry.records.one_time_tokens import Purpose
from identry.records.users import User
from identry.signin import PasswordLoginDisabled, SignedIn, SignIn
from identry_kit.apierror import BadRequest


class InvalidInvitation(BadRequest):
    """400: unknown, used, replaced by a newer one or expired; one text for all of them."""

    message = "the invitation is invalid, was used before or has expired"


class WrongPassword(BadRequest):
    """400: the account is in use, and this is not its password."""

    browser_code = "invalid_credentials"
    message = "the address has an account already, and this is not its password"


@dataclass(frozen=True, slots=True)
class Invited:
    """Who was invited, and where to."""

    user: User
    client: Client


class AcceptAppInvitation:
    """Takes invitations to applications.

    Args:
        password_login: False under `AUTH_POLICY=restricted`.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        passwords: Passwords,
        new_passwords: NewPasswords,
        marks: RevocationMarks,
        people: AppSignIn,
        *,
        password_login: bool,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._tries = PasswordTries(passwords, limiter)
        self._new_passwords = new_passwords
        self._marks = marks
        self._people = people
        self._password_login = password_login

    async def look(self, raw_token: str, origin: Origin) -> tuple[Invited, datetime]:
        """What an invitation says, and until when it does.

        Raises:
            InvalidInvitation: it opens nothing (any more).
            RateLimited, ServiceUnavailable: the client address used up its tries; nobody can tell.
        """
        await self._limiter.spend(APP_INVITE, origin.ip)
        invited = await self._invited(raw_token)
        until = await mailed_links.ends_at(self._db, Purpose.APP_INVITE, raw_token, self._clock.now())
        if invited is None or until is None:
            raise InvalidInvitation
        return invited, until

    async def __call__(self, raw_token: str, password: str, name: str, code: str | None, origin: Origin) -> Login:
        """A grant for the invited person; `name` replaces the one that the inviter gave, empty: it stays.

        Raises:
            InvalidInvitation: it opens nothing (any more).
            UnacceptablePassword: the policy refuses it; the invitation stays open.
            WrongPassword: the account is in use and has another one.
            Forbidden, MfaCodeNeeded, WrongMfaCode, PasswordLoginDisabled: as `AppSignIn.admit`; it stays open too.
            RateLimited, CredentialsChanged, ServiceUnavailable: as everywhere.
        """
        invited = await self._open(raw_token, origin)
        user, client = invited.user, invited.client
        password_hash = await self._settle(user, password, origin)
        admitted = await self._people.admit(user, client, ("pwd",), code, origin, mailbox_proven=True)
        try:
            joined = await self._accept(user, raw_token, password_hash, name, client, origin, admitted.spends)
        except WrongMfaCode:
            await self._refuse(user.id, "code used meanwhile", origin)
            raise
        return await self._people.open(joined, client, Admitted(admitted.amr), origin, "invitation")

    async def on_page(self, raw_token: str, password: str, name: str, signin: SignIn, origin: Origin) -> SignedIn:
        """The browser's session of the invited person, instead of a grant: the application asks for one as ever.

        Raises:
            InvalidInvitation, UnacceptablePassword, WrongPassword, PasswordLoginDisabled: as the call.
            Forbidden: a gate of the account is closed (it stays open), or the second factor is still to come (the
                invitation is accepted).
            RateLimited, CredentialsChanged, ServiceUnavailable: as everywhere.
        """
        invited = await self._open(raw_token, origin)
        password_hash = await self._settle(invited.user, password, origin)
        await signin.admit(invited.user, origin)
        joined = await self._accept(invited.user, raw_token, password_hash, name, invited.client, origin)
        return await signin.complete(joined, ("pwd",), origin)

    async def _open(self, raw_token: str, origin: Origin) -> Invited:
        await self._limiter.spend(APP_INVITE, origin.ip)
        if not self._password_login:
            raise PasswordLoginDisabled
        invited = await self._invited(raw_token)
        if invited is None:
            await self._refuse(None, "invalid token", origin)
            raise InvalidInvitation
        return invited

    async def _invited(self, raw_token: str) -> Invited | None:
        """Whose invitation it is, as long as address, membership and application are as they were."""
        bound = await mailed_links.peek(self._db, Purpose.APP_INVITE, raw_token, self._clock.now())
        if bound is None:
            return None
        user_id, link = bound
        user = await users.find(self._db, user_id)
        client = await clients.find_by_id(self._db, link.client_id) if link.client_id else None
        if user is None or client is None or user.email != link.email or not client.is_active or client.require_dpop:
            return None
        return Invited(user, client) if await self._people.belongs(user, client) else None

    async def _settle(self, user: User, password: str, origin: Origin) -> str | None:
        """The hash of the password that an account begins with; None: it is in use, and this is its password."""
        if not user.email_verified:
            return await self._new_passwords.hash(password, email=user.email, field="password")
        if not await self._tries(password, user.password_hash, APP_ACCOUNT_FAILURES, origin.ip, user.email):
            await self._refuse(user.id, "wrong password", origin)
            raise WrongPassword
        return None

    async def _accept(
        self,
        user: User,
        raw_token: str,
        password_hash: str | None,
        name: str,
        client: Client,
        origin: Origin,
        spends: tuple[Spend, ...] = (),
    ) -> User:
        """Use the invitation up, and with it begin the account; the account as it is afterwards.

        Raises:
            InvalidInvitation: it was used, or the account changed, meanwhile.
            WrongMfaCode: the code was used meanwhile.
        """
        ended: list[UUID] = []
        async with self._db.transaction() as tx:
            now = self._clock.now()
            current = await users.lock(tx, user.id)
            if current is None or (current.token_version, current.email) != (user.token_version, user.email):
                raise InvalidInvitation
            for spend in spends:
                await spend(tx)
            if not await mailed_links.consume(tx, Purpose.APP_INVITE, raw_token, now):
                raise InvalidInvitation
            if password_hash is not None:
                current, ended = await self._begin(tx, current, password_hash, name, now)
            await self._audit.record(
                tx,
                "app.invitation.accepted",
                origin,
                actor=user.id,
                target=user.id,
                details={"client": client.client_id, "newAccount": password_hash is not None},
            )
        await self._marks.mark(*ended)
        return current

    async def _begin(
        self, tx: Executor, user: User, password_hash: str, name: str, now: datetime
    ) -> tuple[User, list[UUID]]:
        """The reader of the mailbox takes the account; nothing of before is a way into it."""
        changes = {"password_hash": password_hash, "email_verified": True, "full_name": name or user.full_name}
        begun = await users.update(tx, user.id, changes, now=now, bump=True)
        await user_profiles.password_chosen(tx, user.id)
        await one_time_tokens.void(tx, user.id, now)
        await ways_in.close_unproven(tx, user.id)
        return begun, await sessions.revoke_all(tx, user.id, "invitation accepted", now)

    async def _refuse(self, user_id: UUID | None, reason: str, origin: Origin) -> None:
        await self._audit.record(
            self._db,
            "app.invitation.refused",
            origin,
            actor="anonymous",
            target=user_id,
            success=False,
            details={"reason": reason},
        )
