"""Invitations: an address is asked to join a company (and one of its business units) with a role, or to join the tenant
that the company is, with groups.

Invariants: only a SHA-256 of the token is stored; of one company and address at most one invitation is open, and a
newer one replaces its token, so an older link opens nothing; it is accepted by one conditional write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from identry.core.db import Executor


class State(StrEnum):
    """Where an invitation stands."""

    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Invitation:
    """A row of `invitations` without its token; the field order is that of `COLUMNS`.

    Attributes:
        role: in the company; worth nothing when `group_ids` is not None.
        group_ids: of the tenant; None: the invitation offers the role.
    """

    id: UUID
    company_id: UUID
    business_unit_id: UUID | None
    email: str
    role: str
    invited_by: UUID | None
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    revoked_at: datetime | None
    group_ids: list[UUID] | None = None

    def state(self, now: datetime) -> State:
        """Where it stands at an instant."""
        if self.accepted_at is not None:
            return State.ACCEPTED
        if self.revoked_at is not None:
            return State.REVOKED
        return State.EXPIRED if self.expires_at <= now else State.OPEN


COLUMNS = (
    "id, company_id, business_unit_id, email, role, invited_by, created_at, expires_at, accepted_at, revoked_at, "
    "group_ids"
)


async def put(tx: Executor, invitation: Invitation, token_hash: bytes) -> tuple[Invitation, bool]:
    """Store an invitation, or renew the open one of the same company and address; returns it and whether it is new.

    A renewed one keeps its id; what it offers, its inviter, times and token are replaced.
    """
    sql = f"""
        INSERT INTO invitations (id, token_hash, company_id, business_unit_id, email, role, invited_by,
                                 created_at, expires_at, group_ids)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (company_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL DO UPDATE
        SET token_hash = EXCLUDED.token_hash, business_unit_id = EXCLUDED.business_unit_id, role = EXCLUDED.role,
            invited_by = EXCLUDED.invited_by, created_at = EXCLUDED.created_at, expires_at = EXCLUDED.expires_at,
            group_ids = EXCLUDED.group_ids
        RETURNING {COLUMNS}
    """  # noqa: S608 - constant columns
    row = await tx.fetchrow(
        sql,
        invitation.id,
        token_hash,
        invitation.company_id,
        invitation.business_unit_id,
        invitation.email,
        invitation.role,
        invitation.invited_by,
        invitation.created_at,
        invitation.expires_at,
        invitation.group_ids,
    )
    assert row is not None
    stored = Invitation(*row)
    return stored, stored.id == invitation.id


async def renew(tx: Executor, invitation: Invitation, token_hash: bytes) -> Invitation | None:
    """Give an invitation a new token, inviter and times; None when it was accepted or revoked meanwhile.

    The older token opens nothing from now on.
    """
    sql = f"""
        UPDATE invitations SET token_hash = $3, invited_by = $4, created_at = $5, expires_at = $6
        WHERE id = $1 AND company_id = $2 AND accepted_at IS NULL AND revoked_at IS NULL
        RETURNING {COLUMNS}
    """  # noqa: S608 - constant columns
    row = await tx.fetchrow(
        sql,
        invitation.id,
        invitation.company_id,
        token_hash,
        invitation.invited_by,
        invitation.created_at,
        invitation.expires_at,
    )
    return Invitation(*row) if row else None


async def find(db: Executor, company_id: UUID, invitation_id: UUID) -> Invitation | None:
    """An invitation of a company, in whatever state, or None."""
    sql = f"SELECT {COLUMNS} FROM invitations WHERE id = $1 AND company_id = $2"  # noqa: S608 - constant columns
    row = await db.fetchrow(sql, invitation_id, company_id)
    return Invitation(*row) if row else None


async def find_by_token(db: Executor, token_hash: bytes) -> Invitation | None:
    """The invitation of a token, in whatever state, or None."""
    sql = f"SELECT {COLUMNS} FROM invitations WHERE token_hash = $1"  # noqa: S608 - constant columns
    row = await db.fetchrow(sql, token_hash)
    return Invitation(*row) if row else None


async def find_open(db: Executor, company_id: UUID, email: str) -> Invitation | None:
    """The invitation of an address that is neither accepted nor revoked (it may have expired), or None."""
    sql = f"""
        SELECT {COLUMNS} FROM invitations
        WHERE company_id = $1 AND email = $2 AND accepted_at IS NULL AND revoked_at IS NULL
    """  # noqa: S608 - constant columns
    row = await db.fetchrow(sql, company_id, email)
    return Invitation(*row) if row else None


async def lock(tx: Executor, company_id: UUID, invitation_id: UUID) -> Invitation | None:
    """An invitation of a company, its row locked until the transaction ends, or None."""
    sql = f"SELECT {COLUMNS} FROM invitations WHERE id = $1 AND company_id = $2 FOR UPDATE"  # noqa: S608 - constant
    row = await tx.fetchrow(sql, invitation_id, company_id)
    return Invitation(*row) if row else None


async def list_of(db: Executor, company_id: UUID, *, limit: int, offset: int) -> tuple[list[Invitation], int]:
    """One page of a company's invitations, newest first, and how many there are in all."""
    sql = f"""
        SELECT {COLUMNS} FROM invitations WHERE company_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3
    """  # noqa: S608 - constant columns
    rows = await db.fetch(sql, company_id, limit, offset)
    total = await db.fetchval("SELECT count(*) FROM invitations WHERE company_id = $1", company_id)
    return [Invitation(*row) for row in rows], total


async def accept(tx: Executor, invitation_id: UUID, token_hash: bytes, now: datetime) -> Invitation | None:
    """Use the invitation; of any number of callers exactly one gets it, the others None."""
    sql = f"""
        UPDATE invitations SET accepted_at = $3
        WHERE id = $1 AND token_hash = $2 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $3
        RETURNING {COLUMNS}
    """  # noqa: S608 - constant columns
    row = await tx.fetchrow(sql, invitation_id, token_hash, now)
    return Invitation(*row) if row else None


async def revoke(tx: Executor, invitation_id: UUID, now: datetime) -> None:
    """End an invitation that was not accepted; one that was revoked before keeps its instant."""
    await tx.execute(
        "UPDATE invitations SET revoked_at = $2 WHERE id = $1 AND accepted_at IS NULL AND revoked_at IS NULL",
        invitation_id,
        now,
    )
