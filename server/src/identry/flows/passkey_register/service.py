"""Challenge → the authenticator's answer → one transaction that adds the key, tells the user and the audit log.

Source: WebAuthn Level 3 §7.1; ASVS 6.5, 7.5.1. Who adds one proved themselves minutes ago: by a fresh session, or by
the ticket of a sign-in that demands a second factor and found none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.ids import uuid7
from identry.core.limits import PASSKEY_OPTIONS, PASSKEY_REGISTER, Limiter
from identry.core.mail import Outbox
from identry.core.origin import Origin
from identry.core.passkeys import Attestation, NewKey, PasskeyError, RelyingParty, challenge_in
from identry.core.secrets import new_token, random_bytes, token_hash
from identry.records import one_time_tokens, passkey_challenges, passkeys, users
from identry.records.audit import Audit
from identry.records.one_time_tokens import Purpose
from identry.records.passkey_challenges import Asked, Ceremony
from identry.records.passkeys import Passkey
from identry.records.users import User
from identry.second_factor import FirstFactor, waiting
from identry.signin import SignedIn, SignIn, gate, passkey_amr
from identry_kit.apierror import BadRequest, Conflict, Unauthorized

MOST = 20
"""Passkeys of one user."""
_SETUPS = (Purpose.MFA_SETUP, Purpose.PAGES_MFA_SETUP)
_HANDLE_BYTES = 32


class PasskeyRefused(BadRequest):
    """400: the authenticator's answer is not genuine, not for this page, or too late; begin again with new options."""

    code = "passkey_refused"
    message = "this passkey could not be added; begin again"


class PasskeyExists(Conflict):
    """409: the authenticator's key is registered already."""

    code = "passkey_exists"
    message = "this passkey is registered already"


class TooManyPasskeys(Conflict):
    """409: the account has as many passkeys as it may."""

    code = "too_many_passkeys"
    message = f"an account has at most {MOST} passkeys; remove one first"


class StaleSetupTicket(Unauthorized):
    """401: the ticket of the first step was never given, was used, has expired, or a factor was set up meanwhile."""

    browser_code = "session_token_expired"
    message = "begin the sign-in again"


@dataclass(frozen=True, slots=True)
class Registrant:
    """Who adds a passkey, and by what that was proven: a session, or the ticket of a sign-in under way.

    Attributes:
        user: the account.
        bound: hash of what asked; challenge and answer have it in common.
        session_id: of a session.
        ticket: hash of a ticket.
        first: the first factor, with a ticket.
    """

    user: User
    bound: bytes
    session_id: UUID | None = None
    ticket: bytes | None = None
    first: FirstFactor | None = None


@dataclass(frozen=True, slots=True)
class Asking:
    """What the authenticator is to be asked.

    Attributes:
        challenge: base64url.
        handle: under which it will know the user.
        user: to show there.
        known: passkeys that the user has already.
    """

    challenge: str
    handle: bytes
    user: User
    known: list[Passkey]


class RegisterPasskey:
    """Adds passkeys.

    Args:
        ticket: which tickets of a sign-in it takes: those of one surface.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        outbox: Outbox,
        party: RelyingParty,
        signin: SignIn,
        *,
        ticket: Purpose = Purpose.MFA_SETUP,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._outbox = outbox
        self._party = party
        self._signin = signin
        self._ticket = ticket

    async def signing_in(self, raw_ticket: str, origin: Origin) -> Registrant:
        """A registrant proven by the ticket of a sign-in that demands a second factor.

        Raises:
            StaleSetupTicket: the ticket opens nothing (any more).
            RateLimited: the client address tries too often.
        """
        await self._limiter.spend(PASSKEY_OPTIONS, origin.ip)
        found = await waiting(self._db, self._ticket, raw_ticket, self._clock.now())
        if found is None:
            raise StaleSetupTicket
        return Registrant(found.user, found.ticket_hash, ticket=found.ticket_hash, first=found.first)

    async def ask(self, who: Registrant) -> Asking:
        """A challenge for a new passkey.

        Raises:
            RateLimited: the account asks too often.
            TooManyPasskeys: it has as many as it may.
        """
        await self._limiter.spend(PASSKEY_REGISTER, str(who.user.id))
        known = await passkeys.of_user(self._db, who.user.id)
        if len(known) >= MOST:
            raise TooManyPasskeys
        challenge, now = new_token(), self._clock.now()
        handle = await passkeys.handle_of(self._db, who.user.id, random_bytes(_HANDLE_BYTES), now)
        await passkey_challenges.issue(self._db, token_hash(challenge), _asked(who), now)
        return Asking(challenge, handle, who.user, known)

    async def add(self, who: Registrant, answer: Attestation, name: str, origin: Origin) -> Passkey:
        """The new passkey; a ticket is used up by it.

        Raises:
            PasskeyRefused: the answer is not genuine, or not to a challenge of this registrant (audited).
            PasskeyExists, TooManyPasskeys: there is no place for it.
            StaleSetupTicket: the ticket was used, or a factor was set up meanwhile.
        """
        try:
            challenge = challenge_in(answer.client_data)
            if not await passkey_challenges.take(self._db, token_hash(challenge), _asked(who), self._clock.now()):
                raise PasskeyError("no open challenge")
            await self._party.ready()
            key = self._party.registered(answer, challenge)
        except PasskeyError as error:
            await self._refuse(who.user, str(error), origin)
            raise PasskeyRefused from None
        return await self._store(who, answer, key, name, origin)

    async def add_and_sign_in(self, who: Registrant, answer: Attestation, name: str, origin: Origin) -> SignedIn:
        """As `add`, then the session that the ticket's sign-in was about.

        Raises:
            APIError: as `add`, or whatever `signin.complete` refuses.
        """
        passkey = await self.add(who, answer, name, origin)
        assert who.first is not None, "a session needs no other"
        amr = (*who.first.amr, *passkey_amr(passkey))
        return await self._signin.complete(who.user, amr, origin, tenant_id=who.first.tenant_id)

    async def _store(self, who: Registrant, answer: Attestation, key: NewKey, name: str, origin: Origin) -> Passkey:
        now = self._clock.now()
        passkey = Passkey(
            uuid7(self._clock),
            who.user.id,
            answer.credential_id,
            key.public_key,
            key.sign_count,
            key.aaguid,
            list(answer.transports),
            key.backup_eligible,
            key.backed_up,
            name,
            now,
            None,
        )
        async with self._db.transaction() as tx:
            held = await users.lock(tx, who.user.id)
            if held is None or held.token_version != who.user.token_version:
                raise PasskeyRefused
            gate(held)
            if who.ticket is not None:
                await self._use_ticket(tx, held, who.ticket, now)
            if len(await passkeys.of_user(tx, held.id)) >= MOST:
                raise TooManyPasskeys
            if not await passkeys.insert(tx, passkey):
                raise PasskeyExists
            # Whoever else holds such a ticket knows the password only: there is a factor now, and it is asked for.
            for setup in _SETUPS:
                await one_time_tokens.void(tx, held.id, now, setup)
            await self._tell(tx, held, passkey, origin, who.session_id)
        return passkey

    async def _use_ticket(self, tx: Executor, user: User, ticket: bytes, now: datetime) -> None:
        """Use the ticket up; it adds a first factor only, never one beside a factor that it did not prove."""
        unsecured = not user.mfa_enabled and not await passkeys.has_any(tx, user.id)
        if not unsecured or await one_time_tokens.consume(tx, self._ticket, ticket, now) is None:
            raise StaleSetupTicket

    async def _tell(self, tx: Executor, user: User, passkey: Passkey, origin: Origin, session_id: UUID | None) -> None:
        context = {"full_name": user.full_name, "passkey_name": passkey.name}
        await self._outbox.enqueue(tx, template="passkey_added", to=user.email, context=context)
        await self._audit.record(
            tx,
            "auth.passkey.added",
            origin,
            actor=user.id,
            target=user.id,
            session_id=session_id,
            details={"passkey": str(passkey.id)},
        )

    async def _refuse(self, user: User, reason: str, origin: Origin) -> None:
        await self._audit.record(
            self._db,
            "auth.passkey.refused",
            origin,
            actor=user.id,
            target=user.id,
            success=False,
            details={"reason": reason},
        )


def signed_in(user: User, session_id: UUID) -> Registrant:
    """A registrant proven by a session."""
    return Registrant(user, token_hash(str(session_id)), session_id=session_id)


def _asked(who: Registrant) -> Asked:
    return Asked(Ceremony.REGISTER, who.bound, who.user.id)
