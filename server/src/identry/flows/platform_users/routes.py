"""/api/admin/profile, /api/admin/users and /api/admin/superadmins."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from identry.flows.platform_users.service import (
    HigherRank,
    LastSuperadmin,
    NoAccount,
    OneselfRefused,
    PersonUnknown,
    PlatformUsers,
)
from identry.oauth.people import FullProfile, InvalidProfile, Person, full
from identry.records.users import GlobalRole
from identry.web.app_reach import FRESH, path_number
from identry.web.call import Answer, Call
from identry.web.operations import Guard, Operation
from identry.web.paging import provider_page_of
from identry.web.profile_fields import ProfileFields, sent
from identry.web.validation import Email, SearchText

_TAG = "Administration"
_PREFIX = "/api/admin"
_SUPER = GlobalRole.PLATFORM_SUPERADMIN


class PeoplePage(msgspec.Struct):
    """Which page, of whom."""

    page: Annotated[str, Meta(description="From 1.")] = ""
    page_size: Annotated[str, Meta(description="1 to 100; 20 otherwise.")] = ""
    search: SearchText = ""


class People(msgspec.Struct, frozen=True):
    """One page of accounts."""

    users: list[FullProfile]
    total_count: int
    page: int
    page_size: int


class AdminProfile(msgspec.Struct, frozen=True):
    """The caller."""

    id: int
    email: str
    name: str
    role: str
    mfa_enabled: bool
    must_change_password: bool
    last_login: datetime | None
    created_at: datetime


class AppOfUser(msgspec.Struct, frozen=True):
    """An application that somebody is a member of."""

    app_id: int
    client_id: str
    name: str
    role: str
    created_at: datetime


class SessionOfUser(msgspec.Struct, frozen=True):
    """A live session; `client_id` null: of the platform or of a browser."""

    id: UUID
    client_id: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    amr: list[str]
    ip_address: str | None
    user_agent: str | None


class Superadmin(msgspec.Struct, frozen=True):
    """A superadmin."""

    id: int
    email: str
    name: str
    created_at: datetime


class NewSuperadmin(msgspec.Struct):
    """Whose account becomes one."""

    email: Email


class SuperadminFields(msgspec.Struct):
    """What may be changed of one."""

    name: Annotated[str, Meta(max_length=200, examples=["Ada Lovelace"])]


class Attributes(ProfileFields):
    """Fields of a profile, empty to clear; and whether the password has to be changed."""

    must_change_password: bool | UnsetType = UNSET


class Done(msgspec.Struct, frozen=True):
    """It was done."""

    message: str


def operations(service: PlatformUsers) -> list[Operation]:
    """The room's rows of the operation table."""
    return [*_reading(service), *_changing(service), *_superadmins(service)]


def _reading(service: PlatformUsers) -> list[Operation]:
    async def profile(call: Call) -> AdminProfile:
        p = await service.own(call.actor.user.id)
        return AdminProfile(
            p.number,
            p.email,
            p.name,
            full(p).role,
            p.mfa_enabled,
            p.must_change_password,
            p.last_login_at,
            p.created_at,
        )

    async def listing(call: Call) -> People:
        query: PeoplePage = call.query
        page = provider_page_of(query.page, query.page_size)
        found, total = await service.page(query.search, "", page.limit, page.offset)
        return People([full(person) for person in found], total, page.page, page.page_size)

    async def read(call: Call) -> FullProfile:
        return full(await service.read(path_number(call, "uid")))

    async def apps(call: Call) -> list[AppOfUser]:
        found = await service.apps(path_number(call, "uid"))
        return [AppOfUser(m.app_id, m.client_id, m.name, m.role, m.joined_at) for m in found]

    async def sessions(call: Call) -> list[SessionOfUser]:
        found = await service.sessions(path_number(call, "uid"))
        return [
            SessionOfUser(s.id, s.client_id, s.created_at, s.last_used_at, s.expires_at, s.amr, s.ip, s.user_agent)
            for s in found
        ]

    unknown: dict[str, Any] = {"errors": (PersonUnknown,)}
    return [
        _row("GET", "/profile", profile, "Read the caller's account", reply=AdminProfile, **unknown),
        _row("GET", "/users", listing, "List accounts", query=PeoplePage, reply=People),
        _row("GET", _ONE, read, "Read an account", reply=FullProfile, **unknown),
        _row("GET", f"{_ONE}/apps", apps, "List the applications of an account", reply=list[AppOfUser], **unknown),
        _row("GET", f"{_ONE}/sessions", sessions, "List the sessions of an account", reply=list[SessionOfUser],
             **unknown),
    ]  # fmt: skip


def _changing(service: PlatformUsers) -> list[Operation]:
    async def delete(call: Call) -> Answer:
        await service.block(call.actor.user, path_number(call, "uid"), call.origin, "user.deleted")
        return Answer(b"", status=204)

    async def revoke(call: Call) -> Done:
        await service.revoke_tokens(call.actor.user, path_number(call, "uid"), call.origin)
        return Done("every session and token of the account ended")

    async def unlock(call: Call) -> Done:
        await service.unlock(call.actor.user, path_number(call, "uid"), call.origin)
        return Done("the account may be used")

    async def block(call: Call) -> Done:
        await service.block(call.actor.user, path_number(call, "uid"), call.origin)
        return Done("the account is blocked")

    async def attributes(call: Call) -> FullProfile:
        return full(await service.change(call.actor.user, path_number(call, "uid"), sent(call.body), call.origin))

    reached: dict[str, Any] = {"errors": (PersonUnknown, HigherRank)}
    ending: dict[str, Any] = {"errors": (PersonUnknown, HigherRank, OneselfRefused, LastSuperadmin)}
    return [
        _row("DELETE", _ONE, delete, "Deactivate an account", status=204, **ending,
             description="Its sessions end; the row and what the audit log tells of it stay."),
        _row("POST", f"{_ONE}/revoke-tokens", revoke, "End every session of an account", fresh=FRESH, reply=Done,
             **reached),
        _row("POST", f"{_ONE}/unlock", unlock, "Let a blocked account in again", reply=Done, **reached),
        _row("POST", f"{_ONE}/block", block, "Block an account", fresh=FRESH, reply=Done, **ending),
        _row("PUT", f"{_ONE}/attributes", attributes, "Change the profile of an account", body=Attributes,
             reply=FullProfile, errors=(PersonUnknown, HigherRank, InvalidProfile), example={"department": "Sales"}),
    ]  # fmt: skip


def _superadmins(service: PlatformUsers) -> list[Operation]:
    async def listing(_call: Call) -> list[Superadmin]:
        found, _ = await service.page("", _SUPER, 1000, 0)
        return [_superadmin(person) for person in found]

    async def create(call: Call) -> Superadmin:
        return _superadmin(await service.promote(call.actor.user, call.body.email, call.origin))

    async def read(call: Call) -> Superadmin:
        return _superadmin(await service.superadmin(path_number(call, "uid")))

    async def change(call: Call) -> Superadmin:
        number = (await service.superadmin(path_number(call, "uid"))).number
        return _superadmin(await service.change(call.actor.user, number, {"name": call.body.name}, call.origin))

    async def delete(call: Call) -> Answer:
        await service.demote(call.actor.user, path_number(call, "uid"), call.origin)
        return Answer(b"", status=204)

    one, more = "/superadmins/{uid:number}", {"reach": "platform.superadmin"}
    return [
        _row("GET", "/superadmins", listing, "List superadmins", reply=list[Superadmin], **more),
        _row("POST", "/superadmins", create, "Make an account a superadmin", body=NewSuperadmin, reply=Superadmin,
             status=201, fresh=FRESH, errors=(NoAccount, HigherRank), example={"email": "ada@example.com"}, **more),
        _row("GET", one, read, "Read a superadmin", reply=Superadmin, errors=(PersonUnknown,), **more),
        _row("PUT", one, change, "Rename a superadmin", body=SuperadminFields, reply=Superadmin,
             errors=(PersonUnknown, HigherRank, InvalidProfile), example={"name": "Ada Lovelace"}, **more),
        _row("DELETE", one, delete, "Make a superadmin an ordinary user", status=204, fresh=FRESH,
             errors=(PersonUnknown, HigherRank, OneselfRefused, LastSuperadmin), **more),
    ]  # fmt: skip


_ONE = "/users/{uid:number}"


def _row(
    method: str, path: str, handler: Any, summary: str, *, reach: str = "platform.admin", **more: Any
) -> Operation:
    return Operation(
        method, f"{_PREFIX}{path}", handler, summary, _TAG, Guard.APP_USER, surface="api", reach=reach, **more
    )


def _superadmin(person: Person) -> Superadmin:
    return Superadmin(person.number, person.email, person.name, person.created_at)
