"""Codes for the device, and the decision of its person. Source: RFC 8628; RFC 9700."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.limits import DEVICE_AUTHORIZATION, DEVICE_USER_CODE, Limiter
from identry.core.origin import Origin
from identry.core.secrets import new_token, random_below, token_hash
from identry.oauth import resources, scopes
from identry.oauth.browser_session import BrowserSession
from identry.oauth.client_proof import ClientProof, Presented
from identry.oauth.errors import UnauthorizedClient
from identry.records import clients, consents, device_codes
from identry.records.audit import Audit
from identry.records.clients import Client
from identry_kit.apierror import NotFound, ServiceUnavailable

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"

TTL = timedelta(minutes=10)
INTERVAL = 5
"""Seconds between two questions of a device (RFC 8628 §3.2)."""

_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so no words (RFC 8628 §6.1)."""
_LENGTH = 8
_TRIES = 5


class UnknownUserCode(NotFound):
    """404: nothing waits under this code: mistyped, decided already, or too late."""

    browser_code = "unknown_user_code"
    message = "this code is unknown or has expired"


class DeviceCodes(msgspec.Struct, frozen=True):
    """What a device shows and keeps (RFC 8628 §3.2)."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a person's decision.

    Attributes:
        client: the application that asks.
        scopes: what it asks for.
        user_code: as it is shown.
    """

    client: Client
    scopes: tuple[str, ...]
    user_code: str


class DeviceAuthorization:
    """Begins device authorizations, and takes the decision of whoever is signed in.

    Args:
        page: address of the page where a person enters the code.
        key: under which user codes are hashed: they are too short for a bare hash.
    """

    def __init__(
        self, db: Database, clock: Clock, audit: Audit, limiter: Limiter, proof: ClientProof, page: str, key: bytes
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._proof = proof
        self._page = page
        self._key = key

    async def start(self, presented: Presented, scope: str, resource: tuple[str, ...], origin: Origin) -> DeviceCodes:
        """New codes for a device.

        Raises:
            InvalidClient, UnauthorizedClient, InvalidScope, InvalidTarget: as RFC 8628 §3.2 has them.
            RateLimited, ServiceUnavailable: too often; the database cannot tell.
        """
        await self._limiter.spend(DEVICE_AUTHORIZATION, origin.ip, presented.client_id)
        client = await self._proof(presented)
        if DEVICE_CODE not in client.grant_types:
            raise UnauthorizedClient
        asked = scopes.allowed(client, scopes.parse(scope)) or scopes.default(client)
        meant = resources.allowed(resource, client.audiences)
        device_code, now = new_token(), self._clock.now()
        for _ in range(_TRIES):
            user_code = "".join(_LETTERS[random_below(len(_LETTERS))] for _ in range(_LENGTH))
            if await device_codes.insert(
                self._db,
                token_hash(device_code),
                self._hash(user_code),
                client.id,
                list(asked),
                None if meant is None else list(meant),
                poll_seconds=INTERVAL,
                now=now,
                expires_at=now + TTL,
            ):
                shown = _shown(user_code)
                seconds = int(TTL.total_seconds())
                complete = f"{self._page}?user_code={shown}"
                return DeviceCodes(device_code, shown, self._page, complete, seconds, INTERVAL)
        raise ServiceUnavailable("no free user code was found")

    async def find(self, user_code: str, session: BrowserSession, origin: Origin) -> Waiting:
        """What waits under a code that somebody who is signed in typed.

        Raises:
            UnknownUserCode: nothing does.
            RateLimited, ServiceUnavailable: too many codes; the database cannot tell.
        """
        await self._limiter.spend(DEVICE_USER_CODE, str(session.user.id), origin.ip)
        letters = _typed(user_code)
        found = await device_codes.find_pending(self._db, self._hash(letters), self._clock.now())
        client = await clients.find_by_id(self._db, found.client_id) if found else None
        if found is None or client is None or not client.is_active:
            raise UnknownUserCode
        return Waiting(client, tuple(found.scopes), _shown(letters))

    async def approve(self, user_code: str, session: BrowserSession, origin: Origin) -> None:
        """The person agrees: the device's next question is answered with tokens.

        Raises:
            UnknownUserCode, RateLimited, ServiceUnavailable: as `find`.
        """
        waiting = await self.find(user_code, session, origin)
        user, now = session.user, self._clock.now()
        async with self._db.transaction() as tx:
            approved = await device_codes.approve(
                tx,
                self._hash(_typed(user_code)),
                user.id,
                browser_session_id=session.session_id,
                auth_time=session.auth_time,
                amr=session.amr,
                token_version=user.token_version,
                now=now,
            )
            if approved:
                await consents.grant(tx, user.id, waiting.client.id, list(waiting.scopes), now)
                await self._record(tx, "oauth.device.approved", waiting, session, origin)
        if not approved:
            raise UnknownUserCode

    async def deny(self, user_code: str, session: BrowserSession, origin: Origin) -> None:
        """The person says no.

        Raises:
            UnknownUserCode, RateLimited, ServiceUnavailable: as `find`.
        """
        waiting = await self.find(user_code, session, origin)
        async with self._db.transaction() as tx:
            denied = await device_codes.deny(tx, self._hash(_typed(user_code)), self._clock.now())
            if denied:
                await self._record(tx, "oauth.device.denied", waiting, session, origin)
        if not denied:
            raise UnknownUserCode

    async def _record(
        self, tx: Executor, event: str, waiting: Waiting, session: BrowserSession, origin: Origin
    ) -> None:
        await self._audit.record(
            tx,
            event,
            origin,
            actor=session.user.id,
            target=session.user.id,
            session_id=session.session_id,
            details={"client": waiting.client.client_id, "scopes": waiting.scopes},
        )

    def _hash(self, letters: str) -> bytes:
        return hmac.digest(self._key, letters.encode(), "sha256")


def _typed(user_code: str) -> str:
    """The letters of a code as somebody typed it: case, hyphen and spaces do not matter (RFC 8628 §6.1)."""
    letters = "".join(letter for letter in user_code[:64].upper() if letter not in "- ")
    if len(letters) != _LENGTH or not set(letters) <= set(_LETTERS):
        raise UnknownUserCode
    return letters


def _shown(letters: str) -> str:
    return f"{letters[:4]}-{letters[4:]}"
