"""The applications of a user: those they agreed to, and those that hold a live grant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from identry.core.db import Executor


@dataclass(frozen=True, slots=True)
class ConnectedApp:
    """An application as its user sees it; the field order is the column order of the SELECT here.

    Attributes:
        id: its row.
        scopes: everything that it was ever let do and still may ask for, or may do now.
        since: when the user first agreed, or signed in to it.
        last_used_at: when it last got tokens; None: it holds none.
        grants: how many sign-ins of it are alive.
        first_party: whether it belongs to the operator: nobody was asked.
    """

    id: UUID
    name: str
    url: str | None
    logo_url: str | None
    first_party: bool
    scopes: list[str]
    since: datetime
    last_used_at: datetime | None
    grants: int


async def of_user(db: Executor, user_id: UUID, now: datetime) -> list[ConnectedApp]:
    """The user's applications by name."""
    rows = await db.fetch(
        """
        WITH given AS (
            SELECT k.client_id, k.scopes, k.granted_at AS since, NULL::timestamptz AS used
            FROM consents k WHERE k.user_id = $1
            UNION ALL
            SELECT s.client_id, s.scopes, s.created_at, COALESCE(s.rotated_at, s.created_at)
            FROM sessions s JOIN users u ON u.id = s.user_id
            WHERE s.user_id = $1 AND s.client_id IS NOT NULL AND s.revoked_at IS NULL AND s.expires_at > $2
              AND s.token_version = u.token_version
        )
        SELECT c.id, c.name, c.url, c.logo_url, c.first_party,
               ARRAY(SELECT DISTINCT scope FROM given o, unnest(o.scopes) AS scope
                     WHERE o.client_id = c.id ORDER BY scope),
               min(g.since), max(g.used), count(g.used)
        FROM given g JOIN clients c ON c.id = g.client_id
        GROUP BY c.id ORDER BY lower(c.name), c.id LIMIT 500
        """,
        user_id,
        now,
    )
    return [ConnectedApp(*row) for row in rows]
