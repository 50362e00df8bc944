"""POST /oauth/token as every grant sees it: shapes, client authentication, limits (RFC 6749 §3.2, §5)."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta

from harness import Harness
from provider.applications import application
from provider.grants import ask, refusal

from identry.core.ids import uuid7
from identry.records import clients

SERVICE = ["client_credentials"]


async def test_a_form_and_json_are_read_alike_and_nothing_else_is(app: Harness) -> None:
    made = await application(app, grant_types=SERVICE)
    fields = {"grant_type": "client_credentials", **made.credentials}
    assert (await app.http.post("/oauth/token", json=fields)).status_code == 200
    assert (await app.http.post("/oauth/token", data={**fields, "unknown": "ignored"})).status_code == 200
    for content, kind in ((b"grant_type=x", "text/plain"), (b"{", "application/json"), (b"a=%ff", "form")):
        media = "application/x-www-form-urlencoded" if kind == "form" else kind
        reply = await app.http.post("/oauth/token", content=content, headers={"Content-Type": media})
        assert reply.status_code in {400, 415}, kind
        assert reply.json()["error"] == "invalid_request"
    wrong = [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "unauthorized_client"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"scope": 'a"b'}, "invalid_scope"),
        ({"scope": "x" * 10_001}, "invalid_request"),
        ({"resource": "https://elsewhere.example.com"}, "invalid_target"),
        ({"resource": "not a uri"}, "invalid_target"),
    ]
    for change, error in wrong:
        form = made.credentials if not change else {**fields, **change}
        reply = await app.http.post("/oauth/token", data=form)
        assert refusal(reply) == (400, error), change


async def test_a_scope_of_thousands_is_refused(app: Harness) -> None:
    made = await application(app, grant_types=SERVICE)
    reply = await ask(app, made, "client_credentials", scope=" ".join(f"s{i}" for i in range(1_800)))
    assert refusal(reply)[0] == 400


async def test_both_secrets_of_a_rotation_work_until_the_older_one_ends(app: Harness) -> None:
    made = await application(app, grant_types=SERVICE)
    now = app.clock.now()
    digest = hashlib.sha256(b"the newer secret").digest()
    until = now + timedelta(hours=24)
    await clients.add_secret(app.db, uuid7(app.clock), made.client.id, digest, now=now, others_until=until)
    for secret in (made.secret, "the newer secret"):
        assert (await ask(app, made, "client_credentials", client_secret=secret)).status_code == 200
    app.clock.advance(24 * 3600 + 1)
    assert refusal(await ask(app, made, "client_credentials")) == (401, "invalid_client")
    assert (await ask(app, made, "client_credentials", client_secret="the newer secret")).status_code == 200


async def test_basic_authentication_is_read_as_the_rfc_encodes_it(app: Harness) -> None:
    made = await application(app, grant_types=SERVICE)
    form = {"grant_type": "client_credentials"}

    async def with_basic(text: str, **fields: str) -> tuple[int, str]:
        headers = {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}
        return refusal(await app.http.post("/oauth/token", data={**form, **fields}, headers=headers))

    name, secret = made.client.client_id, made.secret
    assert await with_basic(f"{name}:{secret}") == (200, "")
    assert await with_basic(f"{name}:{secret}", client_id=name) == (200, "")
    assert await with_basic(f"{name}:{secret}", client_id="another") == (400, "invalid_request")
    assert await with_basic(f"{name}:{secret}", client_secret=secret) == (400, "invalid_request")
    for text in (f"{name}:", f"{name}", ":", f"{name}:{secret}x", "%ff:%ff"):
        assert await with_basic(text) == (401, "invalid_client"), text


async def test_public_and_unproven_clients_get_ten_tries_a_minute_and_are_told(app: Harness) -> None:
    public = await application(app, auth_method="none")
    headers = {"X-Forwarded-For": app.fresh_ip()}
    form = {"grant_type": "refresh_token", "refresh_token": "unknown", **public.credentials}
    replies = [await app.http.post("/oauth/token", data=form, headers=headers) for _ in range(11)]
    assert [reply.status_code for reply in replies] == [400] * 10 + [429]
    last = replies[-1]
    assert last.json()["error"] == "too_many_requests"
    assert (last.headers["X-RateLimit-Limit"], last.headers["X-RateLimit-Remaining"]) == ("10", "0")
    wait = int(last.headers["Retry-After"])
    assert abs(int(last.headers["X-RateLimit-Reset"]) - int(app.clock.timestamp()) - wait) <= 2
    app.clock.advance(61)
    assert (await app.http.post("/oauth/token", data=form, headers=headers)).status_code == 400
    nobody = {"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "x"}
    tries = [(await app.http.post("/oauth/token", data=nobody, headers=headers)).status_code for _ in range(11)]
    assert tries == [401] * 10 + [429]
