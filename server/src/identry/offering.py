"""What an invitation offers may be offered only by who could give it: asked of the inviter when it is sent, of whoever
replaces, renews or ends it, and of the inviter again when it is accepted.

Never: writes anything.
"""

from __future__ import annotations

from identry.authority import Actor, Situation, Wanted, refusal
from identry.core.db import Executor
from identry.permissions.access import current
from identry.records import groups, memberships, tenants
from identry.records.invitations import Invitation
from identry.records.users import ApprovalStatus, User

MATRIX_ROW = "invitations"
PERMISSION = "users:invite"


async def may_offer(db: Executor, user: User, offered: Invitation) -> bool:
    """Whether this user could send this invitation now, as the database knows both.

    A role is judged by the matrix. Groups take `users:invite` and every permission that the groups have now, whatever
    they had when they were offered, in a tenant that is open; or a right to make an OWNER, who is in Admin.
    """
    if not user.is_active or user.approval_status != ApprovalStatus.APPROVED:
        return False
    roles = await memberships.roles_in(db, user.id, offered.company_id)
    actor = Actor(user.id, user.global_role, roles.company_role)
    if offered.group_ids is None:
        return refusal(MATRIX_ROW, Situation(actor, wanted=Wanted(role=offered.role))) is None
    tenant = await tenants.find(db, offered.company_id)
    if tenant is None or not tenant.is_active:
        return False
    if refusal(MATRIX_ROW, Situation(actor, wanted=Wanted(role="OWNER"))) is None:
        return True
    rights = await current(db, offered.company_id, user.id)
    return rights.allows(PERMISSION) and not rights.missing(await keys_of(db, offered))


async def keys_of(db: Executor, offered: Invitation) -> frozenset[str]:
    """What the groups of an invitation allow now; a group that is gone allows nothing."""
    found = await groups.of_ids(db, offered.company_id, offered.group_ids or [])
    return frozenset(key for group in found for key in group.permissions)
