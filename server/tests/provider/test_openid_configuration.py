"""Discovery: what the documents say is what is served (OpenID Connect Discovery 1.0, RFC 8414)."""

from __future__ import annotations

from harness import Harness
from provider.authorization import ISSUER

BOTH = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


async def test_both_documents_say_the_same_and_may_be_kept(app: Harness) -> None:
    first, second = [await app.http.get(path) for path in BOTH]
    assert first.content == second.content
    assert first.headers["content-type"] == "application/json"
    assert first.headers["cache-control"] == "public, max-age=300"


async def test_it_says_what_the_contract_says(app: Harness) -> None:
    told = (await app.http.get(BOTH[0])).json()
    expected = {
        "issuer": ISSUER,
        "authorization_endpoint": f"{ISSUER}/oauth/authorize",
        "token_endpoint": f"{ISSUER}/oauth/token",
        "end_session_endpoint": f"{ISSUER}/oauth/logout",
        "pushed_authorization_request_endpoint": f"{ISSUER}/oauth/par",
        "jwks_uri": f"{ISSUER}/.well-known/jwks.json",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "email", "profile", "offline_access", "api"],
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": ["pwd", "mfa"],
        "authorization_response_iss_parameter_supported": True,
        "dpop_signing_alg_values_supported": ["ES256"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }
    assert {name: told.get(name) for name in expected} == expected
    assert {"authorization_code", "refresh_token", "client_credentials"} <= set(told["grant_types_supported"])
    assert {"client_secret_basic", "client_secret_post", "none"} <= set(told["token_endpoint_auth_methods_supported"])
    assert "request_object_signing_alg_values_supported" not in told


async def test_every_endpoint_that_it_names_is_there_and_at_the_issuer_alone(app: Harness) -> None:
    told = (await app.http.get(BOTH[0], headers={"Host": "evil.example.com", "X-Forwarded-Host": "evil.test"})).json()
    served = {operation.path for operation in app.app.operations}
    named = {name: url for name, url in told.items() if name.endswith(("_endpoint", "_uri"))}
    assert {"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"} <= named.keys()
    for name, url in named.items():
        assert url.startswith(ISSUER + "/"), name
        assert url.removeprefix(ISSUER) in served, name


async def test_scripts_of_any_page_may_read_what_needs_no_cookie(app: Harness) -> None:
    for path in (*BOTH, "/.well-known/jwks.json"):
        reply = await app.http.get(path, headers={"Origin": "https://spa.example.net"})
        assert reply.headers["access-control-allow-origin"] == "*", path
        assert "access-control-allow-credentials" not in reply.headers
    asked = {"Origin": "https://spa.example.net", "Access-Control-Request-Method": "POST"}
    preflight = await app.http.options("/oauth/token", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    assert preflight.headers["access-control-max-age"] == "300"
    refused = await app.http.post("/oauth/token", data={"grant_type": "x"}, headers={"Origin": asked["Origin"]})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")
    listed = await app.http.get(BOTH[0], headers={"Origin": "https://cloud.example.com"})
    assert listed.headers["access-control-allow-origin"] == "https://cloud.example.com"
    assert listed.headers["access-control-allow-credentials"] == "true"


async def test_no_script_reads_what_a_browser_is_sent_to(app: Harness) -> None:
    asked = {"Origin": "https://spa.example.net", "Access-Control-Request-Method": "POST"}
    for path in ("/oauth/authorize", "/oauth/authorize/consent", "/oauth/logout", "/login"):
        reply = await app.http.options(path, headers=asked)
        assert "access-control-allow-origin" not in reply.headers, path
