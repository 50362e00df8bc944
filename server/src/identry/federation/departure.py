"""The browser leaves for the provider: what is remembered, what it takes along, where it goes.

Source: contracts/browser-api.md §6 "start"; RFC 9700 §2.1, §4.7 (PKCE S256, `state` bound to the browser, nonce).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import msgspec

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.late import Late
from identry.core.return_to import safe_return_to
from identry.core.secrets import Sealer, SealError, new_token, token_hash
from identry.federation import openid
from identry.federation.provider import Provider
from identry.records import pending_logins
from identry.records.pending_logins import PendingLogin
from identry_kit.apierror import ServiceUnavailable

PENDING_TTL = timedelta(minutes=10)


class TooManyPending(ServiceUnavailable):
    """503: so many sign-ins are under way that no further one can begin."""

    message = "too many sign-ins are under way; try again in a minute"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "60"})


@dataclass(frozen=True, slots=True)
class Errand:
    """What the browser is sent away for; as it stands: to sign in.

    Attributes:
        return_to: where the app goes on.
        login_hint: an address that the provider may fill in.
        user_id, session_id: who links an identity, in which session.
        invitation_hash: of the invitation that is accepted with it.
        hosted: whether it goes on at a page of this server (`return_to`) instead of the app.
    """

    return_to: str = "/"
    login_hint: str = ""
    user_id: UUID | None = None
    session_id: UUID | None = None
    invitation_hash: bytes | None = None
    hosted: bool = False


@dataclass(frozen=True, slots=True)
class Departure:
    """Where the browser goes, and the value of the cookie that it takes along."""

    url: str
    binding: str


class Secrets(msgspec.Struct, frozen=True):
    """What the callback needs, sealed meanwhile.

    Attributes:
        verifier: of PKCE.
        nonce: that the ID token must carry.
        issuer, client_id: of the provider as it was; one that was replaced meanwhile gets no code of the old one.
        hosted: as in `Errand`.
    """

    verifier: str
    nonce: str
    issuer: str
    client_id: str
    hosted: bool = False


@dataclass(frozen=True, slots=True)
class Returned:
    """A sign-in that came back to the browser in which it began."""

    pending: PendingLogin
    secrets: Secrets


class Departures:
    """Sends browsers away, and recognises those that come back."""

    def __init__(self, db: Executor, clock: Clock, sealer: Sealer) -> None:
        self._db = db
        self._clock = clock
        self._sealer = sealer
        self._ready = Late(openid.load)

    async def begin(self, provider: Provider, errand: Errand) -> Departure:
        """Remember the errand and say where to go.

        Raises:
            TooManyPending: too many are under way.
        """
        await self._ready()
        state, nonce, verifier, binding = new_token(), new_token(), new_token(), new_token()
        now, state_hash = self._clock.now(), token_hash(state)
        secrets = Secrets(verifier, nonce, provider.issuer, provider.client_id, errand.hosted)
        pending = PendingLogin(
            state_hash=state_hash,
            binding_hash=token_hash(binding),
            provider_key=provider.key,
            sealed=self._sealer.seal(msgspec.json.encode(secrets), state_hash),
            return_to=safe_return_to(errand.return_to),
            user_id=errand.user_id,
            session_id=errand.session_id,
            invitation_hash=errand.invitation_hash,
            created_at=now,
            expires_at=now + PENDING_TTL,
        )
        if not await pending_logins.insert(self._db, pending):
            raise TooManyPending
        url = openid.authorization_url(
            provider.authorization_endpoint,
            provider.client_id,
            provider.redirect_uri,
            state=state,
            nonce=nonce,
            verifier=verifier,
            **({"login_hint": errand.login_hint} if errand.login_hint else {}),
        )
        return Departure(url, binding)

    async def returned(self, key: str, state: str, binding: str) -> Returned | None:
        """The sign-in that this browser began at this provider; whoever asks first has it, everybody else None."""
        pending = await pending_logins.take(self._db, token_hash(state), token_hash(binding), key, self._clock.now())
        if pending is None:
            return None
        try:
            opened = self._sealer.open(pending.sealed, pending.state_hash)
        except SealError:  # begun under a secret that this process does not know any more
            return None
        return Returned(pending, msgspec.json.decode(opened, type=Secrets))
