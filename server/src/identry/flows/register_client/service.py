"""Registration by whoever holds an initial access token. Source: RFC 7591, RFC 7592; RFC 9700 §2.1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.ids import uuid7
from identry.core.kv import RevocationMarks
from identry.core.limits import HOUR, Limit, Limiter
from identry.core.origin import SYSTEM, Origin
from identry.core.secrets import new_token, random_bytes, token_hash
from identry.oauth import client_rules
from identry.oauth.client_rules import InvalidClientMetadata
from identry.oauth.errors import InvalidToken
from identry.records import clients, registration_tokens, sessions
from identry.records.audit import Audit
from identry.records.clients import Client

REGISTER_CLIENT = Limit("client-registration", 60, HOUR)
"""Per client address, so that nobody tries tokens."""
GRANTS = frozenset({"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"})
"""What a client that registered itself may ask tokens with: none as a service of its own."""
SCOPES = ("openid", "email", "profile", "offline_access")
"""What it may ask for: `api` would let it administer in its users' names."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A client with what it is told of itself; `secret` and `token` are empty when they are not shown again."""

    client: Client
    secret: str = ""
    token: str = ""


class RegisterClient:
    """Registers clients, and lets them look after their registration."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, limiter: Limiter, marks: RevocationMarks) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._marks = marks

    async def admit(self, name: str, uses: int, ttl: timedelta) -> str:
        """A new initial access token for `uses` registrations within `ttl`; it is shown this once."""
        raw_token, now = new_token(), self._clock.now()
        async with self._db.transaction() as tx:
            await registration_tokens.issue(
                tx, uuid7(self._clock), token_hash(raw_token), name, uses, now=now, expires_at=now + ttl
            )
            told = {"name": name, "uses": uses}
            await self._audit.record(tx, "client.registration_allowed", SYSTEM, actor="system", details=told)
        return raw_token

    async def register(self, initial_token: str, asked: Mapping[str, Any], origin: Origin) -> Registered:
        """A new client. The initial access token is used up only when there is one.

        Raises:
            RateLimited: the address used up its tries.
            InvalidToken: unknown, used up or over.
            InvalidClientMetadata, InvalidRedirectUri: what is wrong with the fields.
        """
        await self._limiter.spend(REGISTER_CLIENT, origin.ip)
        values = _checked(asked, None)
        secret = new_token() if values["auth_method"] == "client_secret" else ""
        token, row_id, now = new_token(), uuid7(self._clock), self._clock.now()
        async with self._db.transaction() as tx:
            by = await registration_tokens.spend(tx, token_hash(initial_token), now)
            if by is None:
                raise InvalidToken
            client = await clients.insert(tx, row_id, random_bytes(16).hex(), values, now=now)
            if client is None:
                raise InvalidClientMetadata
            await clients.set_registration_token(tx, row_id, token_hash(token))
            if secret:
                await clients.add_secret(tx, uuid7(self._clock), row_id, token_hash(secret), now=now, others_until=None)
            told = {"client": client.client_id, "by": by}
            await self._audit.record(tx, "client.registered", origin, actor="machine", details=told)
        return Registered(client, secret, token)

    async def read(self, client_id: str, token: str, origin: Origin) -> Registered:
        """The registration of the client that the token belongs to.

        Raises:
            RateLimited, InvalidToken: too many tries; not the token of this client, or the client is switched off.
        """
        return Registered(await self._own(client_id, token, origin), token=token)

    async def replace(self, client_id: str, token: str, asked: Mapping[str, Any], origin: Origin) -> Registered:
        """Put other fields in place of all former ones; how it proves itself stays.

        Raises:
            RateLimited, InvalidToken: as `read`.
            InvalidClientMetadata, InvalidRedirectUri: what is wrong with the fields.
        """
        before = await self._own(client_id, token, origin)
        values = _checked({**_LEFT_OUT, **asked}, before)
        async with self._db.transaction() as tx:
            held = await clients.lock(tx, before.id)
            if held is None or not held.is_active:
                raise InvalidToken
            client = await clients.update(tx, held.id, values, now=self._clock.now())
            changed = sorted(name for name, value in values.items() if getattr(held, name) != value)
            told = {"client": client_id, "fields": changed}
            await self._audit.record(tx, "client.updated", origin, actor="machine", details=told)
        return Registered(client or before, token=token)

    async def delete(self, client_id: str, token: str, origin: Origin) -> None:
        """Forget the client; every grant to it ends.

        Raises:
            RateLimited, InvalidToken: as `read`.
        """
        client = await self._own(client_id, token, origin)
        async with self._db.transaction() as tx:
            ended = await sessions.end_of_client(tx, client.id, "application deleted", self._clock.now())
            if not await clients.delete(tx, client.id):
                raise InvalidToken
            await self._audit.record(tx, "client.deleted", origin, actor="machine", details={"client": client_id})
        await self._marks.mark(*ended)

    async def _own(self, client_id: str, token: str, origin: Origin) -> Client:
        await self._limiter.spend(REGISTER_CLIENT, origin.ip)
        if "\0" in client_id:  # of a path: a name that nothing can have
            raise InvalidToken
        client = await clients.find_registered(self._db, client_id, token_hash(token))
        if client is None or not client.is_active:
            raise InvalidToken
        return client


_LEFT_OUT: Mapping[str, Any] = {
    "url": None,
    "logo_url": None,
    "redirect_uris": [],
    "post_logout_redirect_uris": [],
    "backchannel_logout_uri": None,
    "jwks": None,
    "require_par": False,
    "require_dpop": False,
}
"""What a replacement that does not name a field leaves of it (RFC 7592 §2.2)."""


def _checked(asked: Mapping[str, Any], before: Client | None) -> dict[str, Any]:
    """The columns of a registration: what was asked, within what a client that registers itself may be."""
    asked = {"scopes": list(SCOPES), **asked, "first_party": False}
    if "name" not in asked:
        asked["name"] = "Unnamed application"
    if beyond := sorted(set(asked.get("grant_types", ())) - GRANTS):
        raise InvalidClientMetadata(f"grant_types: {beyond[0]!r} is not for clients that register themselves")
    if beyond := sorted(set(asked["scopes"]) - set(SCOPES)):
        raise InvalidClientMetadata(f"scope: {beyond[0]!r} is not for clients that register themselves")
    if before is not None and asked.get("auth_method", before.auth_method) != before.auth_method:
        raise InvalidClientMetadata("token_endpoint_auth_method: cannot be changed; register anew")
    asked.setdefault("grant_types", ["authorization_code", "refresh_token"])
    values = client_rules.checked(asked, before)
    if "authorization_code" in values["grant_types"] and not values.get("redirect_uris"):
        raise client_rules.InvalidRedirectUri("redirect_uris: at least one is required")
    return values
