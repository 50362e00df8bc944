"""Challenge → signature → the key's counter → `signin.complete`; after a first step with its ticket.

Source: WebAuthn Level 3 §7.2; SECURITY §2 rows 35 to 39. A signature is looked at only after its challenge was used up,
so of any number of equal requests one gets further. Every refusal of the first step answers the same.
"""

from __future__ import annotations

from functools import partial
from uuid import UUID

import msgspec

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.limits import PASSKEY_OPTIONS, PASSKEY_SIGN_IN, Limiter
from identry.core.origin import Origin
from identry.core.passkeys import Assertion, PasskeyError, RelyingParty, challenge_in
from identry.core.secrets import equal, new_token, token_hash
from identry.records import one_time_tokens, passkey_challenges, passkeys, users
from identry.records.audit import Audit
from identry.records.one_time_tokens import Consumed, Purpose
from identry.records.passkey_challenges import Asked, Ceremony
from identry.records.passkeys import Passkey
from identry.refusals import note_failed
from identry.second_factor import FirstFactor, Waiting
from identry.signin import PasswordLoginDisabled, SignedIn, SignIn, passkey_amr
from identry_kit.apierror import NotFound, Unauthorized


class PasskeyNotAccepted(Unauthorized):
    """401: unknown passkey, wrong signature, used or expired challenge, another browser; the answer is the same."""

    browser_code = "invalid_credentials"
    message = "this passkey was not accepted; try again or sign in another way"


class WrongPasskey(Unauthorized):
    """401: not a signature of one of the account's passkeys to an open challenge of this sign-in."""

    browser_code = "invalid_code"
    message = "this passkey was not accepted"


class StaleTicket(WrongPasskey):
    """401: the ticket of the first step was never given, was used, has expired, or its tries are used up."""

    browser_code = "session_token_expired"
    message = "begin the sign-in again"


class NoPasskey(NotFound):
    """404: the account that signs in has no passkey."""

    message = "this account has no passkey; use another method"


class CounterWentBack(PasskeyError):
    """The key counts its uses, and the number is not higher than the last one: there may be a copy of it."""


def _asked(waiting: Waiting) -> Asked:
    """What the challenges of a second step are bound to."""
    return Asked(Ceremony.SECOND_FACTOR, waiting.ticket_hash, waiting.user.id)


class PasskeyLogin:
    """Signs people in by their passkeys.

    Args:
        local_login: False under `AUTH_POLICY=restricted`: then only as the second step.
        ticket: which tickets the second step takes: those of one surface.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        limiter: Limiter,
        party: RelyingParty,
        signin: SignIn,
        *,
        local_login: bool,
        ticket: Purpose = Purpose.BROWSER_MFA_TICKET,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._party = party
        self._signin = signin
        self._local_login = local_login
        self._ticket = ticket

    async def ask(self, browser: str, origin: Origin) -> str:
        """A challenge for whoever has a passkey in this browser, known by the secret `browser`.

        Raises:
            RateLimited: the client address asks too often.
            PasswordLoginDisabled: `AUTH_POLICY=restricted`.
        """
        await self._limiter.spend(PASSKEY_OPTIONS, origin.ip)
        if not self._local_login:
            raise PasswordLoginDisabled
        return await self._challenge(Asked(Ceremony.LOGIN, token_hash(browser)))

    async def __call__(self, browser: str | None, answer: Assertion, origin: Origin) -> SignedIn:
        """A session, for an answer to a challenge that this browser was given.

        Raises:
            RateLimited: the client address used up its tries.
            PasswordLoginDisabled: deployment or tenant want single sign-on.
            PasskeyNotAccepted: whatever is wrong with the answer (audited).
            Forbidden: a gate is closed (see `signin`).
        """
        await self._limiter.spend(PASSKEY_SIGN_IN, origin.ip)
        if not self._local_login:
            raise PasswordLoginDisabled
        found: Passkey | None = None
        try:
            if browser is None:
                raise PasskeyError("no browser that asked")
            challenge = await self._take(answer, Asked(Ceremony.LOGIN, token_hash(browser)))
            found, handle = await self._find(answer)
            # Nobody said who signs in, so the authenticator must (§7.2 step 6).
            if answer.user_handle is None or not equal(answer.user_handle, handle):
                raise PasskeyError("of another user")
            user = await users.find(self._db, found.user_id)
            if user is None:
                raise PasskeyError("no such user")
            await self._use(found, answer, challenge)
        except PasskeyError as refused:
            await self._refuse("auth.login.failed", found.user_id if found else None, found, refused, origin)
            raise PasskeyNotAccepted from None
        return await self._signin.complete(user, passkey_amr(found), origin)

    async def ask_second(self, raw_ticket: str, origin: Origin) -> tuple[str, list[Passkey]]:
        """A challenge for one of the passkeys of the account whose sign-in the ticket continues, and those passkeys.

        Raises:
            RateLimited: the client address asks too often.
            StaleTicket: the ticket opens nothing (any more).
            NoPasskey: the account has none.
        """
        await self._limiter.spend(PASSKEY_OPTIONS, origin.ip)
        hashed = token_hash(raw_ticket)
        ticket = await one_time_tokens.peek(self._db, self._ticket, hashed, self._clock.now())
        waiting = await self._waiting(ticket, hashed)
        if waiting is None:
            raise StaleTicket
        allowed = await passkeys.of_user(self._db, waiting.user.id)
        if not allowed:
            raise NoPasskey
        return await self._challenge(_asked(waiting)), allowed

    async def second(self, raw_ticket: str, answer: Assertion, origin: Origin) -> SignedIn:
        """A session, for the ticket of a first step and an answer to a challenge of it; each try costs the ticket one.

        Raises:
            RateLimited: the client address used up its tries.
            StaleTicket: the ticket opens nothing (any more).
            WrongPasskey: whatever is wrong with the answer (audited).
            Forbidden: a gate was closed since the first step.
        """
        await self._limiter.spend(PASSKEY_SIGN_IN, origin.ip)
        hashed, now = token_hash(raw_ticket), self._clock.now()
        spent = await one_time_tokens.spend_attempt(self._db, self._ticket, hashed, now)
        waiting = await self._waiting(spent, hashed)
        if waiting is None:
            await self._refuse("auth.mfa.failed", None, None, PasskeyError("invalid ticket"), origin)
            raise StaleTicket
        found: Passkey | None = None
        try:
            challenge = await self._take(answer, _asked(waiting))
            found, handle = await self._find(answer)
            named = handle if answer.user_handle is None else answer.user_handle
            if found.user_id != waiting.user.id or not equal(named, handle):
                raise PasskeyError("of another user")
            await self._use(found, answer, challenge)
            amr, spend = (*waiting.first.amr, *passkey_amr(found)), partial(self._spend, waiting, found, origin)
            return await self._signin.complete(
                waiting.user, amr, origin, tenant_id=waiting.first.tenant_id, spend=spend
            )
        except PasskeyError as refused:
            await self._refuse("auth.mfa.failed", waiting.user.id, found, refused, origin)
            raise WrongPasskey from None

    async def _challenge(self, asked: Asked) -> str:
        challenge = new_token()
        await passkey_challenges.issue(self._db, token_hash(challenge), asked, self._clock.now())
        return challenge

    async def _take(self, answer: Assertion, asked: Asked) -> str:
        """The challenge of an answer, used up. Raises PasskeyError when it is not open to who was asked."""
        challenge = challenge_in(answer.client_data)
        if not await passkey_challenges.take(self._db, token_hash(challenge), asked, self._clock.now()):
            raise PasskeyError("no open challenge")
        return challenge

    async def _find(self, answer: Assertion) -> tuple[Passkey, bytes]:
        found = await passkeys.find_by_credential(self._db, answer.credential_id)
        if found is None:
            raise PasskeyError("unknown passkey")
        return found

    async def _use(self, passkey: Passkey, answer: Assertion, challenge: str) -> None:
        """Verify the signature, then the counter in the write that stores it. Raises PasskeyError."""
        await self._party.ready()
        use = self._party.used(answer, challenge, passkey.public_key, backup_eligible=passkey.backup_eligible)
        now = self._clock.now()
        if not await passkeys.use(self._db, passkey.id, use.sign_count, backed_up=use.backed_up, now=now):
            raise CounterWentBack("its counter did not rise, or it was removed")

    async def _waiting(self, ticket: Consumed | None, hashed: bytes) -> Waiting | None:
        """Whose sign-in a ticket continues; nobody's once password, role or state of the account changed."""
        user = await users.find(self._db, ticket.user_id) if ticket else None
        if ticket is None or user is None:
            return None
        first = msgspec.json.decode(ticket.data, type=FirstFactor)
        return Waiting(user, first, hashed) if user.token_version == first.token_version else None

    async def _spend(self, waiting: Waiting, passkey: Passkey, origin: Origin, tx: Executor) -> None:
        """Use the ticket up. Raises PasskeyError when somebody else did."""
        if await one_time_tokens.consume(tx, self._ticket, waiting.ticket_hash, self._clock.now()) is None:
            raise PasskeyError("the ticket was used meanwhile")
        await self._audit.record(
            tx,
            "auth.mfa.succeeded",
            origin,
            actor=waiting.user.id,
            target=waiting.user.id,
            details={"factor": "passkey", "passkey": str(passkey.id)},
        )

    async def _refuse(
        self, event: str, target: UUID | None, passkey: Passkey | None, refused: PasskeyError, origin: Origin
    ) -> None:
        if isinstance(refused, CounterWentBack):
            event = "auth.passkey.counter_went_back"
        which = {"passkey": str(passkey.id)} if passkey else {}
        await note_failed(self._db, self._audit, event, target, origin, reason=str(refused), **which)
