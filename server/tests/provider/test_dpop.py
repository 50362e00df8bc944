"""Tokens that are bound to a key are worth nothing to whoever stole them (RFC 9449)."""

from __future__ import annotations

import asyncio
from typing import Any

from harness import Harness
from provider.applications import application, claims_of
from provider.grants import ask, code_for, exchange, granted, refusal
from provider.proofs import Holder, encoded

SERVICE = ["client_credentials"]


def bound(token: str, proof: str) -> dict[str, str]:
    return {"Authorization": f"DPoP {token}", "DPoP": proof}


async def test_a_bound_token_works_with_its_key_and_with_nothing_else(app: Harness) -> None:
    person, made, device, thief = await app.make_user(), await application(app), Holder(), Holder()
    body = await granted(app, person, made, dpop=device.proof(app))
    token = body["access_token"]
    assert body["token_type"] == "DPoP"
    assert claims_of(token)["cnf"] == {"jkt": device.jkt}

    async def userinfo(headers: dict[str, str]) -> tuple[int, str]:
        reply = await app.http.get("/oauth/userinfo", headers=headers)
        return reply.status_code, reply.headers.get("WWW-Authenticate", "").split(" ")[0]

    def proof(holder: Holder = device, **changes: Any) -> str:
        return holder.proof(app, "/oauth/userinfo", "GET", **{"token": token, **changes})

    assert await userinfo(bound(token, proof())) == (200, "")
    refused = [
        {"Authorization": f"Bearer {token}"},
        {"Authorization": f"DPoP {token}"},
        {"Authorization": f"Bearer {token}", "DPoP": proof()},
        bound(token, proof(thief)),
        bound(token, proof(token=None)),
        bound(token, proof(token="another")),
        bound(token, device.proof(app, "/oauth/userinfo", "POST", token=token)),
        bound(token, device.proof(app, "/oauth/token", "GET", token=token)),
    ]
    for headers in refused:
        assert await userinfo(headers) == (401, "DPoP"), headers
    again = proof()
    assert await userinfo(bound(token, again)) == (200, "")
    assert await userinfo(bound(token, again)) == (401, "DPoP"), "a proof works once"
    unbound = (await granted(app, person, made))["access_token"]
    headers = bound(unbound, device.proof(app, "/oauth/userinfo", "GET", token=unbound))
    assert (await userinfo(headers))[0] == 401


async def test_every_fault_of_a_proof_is_found(app: Harness) -> None:
    made, holder = await application(app, grant_types=SERVICE), Holder()
    now = int(app.clock.timestamp())
    private = {**holder.public, "d": "AAAA"}
    faults: list[dict[str, Any]] = [
        {"header": {"typ": "JWT"}},
        {"header": {"typ": None}},
        {"header": {"alg": "none"}},
        {"header": {"alg": "RS256"}},
        {"header": {"alg": "HS256"}},
        {"header": {"jwk": None}},
        {"header": {"jwk": private}},
        {"header": {"jwk": Holder().public}},
        {"header": {"jwk": {"kty": "oct", "k": "AAAA"}}},
        {"header": {"jku": "https://elsewhere.example.com/jwks"}},
        {"header": {"crit": ["exp"]}},
        {"htm": "GET"},
        {"htm": None},
        {"htu": None},
        {"htu": "https://auth.example.com/oauth/token/"},
        {"htu": "https://elsewhere.example.com/oauth/token"},
        {"htu": "https://auth.example.com@elsewhere.example.com/oauth/token"},
        {"htu": "http://auth.example.com/oauth/token"},
        {"iat": None},
        {"iat": "now"},
        {"iat": True},
        {"iat": now - 70},
        {"iat": now + 90},
        {"iat": float("inf")},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 257},
        {"jti": 7},
    ]
    for fault in faults:
        reply = await ask(app, made, "client_credentials", dpop=holder.proof(app, **fault))
        assert refusal(reply) == (400, "invalid_dpop_proof"), fault
    good = holder.proof(app)
    for text in ("x", "a.b.c", good + "=", good[:-4] + "AAAA", f"{good}.{good}", encoded(b"{}") * 3):
        reply = await ask(app, made, "client_credentials", dpop=text)
        assert refusal(reply) == (400, "invalid_dpop_proof"), text
    assert (await ask(app, made, "client_credentials", dpop=good)).status_code == 200
    for htu, status in (
        ("HTTPS://AUTH.EXAMPLE.COM:443/oauth/token?x=1#y", 200),
        ("https://auth.example.com:8081/oauth/token", 400),
    ):
        reply = await ask(app, made, "client_credentials", dpop=holder.proof(app, htu=htu))
        assert reply.status_code == status, htu
    two = [("DPoP", holder.proof(app)), ("DPoP", holder.proof(app))]
    form = {"grant_type": "client_credentials", **made.credentials}
    assert refusal(await app.http.post("/oauth/token", data=form, headers=two)) == (400, "invalid_dpop_proof")


async def test_of_thirty_who_send_one_proof_at_once_one_gets_a_token(app: Harness) -> None:
    made = await application(app, grant_types=SERVICE)
    proof = Holder().proof(app)
    replies = await asyncio.gather(*(ask(app, made, "client_credentials", dpop=proof) for _ in range(30)))
    assert sorted(reply.status_code for reply in replies) == [200] + [400] * 29


async def test_a_client_that_has_to_bind_its_tokens_gets_no_others(app: Harness) -> None:
    made = await application(app, grant_types=SERVICE, require_dpop=True)
    assert refusal(await ask(app, made, "client_credentials")) == (400, "invalid_dpop_proof")
    holder = Holder()
    body = (await ask(app, made, "client_credentials", dpop=holder.proof(app))).json()
    assert (body["token_type"], claims_of(body["access_token"])["cnf"]) == ("DPoP", {"jkt": holder.jkt})


async def test_the_refresh_token_of_a_public_client_needs_its_key(app: Harness) -> None:
    person, public, confidential = (
        await app.make_user(),
        await application(app, auth_method="none"),
        await application(app),
    )
    device, thief = Holder(), Holder()
    first = (await granted(app, person, public, dpop=device.proof(app)))["refresh_token"]
    for proof in (None, thief.proof(app)):
        assert refusal(await ask(app, public, "refresh_token", dpop=proof, refresh_token=first)) == (
            400,
            "invalid_grant",
        )
    renewed = await ask(app, public, "refresh_token", dpop=device.proof(app), refresh_token=first)
    assert claims_of(renewed.json()["access_token"])["cnf"] == {"jkt": device.jkt}
    own = (await granted(app, person, confidential, dpop=device.proof(app)))["refresh_token"]
    other_key = await ask(app, confidential, "refresh_token", dpop=thief.proof(app), refresh_token=own)
    assert claims_of(other_key.json()["access_token"])["cnf"] == {"jkt": thief.jkt}, "it proves itself by its secret"


async def test_a_code_that_is_bound_to_a_key_needs_that_key(app: Harness) -> None:
    person, made, device = await app.make_user(), await application(app), Holder()
    for proof in (None, Holder().proof(app)):
        code = await code_for(app, person, made, dpop_jkt=device.jkt)
        assert refusal(await exchange(app, made, code, dpop=proof)) == (400, "invalid_grant")
    code = await code_for(app, person, made, dpop_jkt=device.jkt)
    assert (await exchange(app, made, code, dpop=device.proof(app))).status_code == 200
