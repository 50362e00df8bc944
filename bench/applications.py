"""Applications, their grants and their codes in a database that `bench.seed` has filled."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import asyncpg

from bench.world import World
from identry.core import jose
from identry.core.clock import SystemClock
from identry.settings import load
from identry.tokens import ProviderGrant, ProviderMint

ISSUER = "https://auth.bench.example"
CALLBACK = "https://app.bench.example/callback"
SERVED = {"OAUTH_ISSUER": ISSUER}
VERIFIER = "v" * 43
_CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Application:
    """A confidential client."""

    id: Any
    client_id: str
    secret: str

    def form(self, **fields: str) -> str:
        """The body of a request of its own."""
        return urlencode({"client_id": self.client_id, "client_secret": self.secret, **fields})


async def application(url: str, *grant_types: str) -> Application:
    """A new one, of the operator's own."""
    made = Application(uuid4(), f"bench-{secrets.token_hex(4)}", secrets.token_urlsafe(32))
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO clients (id, client_id, name, is_public, first_party, require_pkce, grant_types, redirect_uris,"
        " created_at, updated_at) VALUES ($1, $2, 'Bench', false, true, false, $3, $4, now(), now())",
        made.id,
        made.client_id,
        list(grant_types),
        [CALLBACK],
    )
    await connection.execute(
        "INSERT INTO client_secrets (id, client_id, secret_hash, created_at) VALUES ($1, $2, $3, now())",
        uuid4(),
        made.id,
        sha256(made.secret.encode()).digest(),
    )
    await connection.close()
    return made


async def access_tokens(world: World, url: str, app: Application, count: int) -> list[str]:
    """Access tokens of live grants from all over the table of sessions."""
    settings = load({**world.environment(url, workers=1, redis=bool(world.redis_url)), **SERVED})
    key = jose.load_private_pem(settings.jwt_signing_key_pem.reveal(), settings.jwt_kid)
    mint = ProviderMint(lambda: key, issuer=ISSUER, clock=SystemClock())
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        """
        UPDATE sessions s SET client_id = $2, scopes = '{openid,email,profile}'
        FROM (SELECT s.id, u.number FROM sessions s JOIN users u ON u.id = s.user_id
              WHERE s.revoked_at IS NULL AND s.expires_at > now() + interval '1 hour'
                AND random() < (SELECT 6.0 * $1 / greatest(count(*), 1) FROM sessions) LIMIT $1) picked
        WHERE s.id = picked.id RETURNING s.id, s.user_id, picked.number, s.auth_time
        """,
        count,
        app.id,
    )
    await connection.close()
    grant = partial(
        ProviderGrant,
        client_id=app.client_id,
        audiences=(),
        scopes=("openid", "email", "profile"),
        role="user",
        roles=("user",),
        app_roles={},
        amr=("pwd",),
        token_version=1,
        extra={},
    )
    return [
        await mint.access_token(
            grant(session_id=row["id"], user_id=row["user_id"], user_number=row["number"], auth_time=row["auth_time"]),
            900,
        )
        for row in rows
    ]


async def codes(url: str, app: Application, count: int) -> list[str]:
    """Fresh authorization codes, each given in a live session of a browser and with a PKCE challenge; each works once.

    `VERIFIER` goes with all of them.
    """
    now = datetime.now(UTC)
    connection = await asyncpg.connect(url)
    await connection.execute("TRUNCATE authorization_codes")
    browsers = await connection.fetch(
        "SELECT user_id, id FROM sessions WHERE client_id IS NULL AND revoked_at IS NULL AND expires_at > now()"
        " LIMIT $1",
        count,
    )
    raw = [secrets.token_urlsafe(32) for _ in range(count)]
    await connection.copy_records_to_table(
        "authorization_codes",
        columns=[
            *("code_hash", "client_id", "user_id", "browser_session_id", "session_id", "redirect_uri"),
            *("redirect_uri_given", "scopes", "nonce", "code_challenge", "auth_time", "amr", "token_version"),
            *("created_at", "expires_at"),
        ],
        records=[
            (
                *(sha256(code.encode()).digest(), app.id, *browsers[n % len(browsers)], uuid4(), CALLBACK),
                *(True, ["openid", "email", "profile"], "nonce", _CHALLENGE, now, ["pwd"], 1),
                *(now, now + timedelta(hours=1)),
            )
            for n, code in enumerate(raw)
        ],
    )
    await connection.execute("VACUUM (ANALYZE) authorization_codes")
    await connection.close()
    return raw
