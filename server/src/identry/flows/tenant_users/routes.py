"""/api/v1/users."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from identry.flows.tenant_users.queries import Person
from identry.flows.tenant_users.service import (
    GroupsUnknown,
    NotYourself,
    PersonUnknown,
    SharedAccount,
    TenantUsers,
)
from identry.permissions import BeyondOwnRights, LastAdmin, OwnerStays, PermissionDenied
from identry.web.call import Call
from identry.web.endpoint import require_object
from identry.web.operations import Guard, Operation
from identry.web.paging import Page, PageSize, page_of
from identry.web.validation import FullName, SearchText

_USERS = "/api/v1/users"
_USER = _USERS + "/{user_id:uuid}"


class TenantUsersQuery(msgspec.Struct):
    """Page and search of the list."""

    page: Page = "1"
    page_size: PageSize = "20"
    search: SearchText | None = None


class TenantGroupView(msgspec.Struct, frozen=True):
    """A group, by name."""

    id: UUID
    name: str


class TenantUserView(msgspec.Struct, frozen=True):
    """A person of the tenant; `is_active`: the membership, `account_active`: whether the account may sign in at all."""

    id: UUID
    email: str
    full_name: str
    is_active: bool
    account_active: bool
    mfa_enabled: bool
    groups: list[TenantGroupView]
    last_login_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, person: Person) -> TenantUserView:
        """The view of a person."""
        user = person.user
        return cls(
            user.id,
            user.email,
            user.full_name,
            person.is_active,
            user.is_active and user.approval_status == "APPROVED",
            user.mfa_enabled,
            [TenantGroupView(group.id, group.name) for group in person.groups],
            user.last_login_at,
            user.created_at,
        )


class TenantUsersReply(msgspec.Struct, frozen=True):
    """One page of people by name."""

    data: list[TenantUserView]
    page: int
    page_size: int
    total_count: int


class TenantUserPatch(msgspec.Struct):
    """What to change; what is left out stays."""

    full_name: FullName | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class GroupIdsBody(msgspec.Struct):
    """Every group that the person is to be in."""

    group_ids: Annotated[list[UUID], Meta(max_length=500)]


def operations(people: TenantUsers) -> list[Operation]:
    """The room's rows of the operation table."""

    async def page(call: Call) -> TenantUsersReply:
        asked = page_of(call.query.page, call.query.page_size)
        found, total = await people.page(call.tenant_id, call.query.search, asked.limit, asked.offset)
        return TenantUsersReply([TenantUserView.of(person) for person in found], asked.page, asked.page_size, total)

    async def get(call: Call) -> TenantUserView:
        return TenantUserView.of(await people.get(call.tenant_id, call.path["user_id"]))

    async def patch(call: Call) -> TenantUserView:
        body: TenantUserPatch = call.body
        require_object(body, "body")
        full_name = None if body.full_name is UNSET else body.full_name
        is_active = None if body.is_active is UNSET else body.is_active
        return TenantUserView.of(
            await people.change(
                call.actor.user, call.tenant_id, call.path["user_id"], full_name, is_active, call.origin
            )
        )

    async def remove(call: Call) -> bytes:
        await people.remove(call.actor.user, call.tenant_id, call.path["user_id"], call.origin)
        return b""

    async def set_groups(call: Call) -> TenantUserView:
        group_ids = set(call.body.group_ids)
        return TenantUserView.of(
            await people.set_groups(call.actor.user, call.tenant_id, call.path["user_id"], group_ids, call.origin)
        )

    common: dict[str, Any] = {"tag": "Tenant users", "guard": Guard.BROWSER, "surface": "browser"}
    may_not = (PermissionDenied, BeyondOwnRights)
    stays = (NotYourself, OwnerStays, LastAdmin)
    return [
        Operation(
            "GET",
            _USERS,
            page,
            "List the people of the tenant",
            permission="users:read",
            query=TenantUsersQuery,
            reply=TenantUsersReply,
            errors=(PermissionDenied,),
            description="Everybody with a membership, active or not, by full name.",
            **common,
        ),
        Operation(
            "GET",
            _USER,
            get,
            "One of the people",
            permission="users:read",
            reply=TenantUserView,
            errors=(PermissionDenied, PersonUnknown),
            **common,
        ),
        Operation(
            "PATCH",
            _USER,
            patch,
            "Change somebody's name, or end or open the membership",
            permission="users:manage",
            sensitive=True,
            body=TenantUserPatch,
            reply=TenantUserView,
            errors=(*may_not, *stays, SharedAccount, PersonUnknown),
            description="Ending the membership (`is_active` false) ends the company membership as well, and with both "
            "every session in the tenant. The name changes only for accounts that belong to this tenant alone.",
            example={"is_active": False},
            **common,
        ),
        Operation(
            "DELETE",
            _USER,
            remove,
            "Take somebody out of the tenant",
            permission="users:manage",
            sensitive=True,
            status=204,
            errors=(*may_not, *stays, PersonUnknown),
            description="Ends the membership and takes the person out of every group. The account stays.",
            **common,
        ),
        Operation(
            "PUT",
            _USER + "/groups",
            set_groups,
            "Put somebody into groups",
            permission="rbac:manage",
            sensitive=True,
            body=GroupIdsBody,
            reply=TenantUserView,
            errors=(*may_not, OwnerStays, LastAdmin, PersonUnknown, GroupsUnknown),
            description="Into exactly these. Nobody gives or takes what they may not do themselves, nor raises "
            "themselves. It works before the first sign-in.",
            **common,
        ),
    ]
