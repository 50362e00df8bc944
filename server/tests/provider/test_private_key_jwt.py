"""A client proves itself with a JWT of its own, once each (RFC 7523 §3, OpenID Connect Core §9)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from harness import Harness
from httpx2 import Response
from provider.applications import application
from provider.authorization import ISSUER
from provider.grants import refusal
from provider.proofs import ASSERTION, Holder


async def keyed(app: Harness, holder: Holder) -> str:
    """The `client_id` of an application that proves itself with the holder's key."""
    service = {"auth_method": "private_key_jwt", "grant_types": ["client_credentials"]}
    return (await application(app, jwks=holder.jwks, **service)).client.client_id


async def present(app: Harness, assertion: str, **fields: str) -> Response:
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION,
        "client_assertion": assertion,
        **fields,
    }
    return await app.http.post("/oauth/token", data=form, headers={"X-Forwarded-For": app.fresh_ip()})


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
async def test_an_assertion_of_each_algorithm_is_proof(app: Harness, alg: Any) -> None:
    holder = Holder(alg)
    made = await keyed(app, holder)
    assert (await present(app, holder.assertion(app, made))).status_code == 200
    named = {"client_id": made}
    assert (await present(app, holder.assertion(app, made, aud=f"{ISSUER}/oauth/token"), **named)).status_code == 200
    assert (await present(app, holder.assertion(app, made, aud=[ISSUER]), **named)).status_code == 200
    assert (await present(app, holder.assertion(app, made, header={"kid": "k-1"}))).status_code == 200


async def test_every_fault_of_an_assertion_is_found(app: Harness) -> None:
    holder, thief = Holder(), Holder()
    made, other = await keyed(app, holder), await keyed(app, thief)
    now = int(app.clock.timestamp())
    faults: list[dict[str, Any]] = [
        {"iss": "somebody"},
        {"iss": None},
        {"sub": other},
        {"sub": None},
        {"aud": None},
        {"aud": []},
        {"aud": "https://elsewhere.example.com"},
        {"aud": [ISSUER, "https://elsewhere.example.com"]},
        {"aud": ISSUER + "/"},
        {"exp": None},
        {"exp": now - 31},
        {"exp": now + 3600},
        {"exp": "soon"},
        {"exp": True},
        {"nbf": now + 60},
        {"iat": now + 60},
        {"jti": None},
        {"jti": ""},
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS256"}},
        {"header": {"alg": "RS256"}},
        {"header": {"kid": "k-2"}},
        {"header": {"jwk": holder.public}},
        {"header": {"crit": ["exp"]}},
    ]
    for fault in faults:
        reply = await present(app, holder.assertion(app, made, **fault))
        assert refusal(reply) == (401, "invalid_client"), fault
    forged = thief.assertion(app, made)
    for text in (forged, "x", "a.b.c", forged + "="):
        assert refusal(await present(app, text)) == (401, "invalid_client"), text
    good = holder.assertion(app, made)
    assert refusal(await present(app, good, client_id=other)) == (401, "invalid_client")
    assert refusal(await present(app, good, client_assertion_type="urn:x")) == (400, "invalid_request")
    assert refusal(await present(app, good, client_secret="x")) == (400, "invalid_request")
    assert (await present(app, good)).status_code == 200
    assert refusal(await present(app, good)) == (401, "invalid_client"), "it works once"


async def test_of_thirty_who_present_one_assertion_at_once_one_is_the_client(app: Harness) -> None:
    holder = Holder()
    assertion = holder.assertion(app, await keyed(app, holder))
    replies = await asyncio.gather(*(present(app, assertion) for _ in range(30)))
    assert sorted(reply.status_code for reply in replies) == [200] + [401] * 29


async def test_no_client_proves_itself_by_another_method_than_its_own(app: Harness) -> None:
    holder = Holder()
    by_key, by_secret = await keyed(app, holder), await application(app, grant_types=["client_credentials"])
    public = await application(app, auth_method="none", grant_types=["client_credentials"])
    for made in (by_secret, public):
        assert refusal(await present(app, holder.assertion(app, made.client.client_id))) == (401, "invalid_client")
    form = {"grant_type": "client_credentials", "client_id": by_key}
    for fields in ({}, {"client_secret": by_secret.secret}):
        assert refusal(await app.http.post("/oauth/token", data={**form, **fields})) == (401, "invalid_client")
