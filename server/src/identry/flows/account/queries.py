"""The caller with memberships, and whether the session still counts, in one round trip."""

from __future__ import annotations

from identry.records import sessions, users

_USER = ", ".join(f"u.{name}" for name in users.COLUMNS.split(", "))
_MEMBERSHIPS = """
    ARRAY(SELECT (m.id, m.company_id, m.role, m.is_active, m.created_at, m.updated_at)
          FROM company_memberships m WHERE m.user_id = u.id ORDER BY m.company_id),
    ARRAY(SELECT (b.id, b.company_id, b.business_unit_id, b.role, b.is_active, b.created_at, b.updated_at)
          FROM business_unit_memberships b WHERE b.user_id = u.id ORDER BY b.company_id, b.business_unit_id)
"""
ME = f"""
    SELECT s.id, {sessions.ENDED} AS ended, s.amr, s.auth_time, {_MEMBERSHIPS}, {_USER}
    FROM {sessions.OF_USERS}
"""  # noqa: S608 - constant column names
"""Behind the id: `ended, amr, auth_time, company rows, business unit rows, *user columns`."""
