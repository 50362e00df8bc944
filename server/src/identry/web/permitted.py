"""The check of an operation's `permission`: after the guard, before the handler (contracts/browser-api.md §9)."""

from __future__ import annotations

from identry.permissions import CATALOGUE, PermissionDenied, TenantAccess
from identry.web.call import Call
from identry.web.endpoint import GuardCheck
from identry.web.operations import Guard, Operation


def permitted(operation: Operation, guard: GuardCheck, access: TenantAccess) -> GuardCheck:
    """The guard of an operation, then the check of its permission.

    Raises:
        ValueError: the row names a permission that the catalogue does not have, or a guard that knows no tenant.
    """
    required = operation.permission
    if required not in CATALOGUE or operation.guard is not Guard.BROWSER:
        raise ValueError(f"{operation.method} {operation.path}: {required!r} cannot be checked")

    async def check(call: Call) -> None:
        await guard(call)
        user_id = call.actor.user.id
        rights = access.known(call.tenant_id, user_id, call.access_version)
        if rights is None:
            rights = await access.of(call.tenant_id, user_id, call.access_version)
        if not rights.allows(required):
            raise PermissionDenied(required)

    return check
