"""The database held against what people were told: nothing acknowledged is lost, nothing is half done."""

from __future__ import annotations

from faults.journal import Journal
from faults.postgres import FragilePostgres

_SESSIONS = """
    SELECT s.id::text AS id, s.refresh_generation AS generation, s.revoked_at IS NOT NULL AS ended,
           s.successor_sealed IS NOT NULL AS has_successor,
           count(*) FILTER (WHERE a.event = 'auth.login.succeeded') AS logins,
           count(*) FILTER (WHERE a.event = 'auth.refresh.rotated') AS rotations,
           count(*) FILTER (WHERE a.event = 'auth.logout') AS logouts,
           count(*) FILTER (WHERE a.event = 'auth.refresh.reuse_detected') AS reuses
    FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN auth_audit_logs a ON a.session_id = s.id
    WHERE u.email = ANY($1)
    GROUP BY s.id, s.refresh_generation, s.revoked_at, s.successor_sealed
"""

_ORPHANS = """
    SELECT count(*) FROM auth_audit_logs a
    WHERE a.session_id IS NOT NULL AND NOT EXISTS (SELECT FROM sessions s WHERE s.id = a.session_id)
"""


async def lost(journal: Journal, people: list[str], postgres: FragilePostgres) -> list[str]:
    """Every acknowledged write of theirs that the database does not hold, in words."""
    rows = {row["id"]: row for row in await postgres.rows(_SESSIONS, people)}
    faults = []
    for story in journal.stories:
        row = rows.get(story.session_id)
        if row is None:
            faults.append(f"no session {story.session_id}")
        elif row["generation"] < story.generation:
            faults.append(f"{story.session_id}: generation {row['generation']}, acknowledged {story.generation}")
        elif story.ended and not row["ended"]:
            faults.append(f"{story.session_id}: signed out, yet alive")
    return faults


async def half_done(people: list[str], postgres: FragilePostgres) -> list[str]:
    """Every session of theirs whose row and audit trail tell different stories."""
    faults = []
    for row in await postgres.rows(_SESSIONS, people):
        name = row["id"]
        if row["logins"] != 1:
            faults.append(f"{name}: {row['logins']} sign-ins on record")
        if row["rotations"] != row["generation"]:
            faults.append(f"{name}: generation {row['generation']}, {row['rotations']} rotations on record")
        if row["generation"] and not row["ended"] and not row["has_successor"]:
            faults.append(f"{name}: rotated without a successor")
        if row["ended"] and row["logouts"] + row["reuses"] != 1:
            faults.append(f"{name}: ended with {row['logouts']} sign-outs on record")
        if row["reuses"]:
            faults.append(f"{name}: an honest retry was taken for a thief")
    if orphans := await postgres.ask(_ORPHANS):
        faults.append(f"{orphans} audit rows of sessions that do not exist")
    return faults
