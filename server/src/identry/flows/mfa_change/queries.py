"""A user's second factor at a glance, in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor

DEMANDED = """
    EXISTS (SELECT FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
            WHERE tm.user_id = $1 AND tm.is_active AND t.is_active AND t.mfa_required)
"""


@dataclass(frozen=True, slots=True)
class Glance:
    """What is shown of a second factor; the field order is the column order of the SELECT here.

    Attributes:
        enrolled_at: since when it is on; None: it is off.
        codes_left: unused recovery codes.
        demanded: whether a tenant of the user demands one.
    """

    enrolled_at: datetime | None
    codes_left: int
    demanded: bool


async def glance(db: Executor, user_id: UUID) -> Glance:
    """The second factor of a user as it is now."""
    row = await db.fetchrow(
        f"""
        SELECT (SELECT f.confirmed_at FROM totp_factors f WHERE f.user_id = $1),
               (SELECT count(*) FROM recovery_codes c WHERE c.user_id = $1 AND c.used_at IS NULL),
               {DEMANDED}
        """,  # noqa: S608 - a constant expression
        user_id,
    )
    assert row is not None
    return Glance(*row)


async def is_demanded(db: Executor, user_id: UUID) -> bool:
    """Whether a tenant of the user demands a second factor."""
    demanded: bool = await db.fetchval(f"SELECT {DEMANDED}", user_id)
    return demanded
