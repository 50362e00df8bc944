"""/api/v1/rbac."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from identry.flows.rbac.explain import Check, Explain, Explanation
from identry.flows.rbac.service import GroupBuiltIn, GroupExists, GroupUnknown, MemberUnknown, Rbac, Wanted
from identry.permissions import CATALOGUE, BeyondOwnRights, LastAdmin, OwnerStays, PermissionDenied, canonical
from identry.records.groups import Group
from identry.web.call import Call
from identry.web.errors import InvalidRequest
from identry.web.operations import Guard, Operation
from identry.web.validation import line, search_text

_GROUPS = "/api/v1/rbac/groups"
_GROUP = _GROUPS + "/{group_id:uuid}"
_MEMBER = _GROUP + "/members/{user_id:uuid}"

GroupName = Annotated[str, Meta(max_length=100, extra={"check": line}, examples=["Service desk"])]
Description = Annotated[str, Meta(max_length=500, extra={"check": search_text}, examples=["Takes and solves calls"])]
Key = Annotated[str, Meta(min_length=1, max_length=100, examples=["incidents:*"])]
Keys = Annotated[list[Key], Meta(max_length=500)]


class PermissionView(msgspec.Struct, frozen=True):
    """One permission of the catalogue."""

    key: str
    resource: str
    action: str
    module: str
    label: str


class PermissionsReply(msgspec.Struct, frozen=True):
    """The catalogue."""

    permissions: list[PermissionView]


class GroupView(msgspec.Struct, frozen=True):
    """A group; `member_count` counts active members."""

    id: UUID
    name: str
    description: str
    permissions: list[str]
    built_in: bool
    member_count: int

    @classmethod
    def of(cls, group: Group, count: int) -> GroupView:
        """The view of a row."""
        return cls(group.id, group.name, group.description, group.permissions, group.built_in, count)


class GroupsReply(msgspec.Struct, frozen=True):
    """Every group of the tenant, built-ins first."""

    groups: list[GroupView]


class GroupBody(msgspec.Struct):
    """A group as it is to be."""

    name: GroupName
    permissions: Keys
    description: Description = ""


class GroupMemberView(msgspec.Struct, frozen=True):
    """A member of a group; `by_ownership`: because the company is theirs, as long as it is."""

    group_id: UUID
    user_id: UUID
    by_ownership: bool


class ExplainQuery(msgspec.Struct):
    """Who, and what."""

    user_id: UUID
    permission: Key


class CheckView(msgspec.Struct, frozen=True):
    """One thing that was looked at: its name, whether it lets through, and in words."""

    name: str
    passed: bool
    reason: str

    @classmethod
    def of(cls, check: Check) -> CheckView:
        """The view of a check."""
        return cls(check.name, check.passed, check.reason)


class ExplainGroupView(msgspec.Struct, frozen=True):
    """A group of the user, and those of its permissions that allow what was asked (none: it does not)."""

    id: UUID
    name: str
    by_ownership: bool
    granted_by: list[str]


class ExplainReply(msgspec.Struct, frozen=True):
    """Why: every check in order, the groups, and what would have to change (empty when allowed)."""

    user_id: UUID
    permission: str
    allowed: bool
    checks: list[CheckView]
    groups: list[ExplainGroupView]
    changes: list[str]

    @classmethod
    def of(cls, user_id: UUID, e: Explanation) -> ExplainReply:
        """The view of an explanation."""
        found = [ExplainGroupView(g.id, g.name, g.by_ownership, g.granted_by) for g in e.groups]
        return cls(user_id, e.permission, e.allowed, [CheckView.of(check) for check in e.checks], found, e.changes)


def operations(rbac: Rbac, explain: Explain) -> list[Operation]:
    """The room's rows of the operation table."""
    catalogue = PermissionsReply(
        [PermissionView(p.key, p.resource, p.action, p.module, p.label) for p in CATALOGUE.values()]
    )

    async def permissions(_: Call) -> PermissionsReply:
        return catalogue

    async def all_groups(call: Call) -> GroupsReply:
        return GroupsReply([GroupView.of(*found) for found in await rbac.all(call.tenant_id)])

    async def get(call: Call) -> GroupView:
        return GroupView.of(*await rbac.get(call.tenant_id, call.path["group_id"]))

    async def create(call: Call) -> GroupView:
        return GroupView.of(await rbac.create(call.actor.user, call.tenant_id, _wanted(call.body), call.origin), 0)

    async def update(call: Call) -> GroupView:
        group_id = call.path["group_id"]
        return GroupView.of(
            *await rbac.update(call.actor.user, call.tenant_id, group_id, _wanted(call.body), call.origin)
        )

    async def delete(call: Call) -> bytes:
        await rbac.delete(call.actor.user, call.tenant_id, call.path["group_id"], call.origin)
        return b""

    async def member(call: Call) -> GroupMemberView:
        group_id, user_id = call.path["group_id"], call.path["user_id"]
        return GroupMemberView(group_id, user_id, await rbac.owns_membership(call.tenant_id, group_id, user_id))

    async def add_member(call: Call) -> bytes:
        await rbac.add_member(call.actor.user, call.tenant_id, call.path["group_id"], call.path["user_id"], call.origin)
        return b""

    async def remove_member(call: Call) -> bytes:
        await rbac.remove_member(
            call.actor.user, call.tenant_id, call.path["group_id"], call.path["user_id"], call.origin
        )
        return b""

    async def why(call: Call) -> ExplainReply:
        query: ExplainQuery = call.query
        key = _key("permission", query.permission)
        return ExplainReply.of(query.user_id, await explain(call.tenant_id, query.user_id, key))

    common: dict[str, Any] = {"tag": "Groups and permissions", "guard": Guard.BROWSER, "surface": "browser"}
    read: dict[str, Any] = {**common, "permission": "rbac:read"}
    write: dict[str, Any] = {**common, "permission": "rbac:manage", "sensitive": True}
    may_not = (PermissionDenied, BeyondOwnRights)
    return [
        Operation(
            "GET",
            "/api/v1/rbac/permissions",
            permissions,
            "List the permissions that there are",
            reply=PermissionsReply,
            errors=(PermissionDenied,),
            **read,
        ),
        Operation(
            "GET",
            "/api/v1/rbac/explain",
            why,
            "Why may somebody do something, or not?",
            query=ExplainQuery,
            reply=ExplainReply,
            errors=(PermissionDenied, MemberUnknown),
            description="The account, the tenant, the membership, the policy of sign-in, the groups, and what the "
            "company owns and granted, in the order in which they decide; and what would have to change.",
            **read,
        ),
        Operation("GET", _GROUPS, all_groups, "List the groups", reply=GroupsReply, errors=(PermissionDenied,), **read),
        Operation(
            "POST",
            _GROUPS,
            create,
            "Make a group",
            body=GroupBody,
            reply=GroupView,
            status=201,
            errors=(*may_not, GroupExists),
            description="`permissions` are keys of the catalogue, keys that only another service knows, or wildcards "
            "(`*`, `incidents:*`). Nobody gives what they may not do themselves.",
            **write,
        ),
        Operation("GET", _GROUP, get, "One group", reply=GroupView, errors=(PermissionDenied, GroupUnknown), **read),
        Operation(
            "PUT",
            _GROUP,
            update,
            "Change a group",
            body=GroupBody,
            reply=GroupView,
            errors=(*may_not, GroupUnknown, GroupBuiltIn, GroupExists),
            description="Replaces name, description and permissions. It counts at once for every member.",
            **write,
        ),
        Operation(
            "DELETE",
            _GROUP,
            delete,
            "Delete a group",
            status=204,
            errors=(*may_not, GroupUnknown, GroupBuiltIn),
            **write,
        ),
        Operation(
            "GET",
            _MEMBER,
            member,
            "Whether somebody is in a group",
            reply=GroupMemberView,
            errors=(PermissionDenied, GroupUnknown, MemberUnknown),
            **read,
        ),
        Operation(
            "PUT",
            _MEMBER,
            add_member,
            "Put somebody into a group",
            status=204,
            errors=(*may_not, GroupUnknown, MemberUnknown),
            **write,
        ),
        Operation(
            "DELETE",
            _MEMBER,
            remove_member,
            "Take somebody out of a group",
            status=204,
            errors=(*may_not, GroupUnknown, MemberUnknown, LastAdmin, OwnerStays),
            **write,
        ),
    ]


def _wanted(body: GroupBody) -> Wanted:
    return Wanted(body.name, body.description, frozenset(_key("permissions", key) for key in body.permissions))


def _key(field: str, text: str) -> str:
    try:
        return canonical(text)
    except ValueError as error:
        raise InvalidRequest.field(field, "format", str(error)) from None
