"""Every secret that a client can send or be given, sent in right and wrong places: none is in the log or at rest."""

from __future__ import annotations

import secrets
from uuid import uuid4

import pytest
import structlog
from canaries import disguises, everything_at_rest
from harness import Servers, running
from offers import offer

from identry.core import observability
from identry_kit import context


async def test_no_secret_reaches_a_log_line_a_table_or_redis(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    before = structlog.get_config()
    observability.configure(level="DEBUG", request_id=context.request_id)
    canaries: dict[str, str] = {}

    def canary(name: str) -> str:
        """A password with everything that encodings treat differently."""
        canaries[name] = f"{secrets.token_hex(6)} \"ü+/%&<'{secrets.token_hex(6)}"
        return canaries[name]

    async with running(servers, LOG_LEVEL="DEBUG", EXPOSE_PASSWORD_RESET_TOKEN="true") as app:
        http, post = app.http, app.http.post
        email = f"canary-{secrets.token_hex(4)}@example.com"
        first = canary("password at registration")
        registered = await post("/auth/register", json={"email": email, "password": first, "fullName": "Canary"})
        assert registered.status_code == 201
        await app.db.execute("UPDATE users SET is_active = true, approval_status = 'APPROVED' WHERE email = $1", email)

        signed_in = await post("/auth/login", json={"email": email, "password": first})
        tokens = signed_in.json()["data"]
        canaries["access token"] = tokens["accessToken"].rpartition(".")[2]
        canaries["refresh token"] = tokens["refreshToken"]
        bearer = {"Authorization": f"Bearer {tokens['accessToken']}"}
        assert (await http.get("/auth/me", headers=bearer)).status_code == 200
        await post("/auth/login", json={"email": email, "password": canary("wrong password")})
        await post("/auth/login", json={"email": canary("password as address"), "password": "x"})
        await post("/auth/login", json={"email": email, "password": [canary("password of a wrong type")]})
        await post("/auth/login", content=b'{"email": "a@b.c", "password": "' + canary("cut body").encode())
        await post("/auth/login", content=canary("body of another type"), headers={"Content-Type": "text/plain"})
        await http.get("/auth/me", params={"token": canary("query string")})
        canaries["token in a path"] = secrets.token_urlsafe(32)
        await http.get(f"/auth/invitations/{canaries['token in a path']}")
        await http.get("/auth/me", headers={"Authorization": f"Bearer {secrets.token_urlsafe(48)}"})
        await http.get("/auth/me", headers={"Authorization": f"Basic {canaries['refresh token']}"})
        await http.get("/auth/me", headers={"Authorization": f"Bearer {tokens['accessToken'][:-9]}AAAAAAAAA"})
        await http.get("/auth/me", headers={"Cookie": f"session={canaries['refresh token']}"})
        internal = canaries["internal key"] = secrets.token_hex(32)
        await post(f"/internal/sessions/{uuid4()}/revoke", headers={"X-Internal-API-Key": internal})

        rotated = await post("/auth/refresh", json={"refreshToken": tokens["refreshToken"]})
        canaries["second refresh token"] = rotated.json()["data"]["refreshToken"]
        app.clock.advance(60)
        assert (await post("/auth/refresh", json={"refreshToken": tokens["refreshToken"]})).status_code == 401
        await post("/auth/logout", json={"refreshToken": canaries["second refresh token"]})

        asked = await post("/auth/password-reset/request", json={"email": email})
        reset = canaries["reset token"] = asked.json()["data"]["resetToken"]
        await post("/auth/password-reset/confirm", json={"token": reset, "newPassword": "short"})
        new = canary("new password")
        confirmed = await post("/auth/password-reset/confirm", json={"token": reset, "newPassword": new})
        assert confirmed.status_code == 200
        await post("/auth/password-reset/confirm", json={"token": reset, "newPassword": new})
        asked = await post("/auth/password-reset/request", json={"email": email})
        canaries["open reset token"] = asked.json()["data"]["resetToken"]
        canaries["invitation"] = (await offer(app)).token
        stored = await everything_at_rest(app.db, servers.redis_url)

    structlog.configure(**before)
    written = capsys.readouterr()
    text = written.out + written.err
    assert text.count("request completed") >= 20
    for name, secret in canaries.items():
        for disguise in disguises(secret):
            assert disguise not in text, f"{name} is in the log"
            assert disguise not in stored, f"{name} is in PostgreSQL or Redis"
