"""Who asks and what the token is worth, in one round trip for all who ask at the same time."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from identry.core.db import Executor
from identry.records import sessions


class OfGrant(NamedTuple):
    """A client, by name and hash of its secret, asks about a grant."""

    asker: str
    secret_hash: bytes
    session_id: UUID


# Client `p` is who asks; `proven` says whether a live secret of it has the presented hash.
def _proven(secret_hash: str) -> str:
    return f"""
    p.id AS asker, p.is_active AND p.auth_method = 'client_secret' AND EXISTS (
        SELECT FROM client_secrets x
        WHERE x.client_id = p.id AND x.secret_hash = {secret_hash} AND (x.expires_at IS NULL OR x.expires_at > $2))
        AS proven
    """


# The arrays stand in sub-selects: PostgreSQL does not see their lengths, and one plan does for all.
_OF_GRANTS = f"""
    SELECT a.name, a.secret_hash, a.session_id, {_proven("a.secret_hash")}, t.*
    FROM unnest((SELECT $1::text[]), (SELECT $3::bytea[]), (SELECT $4::uuid[])) AS a (name, secret_hash, session_id)
    JOIN clients p ON p.client_id = a.name
    LEFT JOIN LATERAL (
        SELECT {sessions.ENDED} AS ended, s.client_id AS held_by, s.scopes, s.created_at, s.expires_at, s.amr,
               s.auth_time, s.refresh_token_hash, u.number, u.email, c.client_id, c.is_active
        FROM sessions s JOIN users u ON u.id = s.user_id JOIN clients c ON c.id = s.client_id
        WHERE s.id = a.session_id
    ) t ON true
"""  # noqa: S608 - constant expressions

_OF_SERVICE = f"""
    SELECT {_proven("$4")}, (
        SELECT c.client_id FROM clients c WHERE c.number = $1 AND c.is_active
          AND NOT EXISTS (SELECT FROM spent_ids i WHERE i.id_hash = $5 AND i.expires_at > $2)) AS client_id
    FROM clients p WHERE p.client_id = $3
"""  # noqa: S608 - constant expressions


async def of_grants(db: Executor, asked: list[OfGrant], now: datetime) -> dict[OfGrant, Any]:
    """The client that asks and the grant (its columns null: there is none); nothing for a name that is no client's."""
    names, hashes, ids = zip(*asked, strict=True)
    rows = await db.fetch(_OF_GRANTS, names, now, hashes, ids)
    return {OfGrant(*row[:3]): row for row in rows}


async def of_service(
    db: Executor, number: int, now: datetime, asker: str, secret_hash: bytes, id_hash: bytes
) -> Any | None:
    """The client that asks, and the one whose own token it is (null: inactive, or the token was revoked)."""
    return await db.fetchrow(_OF_SERVICE, number, now, asker, secret_hash, id_hash)
