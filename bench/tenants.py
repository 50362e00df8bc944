"""Tenants, groups, browser sessions and second factors in a database that `bench.seed` has filled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from time import time
from uuid import UUID

import asyncpg
import pyotp

from bench.world import World
from identry.core import jose, totp
from identry.core.clock import SystemClock
from identry.core.secrets import root_secret, token_hash
from identry.records.factors import TotpSecrets
from identry.records.one_time_tokens import Purpose
from identry.settings import load
from identry.tokens import BrowserMint, Grant, RefreshTokens, Seat

PAGE = "https://app.bench.example"
SERVED = {"API_PUBLIC_URL": "https://auth.bench.example", "APP_BASE_URL": PAGE, "ALLOW_ORIGINS": PAGE}
TENANTS, GROUPS = 100, 8

_AMR = ["pwd", "otp", "mfa"]

# Everybody is in one tenant and in two of its groups, and signed in with a second factor.
_SETTLE = f"""
    CREATE TEMP TABLE numbered AS SELECT id, (row_number() OVER (ORDER BY id)) AS n FROM users;
    INSERT INTO tenants (id, slug, name, created_at, updated_at)
    SELECT gen_random_uuid(), 't-' || n, 'Tenant Number ' || n, now(), now() FROM generate_series(0, {TENANTS - 1}) n;
    INSERT INTO groups (id, tenant_id, name, description, permissions, created_at, updated_at)
    SELECT gen_random_uuid(), t.id, 'Group Number ' || g, 'For the measurement.',
           ARRAY['incidents:read', 'incidents:create', 'assets:read', 'users:read', 'sites:read', 'vendors:' || g],
           now(), now()
    FROM tenants t, generate_series(1, {GROUPS}) g;
    INSERT INTO tenant_members (tenant_id, user_id, created_at, updated_at)
    SELECT t.id, u.id, now(), now() FROM numbered u JOIN tenants t ON t.slug = 't-' || u.n % {TENANTS};
    INSERT INTO group_members (group_id, tenant_id, user_id, created_at)
    SELECT g.id, m.tenant_id, m.user_id, now() FROM numbered u
    JOIN tenant_members m ON m.user_id = u.id
    JOIN groups g ON g.tenant_id = m.tenant_id
      AND g.name IN ('Group Number ' || 1 + u.n % {GROUPS}, 'Group Number ' || 1 + (u.n + 3) % {GROUPS});
    UPDATE sessions s SET tenant_id = m.tenant_id, amr = '{{pwd,otp,mfa}}'
    FROM tenant_members m WHERE m.user_id = s.user_id;
"""


@dataclass(frozen=True, slots=True)
class Person:
    """A browser's session with its tokens."""

    access_token: str
    refresh_token: str


async def settle(url: str) -> None:
    """Put everybody into a tenant, and every session."""
    connection = await asyncpg.connect(url)
    await connection.execute(_SETTLE)
    for table in ("tenants", "tenant_members", "groups", "group_members", "sessions"):
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    await connection.close()


async def people(world: World, url: str, count: int) -> list[Person]:
    """Live sessions from all over the table, each with a current refresh token and an access token."""
    environment = world.environment(url, workers=1, redis=bool(world.redis_url))
    settings = load({**environment, **SERVED})
    tokens = RefreshTokens(root_secret(settings.secret_key.reveal(), settings.jwt_signing_key_pem.reveal()), "browser")
    key = jose.load_private_pem(settings.jwt_signing_key_pem.reveal(), settings.jwt_kid)
    mint = BrowserMint(
        lambda: key,
        issuer=settings.browser_api_url,
        audience=PAGE,
        access_ttl=timedelta(minutes=settings.access_token_expire_minutes),
        clock=SystemClock(),
    )
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        """
        SELECT id, user_id, auth_time, expires_at, tenant_id FROM sessions
        WHERE revoked_at IS NULL AND expires_at > now() + interval '1 hour'
          AND random() < (SELECT 6.0 * $1 / greatest(count(*), 1) FROM sessions) LIMIT $1
        """,
        count,
    )
    found, updates = [], []
    for row in rows:
        refresh = tokens.new(row["id"])
        seat = Seat(row["tenant_id"], "MEMBER", "complete")
        grant = Grant(row["id"], row["user_id"], "NONE", 1, _AMR, row["auth_time"], row["expires_at"], seat)
        found.append(Person(await mint.access_token(grant), refresh.raw))
        updates.append((row["id"], refresh.hash))
    await connection.executemany(
        "UPDATE sessions SET refresh_token_hash = $2, refresh_generation = 0, predecessor_hash = NULL WHERE id = $1",
        updates,
    )
    await connection.close()
    return found


async def enrol(world: World, url: str) -> str:
    """Give everybody the second factor with one secret; returns the secret."""
    settings = load(world.environment(url, workers=1, redis=bool(world.redis_url)))
    root = root_secret(settings.secret_key.reveal(), settings.jwt_signing_key_pem.reveal())
    secrets, secret, now = TotpSecrets(root.sealer("totp-v1")), totp.new_secret(), datetime.now(UTC)
    connection = await asyncpg.connect(url)
    ids = [row[0] for row in await connection.fetch("SELECT id FROM users")]
    await connection.copy_records_to_table(
        "totp_factors",
        columns=["user_id", "secret_encrypted", "key_id", "created_at", "confirmed_at"],
        records=[(user_id, secrets.seal(user_id, secret), secrets.key_id, now, now) for user_id in ids],
    )
    await connection.execute("UPDATE users SET mfa_enabled = true")
    await connection.execute("VACUUM (ANALYZE) users, totp_factors")
    await connection.close()
    return secret


async def second_steps(url: str, secret: str) -> list[str]:
    """A ticket for everybody with the code of now, as bodies of `mfa/verify`; each works once."""
    now = datetime.now(UTC)
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE totp_factors SET last_step = 0, failures = 0, failures_since = NULL")
    await connection.execute("TRUNCATE one_time_tokens")
    ids: list[UUID] = [row[0] for row in await connection.fetch("SELECT id FROM users")]
    tickets = [token_urlsafe(32) for _ in ids]
    data = '{"amr":["pwd"],"tokenVersion":1}'
    ends = now + timedelta(minutes=5)
    await connection.copy_records_to_table(
        "one_time_tokens",
        columns=["token_hash", "purpose", "user_id", "attempts_left", "data", "created_at", "expires_at"],
        records=[
            (token_hash(ticket), Purpose.BROWSER_MFA_TICKET.value, user_id, 5, data, now, ends)
            for ticket, user_id in zip(tickets, ids, strict=True)
        ],
    )
    await connection.execute("VACUUM (ANALYZE) one_time_tokens, totp_factors")
    await connection.close()
    code = pyotp.TOTP(secret).at(int(time()))
    return [json.dumps({"session_token": ticket, "totp_code": code}) for ticket in tickets]
