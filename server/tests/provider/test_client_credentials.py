"""POST /oauth/token with client_credentials: a service gets a token of its own (RFC 6749 §4.4)."""

from __future__ import annotations

import base64

import pytest
from harness import Harness
from provider.applications import application, claims_of

SERVICE = ["client_credentials"]


async def test_a_service_gets_a_token_by_form_by_json_and_by_basic(app: Harness) -> None:
    made = await application(app, grant_types=SERVICE)
    asked = {"grant_type": "client_credentials"}
    basic = base64.b64encode(f"{made.client.client_id}:{made.secret}".encode()).decode()

    replies = [
        await app.http.post("/oauth/token", data={**asked, **made.credentials}),
        await app.http.post("/oauth/token", json={**asked, **made.credentials}),
        await app.http.post("/oauth/token", data=asked, headers={"Authorization": f"Basic {basic}"}),
    ]

    for reply in replies:
        assert reply.status_code == 200, reply.text
        assert reply.headers["cache-control"] == "no-store"
        body = reply.json()
        assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
        assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 900, "api")
        claims = claims_of(body["access_token"])
        assert set(claims) == {"iss", "aud", "exp", "iat", "nbf", "jti", "sub", "type", "scope"}
        assert claims["sub"] == f"app:{made.client.number}"
        assert claims["aud"] == [made.client.client_id]


@pytest.mark.parametrize("wrong", [{"client_secret": "wrong"}, {"client_secret": ""}, {"client_id": "nobody"}])
async def test_a_client_that_proves_nothing_is_refused(app: Harness, wrong: dict[str, str]) -> None:
    made = await application(app, grant_types=SERVICE)
    reply = await app.http.post("/oauth/token", data={"grant_type": "client_credentials", **made.credentials, **wrong})
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")


async def test_a_repeated_parameter_is_refused(app: Harness) -> None:
    made = await application(app, grant_types=SERVICE)
    reply = await app.http.post(
        "/oauth/token",
        content=f"grant_type=client_credentials&grant_type=x&client_id={made.client.client_id}",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_request")
