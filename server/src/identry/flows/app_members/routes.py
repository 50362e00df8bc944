"""/api/apps/{id}/users… and /api/apps/{id}/service/users…."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from identry.core.limits import RESET_REQUEST_EMAIL, Limit
from identry.core.origin import Origin
from identry.flows.app_members.queries import Member
from identry.flows.app_members.service import (
    MAIL_IS_OFF,
    Added,
    AlreadyMember,
    AppMembers,
    By,
    InvalidRole,
    MemberUnknown,
    OfThePlatform,
    OneselfRefused,
)
from identry.oauth.people import InvalidProfile
from identry.signin import EmailDomainNotAllowed, PasswordLoginDisabled
from identry.web.app_reach import path_number
from identry.web.call import Answer, Call
from identry.web.operations import Guard, Operation
from identry.web.paging import provider_page_of
from identry.web.profile_fields import ProfileFields, sent
from identry.web.validation import Email, SearchText

_TAG = "Applications"
_USERS, _SERVICE = "/api/apps/{app_id:number}/users", "/api/apps/{app_id:number}/service/users"

Reset = Callable[[str, Origin], Awaitable[None]]
"""Mails a link to set a new password to an address."""


class AppMembersQuery(msgspec.Struct):
    """Which page, of whom."""

    page: Annotated[str, Meta(description="From 1.")] = ""
    page_size: Annotated[str, Meta(description="1 to 100; 20 otherwise.")] = ""
    search: SearchText = ""


class NewMember(msgspec.Struct):
    """Who, and as what; without a name the address is taken."""

    email: Email
    role: Annotated[str, Meta(max_length=64, examples=["editor"])]
    name: Annotated[str, Meta(max_length=200)] = ""


class RoleOf(msgspec.Struct):
    """A role in the application."""

    role: Annotated[str, Meta(max_length=64, examples=["editor"])]


class AppUser(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A member; `role` is the one in the application. `token_version` and `locked` for the application itself."""

    id: int
    email: str
    name: str
    role: str
    is_verified: bool
    invite_sent: bool
    created_at: datetime
    last_login: datetime | None = None
    avatar_url: str | None = None
    token_version: int | None = None
    locked: bool | None = None


class UserList(msgspec.Struct, frozen=True):
    """One page of members."""

    users: list[AppUser]
    total_count: int
    page: int
    page_size: int


class CreateResult(msgspec.Struct, omit_defaults=True):
    """A new member. `invite_token` in development only; `email_error` says why no mail left."""

    user_id: int
    invite_token: str = msgspec.field(name="invite_token")
    role: str
    email_sent: bool
    email_error: str = ""


class Sent(msgspec.Struct, frozen=True):
    """A mail is on its way, as far as one is needed."""

    message: str = "sent"


def operations(service: AppMembers, reset: Reset, reset_limit: Limit, *, show_token: bool) -> list[Operation]:
    """The room's rows of the operation table.

    Args:
        service: looks after the members.
        reset: what `…/reset-password` does.
        reset_limit: what it spends.
        show_token: whether an answer may hold the token of an invitation (development).
    """
    return [
        *_reading(service),
        *_changing(service, show_token=show_token),
        *_mailing(service, reset, reset_limit),
        *_as_service(service, show_token=show_token),
    ]


def _reading(service: AppMembers) -> list[Operation]:
    async def listing(call: Call) -> UserList:
        query: AppMembersQuery = call.query
        page = provider_page_of(query.page, query.page_size)
        found, total = await service.page(call.app, query.search, page.limit, page.offset)
        return UserList([_shown(member) for member in found], total, page.page, page.page_size)

    async def read(call: Call) -> AppUser:
        return _shown(await service.read(call.app, path_number(call, "uid")))

    return [
        _row("GET", _USERS, listing, "List the members of an application", reach="app.read", query=AppMembersQuery,
             reply=UserList),
        _row("GET", f"{_USERS}/{{uid:number}}", read, "Read a member of an application", reach="app.read.service",
             guard=Guard.APP_ANY, reply=AppUser, errors=(MemberUnknown,)),
    ]  # fmt: skip


def _changing(service: AppMembers, *, show_token: bool) -> list[Operation]:
    async def add(call: Call) -> CreateResult:
        return await _add(service, call, show_token=show_token)

    async def set_role(call: Call) -> RoleOf:
        return RoleOf(await service.set_role(call.app, path_number(call, "uid"), call.body.role, _by(call)))

    async def remove(call: Call) -> Answer:
        await service.remove(call.app, path_number(call, "uid"), _by(call))
        return Answer(b"", status=204)

    one = f"{_USERS}/{{uid:number}}"
    return [
        _row("POST", _USERS, add, "Add a member to an application", reach="app.manage.service", guard=Guard.APP_ANY,
             **_ADDING),
        _row("PUT", one, set_role, "Change the role of a member", reach="app.manage", body=RoleOf, reply=RoleOf,
             errors=(InvalidRole, MemberUnknown)),
        _row("DELETE", one, remove, "Take a member out of an application", reach="app.manage", status=204,
             errors=(MemberUnknown, OneselfRefused),
             description="Its tokens for the application end; the account stays."),
    ]  # fmt: skip


def _mailing(service: AppMembers, reset: Reset, reset_limit: Limit) -> list[Operation]:
    async def resend(call: Call) -> Sent:
        await service.resend(call.app, path_number(call, "uid"), _by(call))
        return Sent()

    async def force_reset(call: Call) -> Sent:
        member = await service.read(call.app, path_number(call, "uid"))
        await reset(member.person.email, call.origin)
        return Sent()

    one = f"{_USERS}/{{uid:number}}"
    return [
        _row("POST", f"{one}/resend-verification", resend, "Mail a member the invitation or verification again",
             reach="app.manage", reply=Sent, errors=(MemberUnknown,)),
        _row("POST", f"{one}/reset-password", force_reset, "Mail a member a link to set a new password",
             reach="app.manage", reply=Sent, limits=(reset_limit, RESET_REQUEST_EMAIL),
             errors=(MemberUnknown, PasswordLoginDisabled)),
    ]  # fmt: skip


def _as_service(service: AppMembers, *, show_token: bool) -> list[Operation]:
    async def add(call: Call) -> CreateResult:
        return await _add(service, call, show_token=show_token)

    async def read(call: Call) -> AppUser:
        return _shown_to_service(await service.read(call.app, path_number(call, "uid")))

    async def change(call: Call) -> AppUser:
        member = await service.change_profile(call.app, path_number(call, "uid"), sent(call.body), _by(call))
        return _shown_to_service(member)

    one = f"{_SERVICE}/{{uid:number}}"
    more: dict[str, Any] = {"reach": "app.service", "guard": Guard.SERVICE}
    return [
        _row("POST", _SERVICE, add, "Add a member, as the application", **more, **_ADDING),
        _row("GET", one, read, "Read a member, as the application", reply=AppUser, errors=(MemberUnknown,), **more),
        _row("PATCH", one, change, "Change the profile of a member, as the application", body=ProfileFields,
             reply=AppUser, errors=(MemberUnknown, InvalidProfile), example={"department": "Sales"}, **more),
    ]  # fmt: skip


_ADDING: dict[str, Any] = {
    "body": NewMember,
    "reply": CreateResult,
    "status": 201,
    "errors": (InvalidRole, AlreadyMember, OfThePlatform, EmailDomainNotAllowed),
    "example": {"email": "ada@example.com", "role": "editor", "name": "Ada Lovelace"},
    "description": "Whoever has no account gets one, and a mail to set it up; an existing account gets the role.",
}


def _row(
    method: str, path: str, handler: Any, summary: str, *, guard: Guard = Guard.APP_USER, **more: Any
) -> Operation:
    return Operation(method, path, handler, summary, _TAG, guard, surface="api", **more)


def _by(call: Call) -> By:
    caller = call.caller
    return By(caller.user if caller else None, call.origin)


async def _add(service: AppMembers, call: Call, *, show_token: bool) -> CreateResult:
    body: NewMember = call.body
    added: Added = await service.add(call.app, body.email, body.role, body.name.strip(), _by(call))
    error = MAIL_IS_OFF if added.invite_token and not added.mailed else ""
    token = added.invite_token if show_token else ""
    return CreateResult(added.number, token, added.role, added.mailed, error)


def _shown(member: Member) -> AppUser:
    p = member.person
    return AppUser(
        id=p.number,
        email=p.email,
        name=p.name,
        role=member.role,
        is_verified=p.email_verified,
        invite_sent=member.invite_sent,
        created_at=p.created_at,
        last_login=p.last_login_at,
        avatar_url=p.avatar_url,
    )


def _shown_to_service(member: Member) -> AppUser:
    shown = _shown(member)
    return msgspec.structs.replace(shown, token_version=member.person.token_version, locked=not member.person.is_active)
