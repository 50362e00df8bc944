"""Groups of a tenant, what they may do, and who is in them.

Invariants: every statement names the tenant; a name is unique in its tenant whatever its case; a built-in group is
never changed. Whoever owns the company (`OWNER`) is in the tenant's built-in `Admin` without a row of its own, so
the two can never disagree. Only active members of a tenant have rights in it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor, affected

ADMIN = "Admin"
"""The built-in group that may do everything; a tenant keeps at least one active member of it."""


@dataclass(frozen=True, slots=True)
class Group:
    """A row of `groups`; the field order is that of `COLUMNS`."""

    id: UUID
    tenant_id: UUID
    name: str
    description: str
    permissions: list[str]
    built_in: bool
    created_at: datetime
    updated_at: datetime


COLUMNS = ", ".join(f.name for f in fields(Group))
_OF_GROUP = ", ".join(f"g.{f.name}" for f in fields(Group))

_OWNS = """
    SELECT FROM company_memberships c
    WHERE c.company_id = g.tenant_id AND c.user_id = m.user_id AND c.role = 'OWNER' AND c.is_active
"""
_IS_IN = f"""(
    EXISTS (SELECT FROM group_members r WHERE r.group_id = g.id AND r.tenant_id = g.tenant_id AND r.user_id = m.user_id)
    OR (g.built_in AND g.name = '{ADMIN}' AND EXISTS ({_OWNS}))
)"""
# The members of the groups of one tenant ($1), whose membership of the tenant is active.
_MEMBERS = f"""
    FROM groups g JOIN tenant_members m ON m.tenant_id = g.tenant_id AND m.is_active
    WHERE g.tenant_id = $1 AND {_IS_IN}
"""

# All that a profile shows of the groups of person `p` in their tenant, found from the member, so that its cost does not
# grow with the tenant: the groups it was put into (ids and names side by side, permissions as one text: a key has no
# blanks) …
HELD = """
    SELECT array_agg(g.id) AS ids, array_agg(g.name) AS names,
           string_agg(array_to_string(g.permissions, ' '), ' ') AS permissions
    FROM group_members r JOIN groups g ON g.id = r.group_id AND g.tenant_id = r.tenant_id
    WHERE r.tenant_id = p.tenant_id AND r.user_id = p.user_id
"""
# … and, as `owned`, the group that an owner of the company is in without having been put into it. (For nobody else is
# there anything to look up.)
OWNED = f"""
    groups owned ON owned.tenant_id = CASE p.role WHEN 'OWNER' THEN p.tenant_id END AND owned.built_in
        AND lower(owned.name) = lower('{ADMIN}')
"""


async def find(db: Executor, tenant_id: UUID, group_id: UUID) -> Group | None:
    """The group, if this tenant has it."""
    sql = f"SELECT {COLUMNS} FROM groups WHERE tenant_id = $1 AND id = $2"  # noqa: S608 - constant columns
    row = await db.fetchrow(sql, tenant_id, group_id)
    return Group(*row) if row else None


async def of_ids(db: Executor, tenant_id: UUID, group_ids: list[UUID]) -> list[Group]:
    """Those of the groups that this tenant has."""
    sql = f"SELECT {COLUMNS} FROM groups WHERE tenant_id = $1 AND id = ANY($2) ORDER BY name"  # noqa: S608 - constant
    return [Group(*row) for row in await db.fetch(sql, tenant_id, group_ids)]


async def of_tenant(db: Executor, tenant_id: UUID) -> list[tuple[Group, int]]:
    """Every group of the tenant, built-ins first, then by name; each with the number of its active members."""
    sql = f"""
        SELECT {_OF_GROUP}, (
            SELECT count(*) FROM tenant_members m WHERE m.tenant_id = g.tenant_id AND m.is_active AND {_IS_IN}
        ) FROM groups g WHERE g.tenant_id = $1 ORDER BY g.built_in DESC, lower(g.name)
    """  # noqa: S608 - constants
    return [(Group(*row[:-1]), row[-1]) for row in map(tuple, await db.fetch(sql, tenant_id))]


async def count_members(db: Executor, tenant_id: UUID, group_id: UUID) -> int:
    """How many active members of the tenant are in the group."""
    count: int = await db.fetchval(f"SELECT count(*) {_MEMBERS} AND g.id = $2", tenant_id, group_id)
    return count


async def of_user(db: Executor, tenant_id: UUID, user_id: UUID) -> list[Group]:
    """The groups whose rights the user has in the tenant: none without an active membership. By name."""
    sql = f"SELECT {_OF_GROUP} {_MEMBERS} AND m.user_id = $2 ORDER BY lower(g.name)"
    return [Group(*row) for row in await db.fetch(sql, tenant_id, user_id)]


async def of_users(db: Executor, tenant_id: UUID, user_ids: list[UUID]) -> dict[UUID, list[Group]]:
    """The groups that each of these members is in, whether the membership is active or not."""
    sql = f"""
        SELECT m.user_id, {_OF_GROUP} FROM groups g JOIN tenant_members m ON m.tenant_id = g.tenant_id
        WHERE g.tenant_id = $1 AND m.user_id = ANY($2) AND {_IS_IN} ORDER BY lower(g.name)
    """  # noqa: S608 - constants
    found: dict[UUID, list[Group]] = {user_id: [] for user_id in user_ids}
    for user_id, *group in await db.fetch(sql, tenant_id, user_ids):
        found[user_id].append(Group(*group))
    return found


async def owns(db: Executor, tenant_id: UUID, user_id: UUID) -> bool:
    """Whether the user is an active `OWNER` of the company, hence in `Admin` as long as that lasts."""
    owner: bool = await db.fetchval(
        """
        SELECT EXISTS (SELECT FROM company_memberships
                       WHERE company_id = $1 AND user_id = $2 AND role = 'OWNER' AND is_active)
        """,
        tenant_id,
        user_id,
    )
    return owner


async def has_another_admin(tx: Executor, tenant_id: UUID, user_id: UUID) -> bool:
    """Whether anybody besides this user administers the tenant; true only while the tenant's row is held."""
    another: bool = await tx.fetchval(
        f"""
        SELECT EXISTS (
            SELECT FROM groups g JOIN tenant_members m ON m.tenant_id = g.tenant_id AND m.is_active
            JOIN users u ON u.id = m.user_id AND u.is_active AND u.approval_status = 'APPROVED'
            WHERE g.tenant_id = $1 AND g.built_in AND g.name = '{ADMIN}' AND m.user_id <> $2 AND {_IS_IN})
        """,  # noqa: S608 - constants
        tenant_id,
        user_id,
    )
    return another


async def insert(tx: Executor, group: Group) -> bool:
    """Store a new group; False when the tenant has one of this name (nothing is written then)."""
    values = ", ".join(f"${i}" for i in range(1, len(fields(Group)) + 1))
    sql = f"INSERT INTO groups ({COLUMNS}) VALUES ({values}) ON CONFLICT DO NOTHING"  # noqa: S608 - constant columns
    return affected(await tx.execute(sql, *(getattr(group, f.name) for f in fields(Group)))) == 1


async def name_is_taken(tx: Executor, tenant_id: UUID, name: str, besides: UUID) -> bool:
    """Whether another group of the tenant has this name, in any case."""
    taken: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM groups WHERE tenant_id = $1 AND lower(name) = lower($2) AND id <> $3)",
        tenant_id,
        name,
        besides,
    )
    return taken


async def update(tx: Executor, group: Group) -> None:
    """Write name, description and permissions of a group that is not built in."""
    await tx.execute(
        """
        UPDATE groups SET name = $3, description = $4, permissions = $5, updated_at = $6
        WHERE tenant_id = $1 AND id = $2 AND NOT built_in
        """,
        group.tenant_id,
        group.id,
        group.name,
        group.description,
        group.permissions,
        group.updated_at,
    )


async def delete(tx: Executor, tenant_id: UUID, group_id: UUID) -> None:
    """Forget a group that is not built in; its members only lose it."""
    await tx.execute("DELETE FROM groups WHERE tenant_id = $1 AND id = $2 AND NOT built_in", tenant_id, group_id)


async def add_member(tx: Executor, tenant_id: UUID, group_id: UUID, user_id: UUID, now: datetime) -> bool:
    """Put a member of the tenant into a group of the tenant; False when it is in there already."""
    tag = await tx.execute(
        """
        INSERT INTO group_members (group_id, tenant_id, user_id, created_at) VALUES ($2, $1, $3, $4)
        ON CONFLICT DO NOTHING
        """,
        tenant_id,
        group_id,
        user_id,
        now,
    )
    return affected(tag) == 1


async def leave_all(tx: Executor, tenant_id: UUID, user_id: UUID) -> None:
    """Take somebody out of every group of the tenant."""
    await tx.execute("DELETE FROM group_members WHERE tenant_id = $1 AND user_id = $2", tenant_id, user_id)


async def leave_before_return(tx: Executor, tenant_ids: list[UUID], user_ids: list[UUID]) -> None:
    """Take out of every group those of the users whose membership of a tenant ended and whose company's is active.

    They are about to become members again, by somebody who need not have had the right to those groups.
    """
    await tx.execute(
        """
        DELETE FROM group_members g USING tenant_members m, company_memberships c
        WHERE m.tenant_id = ANY($1) AND m.user_id = ANY($2) AND NOT m.is_active
          AND c.company_id = m.tenant_id AND c.user_id = m.user_id AND c.is_active
          AND g.tenant_id = m.tenant_id AND g.user_id = m.user_id
        """,
        tenant_ids,
        user_ids,
    )


async def remove_member(tx: Executor, tenant_id: UUID, group_id: UUID, user_id: UUID) -> bool:
    """Take somebody out of a group; False when there was no row."""
    tag = await tx.execute(
        "DELETE FROM group_members WHERE tenant_id = $1 AND group_id = $2 AND user_id = $3",
        tenant_id,
        group_id,
        user_id,
    )
    return affected(tag) == 1
