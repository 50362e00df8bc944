"""DPoP as RFC 9449 has it, black box: what a proof must be, and what a bound token may not do without one."""

from __future__ import annotations

import secrets
from typing import Any

from harness import Harness
from joserfc import jwt
from joserfc.jwk import OctKey
from provider.applications import claims_of
from provider.proofs import Holder, sha256
from provider.relying_party import CALLBACK, RelyingParty, Tokens, visitor

SERVICE = {"grant_type": "client_credentials"}


async def test_proofs_that_prove_nothing(app: Harness) -> None:
    """RFC 9449 §4.3, check by check."""
    party, key = await RelyingParty.at(app, grant_types=["client_credentials"], require_dpop=True), Holder()
    now = int(app.clock.now().timestamp())

    def proof(**claims: Any) -> str:
        return key.proof(app, **claims)

    symmetric = jwt.encode({"alg": "HS256", "typ": "JWT"}, {"jti": "x"}, OctKey.generate_key(256), algorithms=["HS256"])
    wrong = {
        "none": "",
        "noise": "not.a.proof",
        "no key in it": proof(header={"typ": "JWT", "jwk": None}),
        "symmetric": symmetric,
        "other method": proof(htm="GET"),
        "other endpoint": proof(htu=app.env["OAUTH_ISSUER"] + "/oauth/userinfo"),
        "other origin": proof(htu="https://evil.example.com/oauth/token"),
        "old": proof(iat=now - 3600),
        "of the future": proof(iat=now + 3600),
        "no jti": proof(jti=None),
        "no iat": proof(iat=None),
        "no htm": proof(htm=None),
        "no htu": proof(htu=None),
        "iat as text": proof(iat=str(now)),
        "signature of another": proof()[:-8] + "AAAAAAAA",
        "padded": proof() + "=",
        "two": f"{proof()}, {proof()}",
    }
    for kind, text in wrong.items():
        reply = await party.ask("token_endpoint", SERVICE, **({"DPoP": text} if text else {}))
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_dpop_proof"), (kind, reply.text)
    reply = await party.ask("token_endpoint", SERVICE, DPoP=proof(htu=app.env["OAUTH_ISSUER"] + "/oauth/token?x#y"))
    assert reply.status_code == 200, "query and fragment do not count (§4.3, check 9)"
    reply = await party.ask("token_endpoint", SERVICE, DPoP=proof())
    assert (reply.status_code, reply.json()["token_type"]) == (200, "DPoP")
    assert claims_of(reply.json()["access_token"])["cnf"] == {"jkt": key.jkt}


async def bound(app: Harness, key: Holder, **client: Any) -> tuple[RelyingParty, Tokens]:
    """A person's tokens, bound to a key."""
    party = await RelyingParty.at(app, **client)
    verifier = secrets.token_urlsafe(48)
    request = party.request(
        scope="openid offline_access", nonce=None, code_challenge=sha256(verifier), code_challenge_method="S256"
    )
    form = {
        "grant_type": "authorization_code",
        "code": await party.code(await visitor(app), request),
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
    }
    reply = await party.ask("token_endpoint", form, DPoP=key.proof(app))
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["token_type"] == "DPoP"
    return party, Tokens(body["access_token"], body["refresh_token"], body["id_token"], {}, body)


async def test_a_bound_token_works_with_its_proof_and_in_no_other_way(app: Harness) -> None:
    """RFC 9449 §7."""
    key, stranger = Holder(), Holder()
    party, tokens = await bound(app, key)
    token = tokens.access_token

    async def userinfo(scheme: str, proof: str = "") -> int:
        headers = {"Authorization": f"{scheme} {token}", **({"DPoP": proof} if proof else {})}
        reply = await app.http.get("/oauth/userinfo", headers=headers)
        assert reply.status_code == 200 or "DPoP" in reply.headers["www-authenticate"], reply.headers
        return reply.status_code

    def proof(by: Holder = key, **claims: Any) -> str:
        return by.proof(app, "/oauth/userinfo", "GET", token=token, **claims)

    assert await userinfo("DPoP", proof()) == 200
    assert await userinfo("Bearer") == 401, "not as a bearer token (§7.2)"
    assert await userinfo("Bearer", proof()) == 401
    assert await userinfo("DPoP") == 401
    assert await userinfo("DPoP", proof(stranger)) == 401
    assert await userinfo("DPoP", proof(ath=sha256("another token"))) == 401
    assert await userinfo("DPoP", proof(ath=None)) == 401
    assert await userinfo("DPoP", proof(htm="POST")) == 401
    once = proof()
    assert [await userinfo("DPoP", once), await userinfo("DPoP", once)] == [200, 401]
    asked = (await party.ask("introspection_endpoint", {"token": token})).json()
    assert (asked["active"], asked["token_type"], asked["cnf"]) == (True, "DPoP", {"jkt": key.jkt})


async def test_a_public_clients_refresh_token_is_bound_to_its_key(app: Harness) -> None:
    """RFC 9449 §5."""
    key, stranger = Holder(), Holder()
    party, tokens = await bound(app, key, auth_method="none")
    form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
    for headers in ({}, {"DPoP": stranger.proof(app)}):
        reply = await party.ask("token_endpoint", form, **headers)
        assert reply.status_code == 400, reply.text
        assert reply.json()["error"] in {"invalid_grant", "invalid_dpop_proof"}
    reply = await party.ask("token_endpoint", form, DPoP=key.proof(app))
    assert (reply.status_code, reply.json()["token_type"]) == (200, "DPoP")


async def test_a_code_that_was_asked_for_with_a_key_is_redeemed_with_that_key(app: Harness) -> None:
    """`dpop_jkt` (RFC 9449 §10)."""
    key, stranger = Holder(), Holder()
    party, browser = await RelyingParty.at(app), await visitor(app)
    form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK}
    for by, status in ((stranger, 400), (None, 400), (key, 200)):
        code = await party.code(browser, party.request(nonce=None, dpop_jkt=key.jkt))
        headers = {"DPoP": by.proof(app)} if by else {}
        reply = await party.ask("token_endpoint", {**form, "code": code}, **headers)
        assert reply.status_code == status, reply.text
