"""/oauth/register: clients register themselves with an initial access token (RFC 7591, RFC 7592)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from harness import Harness, Servers
from provider.callers import bearer
from provider.test_cli_apps import Cli

from identry.app.admin_rooms import registration_rooms
from identry.core.limits import Limiter
from identry.flows.register_client.service import RegisterClient

REGISTER = "/oauth/register"
METADATA: dict[str, Any] = {
    "client_name": "Reports", "redirect_uris": ["https://reports.example.com/cb"], "scope": "openid profile",
    "client_uri": "https://reports.example.com", "contacts": ["ignored@example.com"], "response_types": ["code"],
}  # fmt: skip


async def initial(app: Harness, uses: int = 1, ttl: timedelta = timedelta(hours=1)) -> dict[str, str]:
    """The header of a new initial access token, from an address that no limit has seen."""
    e = app.app.engines
    service = RegisterClient(e.db, e.clock, e.audit, Limiter(e.kv), e.marks)
    return {**bearer(await service.admit("tests", uses, ttl)), "X-Forwarded-For": app.fresh_ip()}


async def test_a_client_registers_signs_in_and_looks_after_itself(app: Harness) -> None:
    reply = await app.http.post(REGISTER, json=METADATA, headers=await initial(app))
    assert reply.status_code == 201, reply.text
    assert reply.headers["cache-control"] == "no-store"
    made = reply.json()
    assert {name: made[name] for name in ("client_name", "redirect_uris", "scope", "client_uri")} == {
        name: METADATA[name] for name in ("client_name", "redirect_uris", "scope", "client_uri")
    }
    assert (made["token_endpoint_auth_method"], made["client_secret_expires_at"]) == ("client_secret_basic", 0)
    assert made["grant_types"] == ["authorization_code", "refresh_token"]
    assert made["registration_client_uri"] == f"https://auth.example.com{REGISTER}/{made['client_id']}"
    form = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
    asked = await app.http.post("/oauth/token", data={**form, "grant_type": "authorization_code", "code": "x"})
    assert asked.json()["error"] in {"invalid_grant", "invalid_request"}

    one, own = f"{REGISTER}/{made['client_id']}", bearer(made["registration_access_token"])
    shown = (await app.http.get(one, headers=own)).json()
    assert "client_secret" not in shown
    assert shown["registration_access_token"] == made["registration_access_token"]
    body = {"client_id": made["client_id"], "redirect_uris": ["https://reports.example.com/new"], "client_name": "New"}
    replaced = await app.http.put(one, json=body, headers=own)
    assert replaced.status_code == 200, replaced.text
    assert (replaced.json()["redirect_uris"], replaced.json()["client_name"]) == (body["redirect_uris"], "New")
    assert "client_uri" not in replaced.json()
    assert replaced.json()["scope"] == "openid email profile offline_access"
    stored = await app.db.fetchval(
        "SELECT count(*) FROM clients c LEFT JOIN client_secrets s ON s.client_id = c.id"
        " WHERE strpos(c::text || coalesce(s::text, ''), $1) > 0 OR strpos(c::text || coalesce(s::text, ''), $2) > 0",
        made["client_secret"], made["registration_access_token"],
    )  # fmt: skip
    assert stored == 0
    assert (await app.http.delete(one, headers=own)).status_code == 204
    assert (await app.http.get(one, headers=own)).status_code == 401


async def test_an_initial_access_token_is_good_for_as_many_clients_as_it_says(app: Harness) -> None:
    headers = await initial(app, uses=3)
    replies = await asyncio.gather(*(app.http.post(REGISTER, json=METADATA, headers=headers) for _ in range(20)))
    assert sorted(reply.status_code for reply in replies) == [201] * 3 + [401] * 17
    over = await initial(app, ttl=timedelta(seconds=1))
    app.clock.advance(2)
    for headers in (over, {}, bearer("forged"), {"Authorization": "Basic eDp5"}):
        refused = await app.http.post(REGISTER, json=METADATA, headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
        assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_what_no_client_may_make_of_itself_is_refused_and_costs_no_token(app: Harness) -> None:
    headers = await initial(app)
    for fields, error in (
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://evil.example.com/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a.example.com/cb#f"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["com.example.app:/cb"]}, "invalid_redirect_uri"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"scope": "openid api"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"jwks_uri": "http://169.254.169.254/"}, "invalid_client_metadata"),
        ({"id_token_signed_response_alg": "none"}, "invalid_client_metadata"),
        ({"logo_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
        ({"client_name": 7}, "invalid_request"),
    ):
        refused = await app.http.post(REGISTER, json={**METADATA, **fields}, headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (400, error), (fields, refused.text)
    native = {"application_type": "native", "token_endpoint_auth_method": "none"}
    addresses = {"redirect_uris": ["com.example.app:/cb", "http://127.0.0.1/cb"]}
    made = await app.http.post(REGISTER, json={**METADATA, **native, **addresses}, headers=headers)
    assert made.status_code == 201, made.text
    assert "client_secret" not in made.json()
    row = await app.db.fetchrow("SELECT * FROM clients WHERE client_id = $1", made.json()["client_id"])
    assert row is not None
    assert (row["first_party"], row["is_native"], row["is_public"], row["require_pkce"]) == (False, True, True, True)


async def test_the_token_of_one_registration_is_worth_nothing_at_another(app: Harness) -> None:
    headers = await initial(app, uses=2)
    one, two = [(await app.http.post(REGISTER, json=METADATA, headers=headers)).json() for _ in range(2)]
    path, foreign = f"{REGISTER}/{one['client_id']}", bearer(two["registration_access_token"])
    for reply in (
        await app.http.get(path, headers=foreign),
        await app.http.delete(path, headers=foreign),
        await app.http.put(path, json={**METADATA, "client_id": one["client_id"]}, headers=foreign),
        await app.http.get(path, headers=headers),
    ):
        assert reply.status_code == 401
    own = bearer(one["registration_access_token"])
    mismatch = await app.http.put(path, json={**METADATA, "client_id": two["client_id"]}, headers=own)
    assert (mismatch.status_code, mismatch.json()["error"]) == (400, "invalid_request")
    await app.db.execute("UPDATE clients SET is_active = false WHERE client_id = $1", one["client_id"])
    body = {**METADATA, "client_id": one["client_id"]}
    for reply in (await app.http.get(path, headers=own), await app.http.put(path, json=body, headers=own)):
        assert reply.status_code == 401


async def test_it_is_off_unless_it_is_switched_on(app: Harness) -> None:
    assert registration_rooms(replace(app.app.settings, dynamic_registration=False), app.app.engines) == []


async def test_the_command_line_makes_initial_access_tokens(app: Harness, servers: Servers, tmp_path: Path) -> None:
    done = await Cli(servers, tmp_path)("registration-token", "partner", "--uses", "1", "--ttl", "1h")
    assert done.returncode == 0, done.stderr
    headers = {**bearer(done.stdout.strip()), "X-Forwarded-For": app.fresh_ip()}
    assert (await app.http.post(REGISTER, json=METADATA, headers=headers)).status_code == 201
