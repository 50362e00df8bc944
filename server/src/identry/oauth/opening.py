"""The statement that opens grants: gates, session, audit row, and what the tokens are made of, in one round trip.

Whatever says that there is to be a grant (`wanted`: a code that was just used up, or a proof that a service has seen)
is the statement's beginning; the rest is the same for all.
"""

from __future__ import annotations

from identry.oauth import standing
from identry.records import audit as audit_log
from identry.records.users import ADMINISTRATORS

GIVEN = """
    SELECT $1::uuid AS session_id, $2::bytea AS refresh_token_hash, $3::timestamptz AS at,
           $4::timestamptz AS expires_at, $5::uuid AS event_id, $6::text AS ip, $7::text AS user_agent,
           $8::text AS request_id, $9::uuid AS client_id, $10::uuid AS user_id, $11::integer AS token_version,
           $12::text[] AS amr, $13::timestamptz AS auth_time, $14::text[] AS scopes, $15::text[] AS audiences,
           $16::uuid AS browser_session_id, $17::text AS jkt, $18::text AS nonce, $19::text AS event, $20::text AS via
"""
"""One grant that is wanted, all of it known."""

_HELD = "SELECT w.* FROM wanted w JOIN users u ON u.id = w.user_id WHERE {gates} ORDER BY u.id FOR SHARE OF u"
_SIGNED_IN = "UPDATE users u SET last_login_at = w.at FROM wanted w WHERE u.id = w.user_id AND {gates} RETURNING w.*"
_GATES = """
    u.is_active AND u.approval_status = 'APPROVED' AND u.token_version = w.token_version
    AND (NOT u.mfa_enabled OR 'mfa' = ANY (w.amr))
"""

_ADMINISTRATORS = f"'{{{','.join(sorted(ADMINISTRATORS))}}}'"


def open_to(user_id: str, role: str = "") -> str:
    """Whether client `c` is for the user that an expression names; asked wherever a grant is opened or goes on.

    `role` names the user's global role, where the statement has it.
    """
    role = role or f"(SELECT o.global_role FROM users o WHERE o.id = {user_id})"  # noqa: S608 - constants
    return f"""
    (NOT c.members_only
     OR EXISTS (SELECT FROM app_members m WHERE m.client_id = c.id AND m.user_id = {user_id})
     OR {role} = ANY ({_ADMINISTRATORS}))
    """


def opening_of(wanted: str, *, before: str = "", signed_in: bool = False) -> str:
    """The statement; it returns a row for each grant that it opened; of the others it writes no session.

    `allowed` holds the user and asks the gates again: a deactivation, a change of password or a second factor that came
    since the proof leaves no grant behind. `borne` holds the browser's session that the grant is to hang on: whoever
    ends it waits, and then finds the grant as well. Users come first, then sessions, both in order, so that two of
    these statements, or one of them and a change of the account, never wait for each other. `opened` writes the session
    where the client is active; an application of a tenant is for the people of that tenant, one for members for those
    and the platform's administrators.

    Args:
        wanted: rows with the columns of `GIVEN`.
        before: what `wanted` reads from: common table expressions, each with a comma at its end.
        signed_in: whether this is the very sign-in (then it is noted as the user's last one).
    """
    return f"""
    WITH {before} wanted AS ({wanted}), allowed AS ({(_SIGNED_IN if signed_in else _HELD).format(gates=_GATES)}),
    borne AS (
        SELECT s.id FROM allowed a JOIN sessions s ON s.id = a.browser_session_id
        WHERE s.revoked_at IS NULL ORDER BY s.id FOR SHARE OF s
    ), opened AS (
        INSERT INTO sessions (id, user_id, created_at, expires_at, auth_time, amr, token_version, refresh_token_hash,
                              ip, user_agent, client_id, scopes, audiences, browser_session_id, dpop_jkt, tenant_id)
        SELECT a.session_id, a.user_id, a.at, a.expires_at, a.auth_time, a.amr, a.token_version, a.refresh_token_hash,
               a.ip, a.user_agent, c.id, a.scopes, a.audiences, a.browser_session_id,
               CASE WHEN c.is_public THEN a.jkt END, -- another client proves itself at each refresh
               c.tenant_id
        FROM allowed a JOIN clients c ON c.id = a.client_id
        WHERE c.is_active
          AND (a.browser_session_id IS NULL OR a.browser_session_id IN (SELECT id FROM borne))
          AND (c.tenant_id IS NULL OR EXISTS (
              SELECT FROM tenant_members tm JOIN tenants t ON t.id = tm.tenant_id
              WHERE tm.tenant_id = c.tenant_id AND tm.user_id = a.user_id AND tm.is_active AND t.is_active))
          AND {open_to("a.user_id")}
        RETURNING id
    ), logged AS (
        {audit_log.INSERT}
        SELECT a.event_id, a.at, a.event, 'user', a.user_id, a.user_id, NULL, a.session_id, a.ip, a.user_agent,
               a.request_id, 'success',
               jsonb_build_object('client', c.client_id, 'via', a.via, 'scopes', a.scopes, 'amr', a.amr)
        FROM opened JOIN allowed a ON a.session_id = opened.id JOIN clients c ON c.id = a.client_id
    )
    SELECT a.session_id, a.user_id, a.token_version, a.amr, a.auth_time, a.expires_at, a.scopes, a.audiences, a.nonce,
           {standing.SELECTED}
    FROM opened JOIN allowed a ON a.session_id = opened.id JOIN users u ON u.id = a.user_id
         JOIN clients c ON c.id = a.client_id
    """  # noqa: S608 - constant expressions
