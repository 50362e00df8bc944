"""Effective access = what the company owns ∩ what the membership was granted (contracts/platform-api.md §5)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.core.kv import KV, KVUnavailable
from identry.entitlements import Entitlements, Owned
from identry.flows.access import queries
from identry.records.memberships import Grants
from identry.records.users import User
from identry_kit.apierror import Forbidden

RESULT_TTL = 60.0
OWNS_EVERYTHING = frozenset({"OWNER", "ADMIN"})
"""Company roles that may use and hand on whatever the company owns."""


class NoMembership(Forbidden):
    """403: no active membership of this company; a platform role does not replace one."""

    message = "no active membership of this company"


class Membership(msgspec.Struct, frozen=True):
    """The caller's active membership of the company."""

    role: str
    grants: Grants


class Access(msgspec.Struct, frozen=True):
    """What a user may do in a company; every list sorted, without repetition."""

    role: str
    modules: list[str]
    permissions: list[str]
    can_manage_users: bool
    can_buy_addons: bool
    grantable_modules: list[str]
    grantable_permissions: list[str]
    token_version: int
    access_version: int
    entitlement_version: int
    generated_at: datetime


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Access).decode


class AccessResolver:
    """Works out effective access.

    Args:
        entitlements: knows what a company owns.
        kv: keeps results under everything that they were made from; they are worked out anew without it.
    """

    def __init__(self, db: Executor, clock: Clock, kv: KV, entitlements: Entitlements) -> None:
        self._db = db
        self._clock = clock
        self._kv = kv
        self._entitlements = entitlements

    async def standing(self, session_id: UUID, company_id: UUID | None) -> tuple[list[Any], Membership | None] | None:
        """`[ended, amr, auth_time, *user columns]` of a session and the active membership; None: no such session."""
        row = await queries.standing(self._db, session_id, self._clock.now(), company_id)
        if row is None:
            return None
        ended, amr, auth_time, role, *rest = row
        grants, user = rest[: queries.GRANT_COUNT], rest[queries.GRANT_COUNT :]
        return [ended, amr, auth_time, *user], None if role is None else Membership(role, Grants(*grants))

    async def resolve(self, user: User, company_id: UUID, membership: Membership | None) -> Access:
        """What the user may do in the company.

        Raises:
            NoMembership: nothing, and no entitlement could change that.
            EntitlementsUnavailable: what the company owns cannot be told.
        """
        if membership is None:
            raise NoMembership
        owned = await self._entitlements.owned(company_id)
        key = (
            f"access:{user.id}:{company_id}:{user.token_version}:{membership.grants.access_version}:"
            f"{owned.version}:{owned.proof}"
        )
        access = await self._recall(key)
        if access is None:
            access = effective(membership, owned, user.token_version, self._clock.now())
            await self._remember(key, access)
        return access

    async def _recall(self, key: str) -> Access | None:
        try:
            raw = await self._kv.get(key)
            return _decode(raw) if raw else None
        except (KVUnavailable, msgspec.MsgspecError):
            return None

    async def _remember(self, key: str, access: Access) -> None:
        try:
            await self._kv.set(key, _encode(access), RESULT_TTL)
        except KVUnavailable:
            return  # a cache that is away costs time, nothing else


def effective(membership: Membership, owned: Owned, token_version: int, now: datetime) -> Access:
    """The formula."""
    grants, everything = membership.grants, membership.role in OWNS_EVERYTHING
    return Access(
        role=membership.role,
        modules=sorted(owned.modules if everything else owned.modules.intersection(grants.modules)),
        permissions=sorted(owned.permissions if everything else owned.permissions.intersection(grants.permissions)),
        can_manage_users=everything or grants.can_manage_users,
        can_buy_addons=everything or grants.can_buy_addons,
        grantable_modules=sorted(owned.modules if everything else owned.modules.intersection(grants.grantable_modules)),
        grantable_permissions=sorted(
            owned.permissions if everything else owned.permissions.intersection(grants.grantable_permissions)
        ),
        token_version=token_version,
        access_version=grants.access_version,
        entitlement_version=owned.version,
        generated_at=now,
    )
