"""GET /auth/me/access."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

import msgspec

from identry.entitlements import EntitlementsUnavailable
from identry.flows.access.service import Access, AccessResolver, NoMembership
from identry.records.users import User
from identry.web.call import Call
from identry.web.errors import InvalidRequest
from identry.web.guards import InternalKeyRequired, MachineKey, SessionRevoked, live_actor, session_of
from identry.web.operations import Guard, Operation, RequestHeader

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class AccessDelegationView(msgspec.Struct, rename="camel", frozen=True):
    """What the caller may hand on to other members."""

    can_manage_users: bool
    can_buy_addons: bool
    grantable_modules: list[str]
    grantable_permissions: list[str]


class AccessMetaView(msgspec.Struct, rename="camel", frozen=True):
    """What the answer was made from: while no version changes, it holds."""

    token_version: int
    access_version: int
    entitlement_version: int
    generated_at: datetime


class AccessView(msgspec.Struct, rename="camel", frozen=True):
    """What the caller may do in the company; lists are sorted and without repetition."""

    user_id: UUID
    company_id: UUID
    tenant_role: str
    modules: list[str]
    permissions: list[str]
    delegation: AccessDelegationView
    meta: AccessMetaView

    @classmethod
    def of(cls, user_id: UUID, company_id: UUID, access: Access) -> AccessView:
        """The view of a decision."""
        return cls(
            user_id,
            company_id,
            access.role,
            access.modules,
            access.permissions,
            AccessDelegationView(
                access.can_manage_users, access.can_buy_addons, access.grantable_modules, access.grantable_permissions
            ),
            AccessMetaView(
                access.token_version, access.access_version, access.entitlement_version, access.generated_at
            ),
        )


def operations(resolver: AccessResolver, key: MachineKey) -> list[Operation]:
    """The room's rows of the operation table.

    Args:
        resolver: the service.
        key: checks the `X-Internal-API-Key` of a service; a browser sends none.
    """

    async def access(call: Call) -> AccessView:
        if call.headers(b"x-internal-api-key"):
            await key.check(call)
        if (company_id := _company(call)) is not None:
            call.tenant_id = company_id
        session_id = session_of(call.claims)
        standing = await resolver.standing(session_id, company_id)
        if standing is None:
            raise SessionRevoked
        (ended, amr, auth_time, *user), membership = standing
        actor = live_actor(call.claims, session_id, ended, amr, auth_time, User(*user))
        if company_id is None:  # said after the session was checked: who is not signed in learns only that
            raise InvalidRequest.field("x-org", "format", "send the company's UUID once in the header x-org")
        return AccessView.of(actor.user.id, company_id, await resolver.resolve(actor.user, company_id, membership))

    return [
        Operation(
            "GET",
            "/auth/me/access",
            access,
            "What the caller may do in a company",
            tag="Account",
            guard=Guard.TOKEN,
            headers=(
                RequestHeader("x-org", UUID, "The company."),
                RequestHeader(
                    "X-Internal-API-Key",
                    str,
                    "Sent by services that enforce access; never by browsers.",
                    required=False,
                ),
            ),
            reply=AccessView,
            errors=(SessionRevoked, InternalKeyRequired, NoMembership, EntitlementsUnavailable),
            description="Effective access = what the company owns ∩ what the membership was granted. `OWNER` and "
            "`ADMIN` have everything that the company owns. 403 without an active membership, also for platform staff; "
            "503 when what the company owns cannot be told.",
        )
    ]


def _company(call: Call) -> UUID | None:
    """The one `x-org`, or None when it is missing, repeated or no UUID."""
    values = [value.strip() for value in call.headers(b"x-org")]
    return UUID(values[0]) if len(values) == 1 and _UUID.fullmatch(values[0]) else None
