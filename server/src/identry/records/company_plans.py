"""Company plans: which plan of the built-in catalogue a company has.

Invariant: every change raises `version` in the same statement, so that an answer made before it can be told from a
current one. A company without a row has the catalogue's default plan at version 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor


@dataclass(frozen=True, slots=True)
class CompanyPlan:
    """A row of `company_entitlements`; the field order is that of `COLUMNS`."""

    company_id: UUID
    plan: str
    version: int
    updated_at: datetime


COLUMNS = "company_id, plan, version, updated_at"


async def find(db: Executor, company_id: UUID) -> CompanyPlan | None:
    """The plan of a company, or None when nobody chose one."""
    sql = f"SELECT {COLUMNS} FROM company_entitlements WHERE company_id = $1"  # noqa: S608 - constant columns
    row = await db.fetchrow(sql, company_id)
    return CompanyPlan(*row) if row else None


async def put(tx: Executor, company_id: UUID, plan: str, now: datetime) -> CompanyPlan:
    """Give a company a plan; its version goes up by one."""
    sql = f"""
        INSERT INTO company_entitlements (company_id, plan, updated_at) VALUES ($1, $2, $3)
        ON CONFLICT (company_id) DO UPDATE
        SET plan = EXCLUDED.plan, updated_at = EXCLUDED.updated_at, version = company_entitlements.version + 1
        RETURNING {COLUMNS}
    """  # noqa: S608 - constant columns
    row = await tx.fetchrow(sql, company_id, plan, now)
    assert row is not None
    return CompanyPlan(*row)
