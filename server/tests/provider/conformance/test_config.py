"""The plans `oidcc-config-certification-test-plan` and `oidcc-server-rotate-keys` of the OpenID conformance suite."""

from __future__ import annotations

import re
from typing import Any

from harness import Harness
from provider.relying_party import DISCOVERY, RelyingParty

RSA_PUBLIC = {"kty", "use", "kid", "alg", "n", "e"}
EC_PUBLIC = {"kty", "use", "kid", "alg", "crv", "x", "y"}


def assert_keys_are_right(keys: list[dict[str, Any]]) -> None:
    """Public, named, each name once, none weak (RFC 7517)."""
    assert keys
    names = [key["kid"] for key in keys]
    assert len(set(names)) == len(names)
    for key in keys:
        assert set(key) in (RSA_PUBLIC, EC_PUBLIC, {"kty", "use", "kid", "alg", "crv", "x"}), "public members alone"
        assert key["use"] == "sig"
        if key["kty"] == "RSA":
            assert len(key["n"]) * 6 // 8 >= 256, "2048 bits"


async def test_oidcc_discovery_endpoint_verification(app: Harness) -> None:
    reply = await app.http.get(DISCOVERY)
    assert reply.status_code == 200
    assert reply.headers["content-type"].partition(";")[0] == "application/json"
    told = reply.json()
    issuer = app.env["OAUTH_ISSUER"]
    assert told["issuer"] == issuer
    for name, value in told.items():
        if name.endswith(("_endpoint", "_uri")) and isinstance(value, str):
            assert value.startswith("https://"), name
    assert "code" in told["response_types_supported"]
    assert set(told["subject_types_supported"]) <= {"public", "pairwise"}
    assert "RS256" in told["id_token_signing_alg_values_supported"]
    assert {"authorization_code", "refresh_token"} <= set(told["grant_types_supported"])
    assert "implicit" not in told["grant_types_supported"]
    assert {"openid", "email", "profile"} <= set(told["scopes_supported"])
    assert all(re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", scope) for scope in told["scopes_supported"])
    assert {"sub", "iss", "auth_time", "acr", "name", "email"} <= set(told["claims_supported"])
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["authorization_response_iss_parameter_supported"] is True
    assert told["request_uri_parameter_supported"] is False
    assert all(re.fullmatch(r"[a-z]{2}(-[A-Z]{2})?", tag) for tag in told.get("ui_locales_supported", []))
    party = await RelyingParty.at(app)
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint"):
        assert party.local(name)
    assert_keys_are_right((await app.http.get(party.local("jwks_uri"))).json()["keys"])


async def test_what_discovery_says_is_what_is_served(app: Harness) -> None:
    """Every endpoint that it names is there, and every one of the provider's that is there is named."""
    told = (await app.http.get(DISCOVERY)).json()
    named = {value[len(told["issuer"]) :] for name, value in told.items() if name.endswith("_endpoint")}
    served = {operation.path for operation in app.app.operations}
    assert named <= served
    inner = {"/oauth/authorize/continue", "/oauth/authorize/consent", "/oauth/logout/confirm"}  # of our own pages
    assert {path for path in served if path.startswith("/oauth/") and "{" not in path} - inner <= named


async def test_both_documents_of_discovery_agree(app: Harness) -> None:
    """RFC 8414 §3 beside OpenID Connect Discovery §4: nobody is told something else."""
    ours, theirs = [
        (await app.http.get(path)).json() for path in (DISCOVERY, "/.well-known/oauth-authorization-server")
    ]
    assert {name: ours[name] for name in theirs if name in ours} == {
        name: theirs[name] for name in theirs if name in ours
    }


async def test_oidcc_server_rotate_keys(app: Harness) -> None:
    """After a rotation there is a new key and still the old one."""
    party = await RelyingParty.at(app)
    before = (await app.http.get(party.local("jwks_uri"))).json()["keys"]
    made = await app.app.engines.keys.rotate()
    try:
        await app.app.engines.ring.load()  # every process does so all ten seconds
        after = (await app.http.get(party.local("jwks_uri"))).json()["keys"]
    finally:
        await app.db.execute("DELETE FROM signing_keys WHERE kid = $1", made.kid)
        await app.app.engines.ring.load()
    assert_keys_are_right(after)
    assert {key["kid"] for key in before} | {made.kid} == {key["kid"] for key in after}
