"""PUT /internal/companies/{companyId}/users/{userId}/grants."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from identry.authority import NotAllowed
from identry.flows.access_admin.service import AccessAdmin, Delegation, MemberUnknown, NewGrants
from identry.records.memberships import Grants
from identry.web.call import Call
from identry.web.endpoint import require_object
from identry.web.operations import Guard, Operation
from identry_kit.apierror import ServiceUnavailable

Module = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-]*$(?!\n)", examples=["finance"])]
Permission = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=r"^[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+)+$(?!\n)",
        description="`module.resource.action`",
        examples=["finance.expense.create"],
    ),
]
Modules = Annotated[list[Module], Meta(max_length=500)]
Permissions = Annotated[list[Permission], Meta(max_length=2000)]


class DelegationBody(msgspec.Struct, rename="camel"):
    """What the member may hand on; what is left out is not delegated."""

    can_manage_users: bool = False
    can_buy_addons: bool = False
    grantable_modules: Modules = []
    grantable_permissions: Permissions = []


class GrantsBody(msgspec.Struct, rename="camel"):
    """The sets to replace; one that is left out stays as it is."""

    modules: Modules | UnsetType = UNSET
    permissions: Permissions | UnsetType = UNSET
    delegation: DelegationBody | UnsetType = UNSET


class DelegationView(msgspec.Struct, rename="camel", frozen=True):
    """What the member may hand on."""

    can_manage_users: bool
    can_buy_addons: bool
    grantable_modules: list[str]
    grantable_permissions: list[str]


class GrantsView(msgspec.Struct, rename="camel", frozen=True):
    """What the member was granted; lists are sorted and without repetition."""

    company_id: UUID
    user_id: UUID
    modules: list[str]
    permissions: list[str]
    delegation: DelegationView
    access_version: int

    @classmethod
    def of(cls, company_id: UUID, user_id: UUID, grants: Grants) -> GrantsView:
        """The view of a row."""
        delegation = DelegationView(
            grants.can_manage_users, grants.can_buy_addons, grants.grantable_modules, grants.grantable_permissions
        )
        return cls(company_id, user_id, grants.modules, grants.permissions, delegation, grants.access_version)


class GrantsReply(msgspec.Struct, frozen=True):
    """The grants as they are now."""

    grants: GrantsView


def operations(admin: AccessAdmin) -> list[Operation]:
    """The room's rows of the operation table."""

    async def put(call: Call) -> GrantsReply:
        require_object(call.body, "body")
        company_id, user_id = call.path["companyId"], call.path["userId"]
        grants = await admin.put(call.actor.user, company_id, user_id, _new(call.body), call.origin)
        return GrantsReply(GrantsView.of(company_id, user_id, grants))

    return [
        Operation(
            "PUT",
            "/internal/companies/{companyId:uuid}/users/{userId:uuid}/grants",
            put,
            "Replace what a member was granted",
            tag="Companies",
            guard=Guard.BEARER,
            rule="grants.put",
            body=GrantsBody,
            reply=GrantsReply,
            errors=(NotAllowed, MemberUnknown, ServiceUnavailable),
            description="Each set that is sent replaces the one before; one left out stays. `accessVersion` goes up by "
            "one. A value outside what the caller may grant is a 403.",
            example={
                "modules": ["finance"],
                "permissions": ["finance.expense.create"],
                "delegation": {"canManageUsers": False, "canBuyAddons": False},
            },
        )
    ]


def _new(body: GrantsBody) -> NewGrants:
    sent = body.delegation
    return NewGrants(
        modules=None if body.modules is UNSET else frozenset(body.modules),
        permissions=None if body.permissions is UNSET else frozenset(body.permissions),
        delegation=None
        if sent is UNSET
        else Delegation(
            sent.can_manage_users,
            sent.can_buy_addons,
            frozenset(sent.grantable_modules),
            frozenset(sent.grantable_permissions),
        ),
    )
