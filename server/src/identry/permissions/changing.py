"""What every change of a tenant's people and groups begins with: hold the rows, ask again, bound what is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from identry.core.db import Executor
from identry.permissions.access import current
from identry.permissions.rights import Rights
from identry.records import groups, tenants, users
from identry.records.users import ApprovalStatus, User
from identry_kit.apierror import Conflict, Forbidden


class PermissionDenied(Forbidden):
    """403: no group of the caller allows this; `details.required` names the permission."""

    code = "permission_denied"
    message = "your groups do not allow this"
    example_details: Mapping[str, object] = {"required": "users:read"}

    def __init__(self, required: str) -> None:
        super().__init__(details={"required": required})


class BeyondOwnRights(Forbidden):
    """403: it would give or take what the caller does not have; `details.missing` lists that."""

    code = "permission_denied"
    message = "nobody gives or takes away what they may not do themselves"
    example_details: Mapping[str, object] = {"missing": ["settings:manage"]}

    def __init__(self, missing: list[str]) -> None:
        super().__init__(details={"missing": missing})


class LastAdmin(Conflict):
    """409: the tenant would be left without an active member of its group Admin."""

    code = "last_admin"
    message = "a tenant keeps at least one active member of Admin"


class OwnerStays(Conflict):
    """409: an OWNER of the company is in Admin as long as that role lasts."""

    code = "owner_is_admin"
    message = "an OWNER of the company is an active member of Admin; change the role in the company first"


@dataclass(frozen=True, slots=True)
class Held:
    """What a change stands on; nobody else changes it before the transaction ends.

    Attributes:
        rights: of the caller.
        users: the rows asked for, as far as they exist.
    """

    rights: Rights
    users: dict[UUID, User]


async def hold(tx: Executor, tenant_id: UUID, caller_id: UUID, permission: str, *user_ids: UUID) -> Held:
    """Hold the users, then the tenant, and ask once more whether the caller may.

    Raises:
        PermissionDenied: not any more.
    """
    found = await users.lock_all(tx, caller_id, *user_ids)
    tenant = await tenants.lock(tx, tenant_id)
    caller = found.get(caller_id)
    acts = caller is not None and caller.is_active and caller.approval_status == ApprovalStatus.APPROVED
    rights = await current(tx, tenant_id, caller_id)
    if tenant is None or not tenant.is_active or not acts or not rights.allows(permission):
        raise PermissionDenied(permission)
    return Held(rights, found)


def require_within(rights: Rights, keys: Iterable[str]) -> None:
    """Refuse what would give or take more than the caller may do.

    Raises:
        BeyondOwnRights: some of the keys.
    """
    if missing := rights.missing(keys):
        raise BeyondOwnRights(missing)


async def keep_admin(tx: Executor, tenant_id: UUID, user_id: UUID) -> None:
    """Before a member of `Admin` leaves it or the tenant.

    Raises:
        OwnerStays: the company is theirs.
        LastAdmin: nobody else is in it.
    """
    if await groups.owns(tx, tenant_id, user_id):
        raise OwnerStays
    if not await groups.has_another_admin(tx, tenant_id, user_id):
        raise LastAdmin
