"""Applications and their secrets. Source: contracts/provider-api.md §3 `App`, §12; RFC 9700 §2.5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.ids import uuid7
from identry.core.kv import RevocationMarks
from identry.core.origin import Origin
from identry.core.secrets import new_token, random_bytes, token_hash
from identry.flows.client_admin import queries
from identry.flows.client_admin.queries import Shown
from identry.oauth import client_rules
from identry.oauth.client_rules import InvalidClientMetadata
from identry.records import authorization_codes, clients, device_codes, sessions, users
from identry.records.audit import ActorType, Audit
from identry.records.clients import HOUSE, Client
from identry_kit.apierror import BadRequest, Conflict, NotFound

OVERLAP = timedelta(hours=24)
"""How long the former secret lives on after a rotation, so that every copy of it can be replaced."""


class ClientUnknown(NotFound):
    """404: there is no such application."""

    message = "application not found"


class ClientIdTaken(Conflict):
    """409: another application has this `client_id`."""

    message = "another application has this client_id"


class OfTheHouse(Conflict):
    """409: this is the application at which administrators sign in."""

    message = "this application belongs to the house itself"


class NoSecret(BadRequest):
    """400: this application proves itself without a secret, so there is none to replace."""

    message = "this application has no secret: it is public, or proves itself with a key"


@dataclass(frozen=True, slots=True)
class Issued:
    """An application with its new secret; `secret` is empty when it has none, and is shown this once."""

    client: Shown
    secret: str


class ClientAdmin:
    """Looks after applications."""

    def __init__(self, db: Database, clock: Clock, audit: Audit, marks: RevocationMarks) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._marks = marks

    async def page(self, scope: queries.Scope, limit: int, offset: int) -> tuple[list[Shown], int]:
        """One page of the applications in `scope`, oldest first, and how many there are."""
        return await queries.page(self._db, scope, limit, offset, self._clock.now())

    async def read(self, row_id: UUID) -> Shown:
        """One application.

        Raises:
            ClientUnknown: there is none of this id.
        """
        shown = await queries.find(self._db, row_id, self._clock.now())
        if shown is None:
            raise ClientUnknown
        return shown

    async def named(self, name: str) -> Shown:
        """The application of a `client_id`, or of a number.

        Raises:
            ClientUnknown: there is none.
        """
        client = await clients.find(self._db, name)
        if client is None and name.isascii() and name.isdigit() and len(name) < 19:
            client = await clients.find_by_number(self._db, int(name))
        if client is None:
            raise ClientUnknown
        return await self.read(client.id)

    async def create(
        self, client_id: str, asked: Mapping[str, Any], actor: UUID | ActorType, origin: Origin, *, owner: int | None
    ) -> Issued:
        """A new application.

        Args:
            client_id: what it calls itself; empty: one is made.
            asked: its fields (`oauth.client_rules`), `name` among them.
            actor: who makes it.
            origin: the request.
            owner: number of the account that it belongs to.

        Raises:
            InvalidClientMetadata: what is wrong with the fields.
            ClientIdTaken: the name is taken.
        """
        if client_id and not client_rules.CLIENT_ID.fullmatch(client_id):
            raise InvalidClientMetadata("client_id: must be 1 to 128 letters, digits and . _ ~ -")
        if "name" not in asked:
            raise InvalidClientMetadata("name: is required")
        values = client_rules.checked(asked)
        secret = new_token() if values["auth_method"] == "client_secret" else ""
        row_id, now = uuid7(self._clock), self._clock.now()
        async with self._db.transaction() as tx:
            values["owner_id"] = await _owner(tx, owner)
            made = await clients.insert(tx, row_id, client_id or random_bytes(16).hex(), values, now=now)
            if made is None:
                raise ClientIdTaken
            if secret:
                await clients.add_secret(tx, uuid7(self._clock), row_id, token_hash(secret), now=now, others_until=None)
            await self._record(tx, "client.created", made, actor, origin, fields=sorted(asked))
        return Issued(await self.read(row_id), secret)

    async def change(
        self,
        row_id: UUID,
        asked: Mapping[str, Any],
        actor: UUID | ActorType,
        origin: Origin,
        *,
        owner: int | None = None,
    ) -> Issued:
        """Change fields; one that is deactivated loses every session and token at once.

        One that is for its members from now on loses those of everybody else, and their codes under way.
        A client that becomes confidential gets its first secret here; one that stops having secrets loses them.

        Raises:
            ClientUnknown, OfTheHouse: there is none of this id, or it is not to be touched.
            InvalidClientMetadata: what is wrong with the fields.
        """
        now, secret = self._clock.now(), ""
        ended: list[UUID] = []
        async with self._db.transaction() as tx:
            before = await _lock(tx, row_id)
            values = client_rules.checked(asked, before)
            if owner is not None:
                values["owner_id"] = await _owner(tx, owner)
            values = {name: value for name, value in values.items() if getattr(before, name) != value}
            if values:
                await clients.update(tx, row_id, values, now=now)
                secret = await self._follow_method(tx, before, values.get("auth_method"))
                if values.get("is_active") is False or "auth_method" in values:
                    ended = await sessions.end_of_client(tx, row_id, "application changed", now)
                elif values.get("members_only"):
                    ended = await _end_strangers(tx, row_id, now)
                event = {True: "client.enabled", False: "client.disabled"}.get(values.get("is_active", ""))
                told = {"fields": sorted(values)} | ({"revokedSessions": len(ended)} if ended else {})
                await self._record(tx, event or "client.updated", before, actor, origin, **told)
        await self._marks.mark(*ended)
        return Issued(await self.read(row_id), secret)

    async def _follow_method(self, tx: Executor, before: Client, method: str | None) -> str:
        """The secrets that go with a changed way of proving; a new one where one is needed, else ``""``."""
        if method is None:
            return ""
        await clients.end_secrets(tx, before.id)
        if method != "client_secret":
            return ""
        secret, now = new_token(), self._clock.now()
        await clients.add_secret(tx, uuid7(self._clock), before.id, token_hash(secret), now=now, others_until=None)
        return secret

    async def rotate_secret(
        self, row_id: UUID, actor: UUID | ActorType, origin: Origin, *, overlap: timedelta = OVERLAP
    ) -> Issued:
        """A new secret; the former one lives on for `overlap`, older ones end now.

        Raises:
            ClientUnknown, OfTheHouse: there is none of this id, or it is not to be touched.
            NoSecret: it proves itself in another way.
        """
        secret, now = new_token(), self._clock.now()
        async with self._db.transaction() as tx:
            client = await _lock(tx, row_id)
            if client.auth_method != "client_secret":
                raise NoSecret
            await clients.add_secret(
                tx,
                uuid7(self._clock),
                row_id,
                token_hash(secret),
                now=now,
                others_until=now + overlap if overlap else None,
            )
            seconds = int(overlap.total_seconds())
            await self._record(tx, "client.secret_rotated", client, actor, origin, overlapSeconds=seconds)
        return Issued(await self.read(row_id), secret)

    async def delete(self, row_id: UUID, actor: UUID | ActorType, origin: Origin) -> None:
        """Forget an application with its secrets, members and consents; its sessions end.

        Raises:
            ClientUnknown, OfTheHouse: there is none of this id, or it is not to be touched.
        """
        async with self._db.transaction() as tx:
            client = await _lock(tx, row_id)
            ended = await sessions.end_of_client(tx, row_id, "application deleted", self._clock.now())
            await clients.delete(tx, row_id)
            await self._record(tx, "client.deleted", client, actor, origin)
        await self._marks.mark(*ended)

    async def _record(
        self, tx: Executor, event: str, client: Client, actor: UUID | ActorType, origin: Origin, **details: Any
    ) -> None:
        await self._audit.record(tx, event, origin, actor=actor, details={"client": client.client_id, **details})


async def _lock(tx: Executor, row_id: UUID) -> Client:
    client = await clients.lock(tx, row_id)
    if client is None:
        raise ClientUnknown
    if client.client_id == HOUSE:
        raise OfTheHouse
    return client


async def _end_strangers(tx: Executor, row_id: UUID, now: datetime) -> list[UUID]:
    """End what people have at an application who are no members of it; returns the ids of the sessions.

    The client's row is held, and no user's. A grant that is being opened at this moment by a statement that read the
    row before is not seen here; it ends at its first refresh, which asks again (`oauth/refreshing.py`).
    """
    strangers = await queries.strangers(tx, row_id, now)
    if not strangers:
        return []
    await device_codes.void_idle(tx, strangers, row_id)
    await authorization_codes.void_idle(tx, strangers, row_id, now)
    return await sessions.end_of_client(tx, row_id, "members only", now, of=strangers)


async def _owner(tx: Executor, number: int | None) -> UUID | None:
    if number is None:
        return None
    owner = await users.find_by_number(tx, number)
    if owner is None:
        raise InvalidClientMetadata("owner_id: no account has this number")
    return owner.id
