"""GET/POST /internal/users, GET/PATCH/DELETE /internal/users/{id}."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from identry.authority import LastOfItsKind, NotAllowed
from identry.core.new_passwords import UnacceptablePassword
from identry.flows.user_admin.queries import Filters
from identry.flows.user_admin.service import EmailTaken, NewUser, UserAdmin, UserUnknown
from identry.records.users import ApprovalStatus, AuthProvider, GlobalRole
from identry.web.call import Call
from identry.web.endpoint import require_object
from identry.web.errors import InvalidRequest
from identry.web.operations import Guard, Operation
from identry.web.paging import Page, PageSize, page_of
from identry.web.validation import Email, FullName, NewPassword, Phone, SearchText, WebUrl
from identry.web.views import StaffMeView, StaffUserView
from identry_kit.apierror import ServiceUnavailable

Sort = Annotated[
    Literal["createdAt", "-createdAt", "email", "-email", "fullName", "-fullName", "lastLoginAt", "-lastLoginAt"],
    Meta(description="Order; a minus sign turns it round."),
]


class UsersQuery(msgspec.Struct, rename="camel"):
    """Filters and page of the list."""

    page: Page = "1"
    page_size: PageSize = "20"
    search: SearchText | None = None
    approval_status: ApprovalStatus | None = None
    is_active: bool | None = None
    global_role: GlobalRole | None = None
    auth_provider: AuthProvider | None = None
    company_id: UUID | None = None
    sort: Sort = "-createdAt"


class UsersReply(msgspec.Struct, rename="camel", frozen=True):
    """One page of accounts."""

    users: list[StaffUserView]
    page: int
    page_size: int
    total_count: int


class UserReply(msgspec.Struct, frozen=True):
    """One account."""

    user: StaffUserView


class MemberReply(msgspec.Struct, frozen=True):
    """One account with memberships."""

    user: StaffMeView


class CreateBody(msgspec.Struct, rename="camel"):
    """A new account. `password` may be left out when `authProvider` is not `password`; it is not kept then."""

    email: Email
    full_name: FullName
    password: NewPassword | None = None
    global_role: GlobalRole = GlobalRole.NONE
    auth_provider: AuthProvider = AuthProvider.PASSWORD
    is_active: bool = True
    approval_status: ApprovalStatus = ApprovalStatus.APPROVED
    phone_number: Phone | None = None
    profile_picture_url: WebUrl | None = None


class UpdateBody(msgspec.Struct, rename="camel"):
    """The fields to change; one that is left out stays as it is."""

    email: Email | UnsetType = UNSET
    password: NewPassword | UnsetType = UNSET
    full_name: FullName | UnsetType = UNSET
    global_role: GlobalRole | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    approval_status: ApprovalStatus | UnsetType = UNSET
    phone_number: Phone | UnsetType | None = UNSET
    profile_picture_url: WebUrl | UnsetType | None = UNSET
    auth_provider: AuthProvider | UnsetType = UNSET


def operations(admin: UserAdmin) -> list[Operation]:
    """The room's rows of the operation table."""

    async def list_users(call: Call) -> UsersReply:
        query: UsersQuery = call.query
        page = page_of(query.page, query.page_size)
        filters = Filters(
            query.search or None,
            query.approval_status,
            query.is_active,
            query.global_role,
            query.auth_provider,
            query.company_id,
        )
        found, total = await admin.page(call.actor.user, filters, query.sort, page.limit, page.offset)
        return UsersReply([StaffUserView.of(user) for user in found], page.page, page.page_size, total)

    async def read(call: Call) -> MemberReply:
        member = await admin.read(call.actor.user, call.path["id"])
        return MemberReply(StaffMeView.with_memberships(member.user, member.companies, member.units))

    async def create(call: Call) -> UserReply:
        body: CreateBody = call.body
        if body.password is None and body.auth_provider == AuthProvider.PASSWORD:
            raise InvalidRequest.field("password", "required", "is required when authProvider is password")
        new = NewUser(**{name: getattr(body, name) for name in NewUser.__slots__})
        return UserReply(StaffUserView.of(await admin.create(call.actor.user, new, call.origin)))

    async def update(call: Call) -> UserReply:
        body: UpdateBody = call.body
        require_object(body, "body")
        asked = {
            info.encode_name: getattr(body, info.name)
            for info in msgspec.structs.fields(UpdateBody)
            if getattr(body, info.name) is not UNSET
        }
        return UserReply(StaffUserView.of(await admin.update(call.actor.user, call.path["id"], asked, call.origin)))

    async def delete(call: Call) -> UserReply:
        return UserReply(StaffUserView.of(await admin.delete(call.actor.user, call.path["id"], call.origin)))

    return [
        Operation(
            "GET",
            "/internal/users",
            list_users,
            "List accounts",
            tag="Users",
            guard=Guard.BEARER,
            rule="users.list",
            query=UsersQuery,
            reply=UsersReply,
            errors=(NotAllowed,),
            description="`search` finds a part of the address or the full name, in any case. "
            "A page past the end is empty.",
        ),
        Operation(
            "GET",
            "/internal/users/{id:uuid}",
            read,
            "Read an account with its memberships",
            tag="Users",
            guard=Guard.BEARER,
            rule="users.read",
            reply=MemberReply,
            errors=(NotAllowed, UserUnknown),
            description="Company administrators see members of their company, and only the memberships in it.",
        ),
        Operation(
            "POST",
            "/internal/users",
            create,
            "Create an account",
            tag="Users",
            guard=Guard.BEARER,
            rule="users.create",
            body=CreateBody,
            reply=UserReply,
            status=201,
            errors=(NotAllowed, UnacceptablePassword, EmailTaken, ServiceUnavailable),
            description="The account gets a welcome mail. An account of another `authProvider` has no password.",
            example={"email": "ada@example.com", "password": "correct horse battery", "fullName": "Ada Lovelace"},
        ),
        Operation(
            "PATCH",
            "/internal/users/{id:uuid}",
            update,
            "Change an account",
            tag="Users",
            guard=Guard.BEARER,
            rule="users.update",
            body=UpdateBody,
            reply=UserReply,
            errors=(NotAllowed, UserUnknown, UnacceptablePassword, EmailTaken, LastOfItsKind, ServiceUnavailable),
            description="A field left out stays; `null` clears `phoneNumber` and `profilePictureUrl`. A change of "
            "password, email or `globalRole`, deactivation and rejection end every session of the account. Approving a "
            "pending registration activates it; a moderator changes `approvalStatus` only.",
            example={"approvalStatus": "APPROVED"},
        ),
        Operation(
            "DELETE",
            "/internal/users/{id:uuid}",
            delete,
            "Deactivate an account",
            tag="Users",
            guard=Guard.BEARER,
            rule="users.delete",
            reply=UserReply,
            errors=(NotAllowed, UserUnknown, LastOfItsKind),
            description="Soft: `isActive` becomes false and every session ends. Repeating it changes nothing.",
        ),
    ]
