"""contracts/kit.md §4: the bearer header, the 401s, and what becomes of the claims."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_DNS, UUID, uuid5

import pytest

from identry_kit import context
from identry_kit.apierror import ServiceUnavailable
from identry_kit.httpware import standard_stack
from identry_kit.jwtauth import Claims, JWTAuth, KeysUnavailable, StaticKeys, Verifier

TENANT = "00000000-0000-4000-8000-000000000001"


async def who(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what `context` says about the caller."""
    caller = context.caller()
    body = {
        "tenant_id": context.tenant_id_str(),
        "user_id": str(caller.user_id or ""),
        "sub": caller.sub,
        "role": caller.role,
        "email": caller.email,
        "name": caller.name,
        "plan": context.user_plan(),
        "app_roles": dict(caller.app_roles),
        "token_version": caller.token_version,
        "auth_time": caller.auth_time,
        "amr": caller.amr,
        "audiences": caller.audiences,
        "raw": context.raw_jwt(),
    }
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def bearer(token: str) -> dict[str, Any]:
    return {"headers": [("Authorization", f"Bearer {token}")]}


async def seen(call: Any, app: Any, token: str) -> dict[str, Any]:
    answer = await call(app, **bearer(token))
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", "{token}")],
        [("Authorization", "Bearer  {token}")],
        [("Authorization", " Bearer {token}")],
        [("Authorization", "Bearer {token} ")],
        [("Authorization", "Bearer\t{token}")],
        [("Authorization", "Bearer {token}, Bearer {token}")],
        [("Authorization", "Bearer {token},{token}")],
        [("Authorization", "Basic {token}")],
        [("Authorization", "Bearer:{token}")],
        [("Authorization", "JWT {token}")],
        [("Authorization", "Bearer {token}"), ("Authorization", "Bearer {token}")],
        [("Authorization", "Basic YTpi"), ("Authorization", "Bearer {token}")],
        [("Authorization", "Bearer tök\xe9n")],
        [("X-Authorization", "Bearer {token}")],
        [("Cookie", "access_token={token}")],
    ],
)
async def test_without_a_proper_header_the_answer_is_401(
    call: Any, signer: Any, verifier: Verifier, headers: list[tuple[str, str]]
) -> None:
    filled = [(name, value.replace("{token}", signer.mint())) for name, value in headers]
    answer = await call(JWTAuth(who, verifier), headers=filled)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert json.loads(answer.body) == {
        "error": {"code": "unauthorized", "message": "missing or invalid authorization header"}
    }


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_the_schemes_case_does_not_matter(call: Any, signer: Any, verifier: Verifier, scheme: str) -> None:
    headers = [("Authorization", f"{scheme} {signer.mint()}")]
    assert (await call(JWTAuth(who, verifier), headers=headers)).status == 200


async def test_a_bad_token_is_401_with_a_challenge(call: Any, signer: Any, verifier: Verifier) -> None:
    answer = await call(JWTAuth(who, verifier), **bearer(signer.mint(exp=1)))
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert json.loads(answer.body)["error"] == {"code": "unauthorized", "message": "invalid or expired token"}


async def test_claims_become_the_caller(call: Any, signer: Any, verifier: Verifier) -> None:
    token = signer.mint(
        tenant_id=TENANT, email="a@b.c", name="Ann", role="admin", plan="pro", app_roles={"web": "owner"},
        token_version=4,
        auth_time=1, amr=["pwd", "mfa"], aud=["orders", "web"],
    )  # fmt: skip
    app = JWTAuth(who, verifier)
    for _ in range(2):
        assert await seen(call, app, token) == {
            "tenant_id": TENANT,
            "user_id": str(uuid5(NAMESPACE_DNS, "socrate:42")),
            "sub": "42",
            "role": "admin",
            "email": "a@b.c",
            "name": "Ann",
            "plan": "pro",
            "app_roles": {"web": "owner"},
            "token_version": 4,
            "auth_time": 1,
            "amr": ["pwd", "mfa"],
            "audiences": ["orders", "web"],
            "raw": token,
        }
    assert context.current() is None


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"globalRole": "PLATFORM_ADMIN", "tokenVersion": 7}, {"role": "PLATFORM_ADMIN", "token_version": 7}),
        ({"role": "admin", "globalRole": "NONE"}, {"role": "admin"}),
        ({}, {"plan": "freemium", "role": "", "tenant_id": "", "amr": [], "app_roles": {}}),
        ({"plan": ""}, {"plan": "freemium"}),
        ({"plan": 7, "role": ["admin"], "email": None, "amr": "pwd", "app_roles": {"web": 1}, "auth_time": "x"},
         {"plan": "freemium", "role": "", "email": "", "amr": ["pwd"], "app_roles": {}, "auth_time": 0}),
        ({"sub": TENANT}, {"user_id": TENANT, "sub": TENANT}),
        ({"user_id": TENANT}, {"user_id": TENANT, "sub": "42"}),
        ({"user_id": "7"}, {"user_id": str(uuid5(NAMESPACE_DNS, "socrate:42"))}),
        ({"sub": "app:7"}, {"user_id": str(uuid5(NAMESPACE_DNS, "socrate:app:7")), "sub": "app:7"}),
    ],
)  # fmt: skip
async def test_claims_of_other_shapes(
    call: Any, signer: Any, verifier: Verifier, claims: dict[str, Any], expected: dict[str, Any]
) -> None:
    got = await seen(call, JWTAuth(who, verifier), signer.mint(**claims))
    assert {name: got[name] for name in expected} == expected


async def test_sub_only_ignores_the_claim_user_id(call: Any, signer: Any, verifier: Verifier) -> None:
    got = await seen(call, JWTAuth(who, verifier, sub_only=True), signer.mint(user_id=TENANT))
    assert UUID(got["user_id"]) == uuid5(NAMESPACE_DNS, "socrate:42")


@pytest.mark.parametrize(
    "tenant", ["", "acme", None, 7, [TENANT], f"{{{TENANT}}}", f"urn:uuid:{TENANT}", TENANT.replace("-", "")]
)
async def test_a_tenant_that_is_no_uuid_is_401(call: Any, signer: Any, verifier: Verifier, tenant: Any) -> None:
    answer = await call(JWTAuth(who, verifier), **bearer(signer.mint(tenant_id=tenant)))
    assert answer.status == 401
    assert json.loads(answer.body)["error"]["message"] == "invalid tenant_id"


async def test_another_tenant_claim_replaces_the_usual_one(call: Any, signer: Any, verifier: Verifier) -> None:
    app = JWTAuth(who, verifier, tenant_claim="https://socrate/org")
    assert (await seen(call, app, signer.mint(tenant_id="acme")))["tenant_id"] == ""
    token = signer.mint(**{"https://socrate/org": TENANT})
    assert (await seen(call, app, token))["tenant_id"] == TENANT
    assert (await seen(call, JWTAuth(who, verifier), token))["tenant_id"] == "", "one guard's reading is not another's"


async def test_a_blank_tenant_claim_refuses_all(call: Any, signer: Any, verifier: Verifier) -> None:
    assert (await call(JWTAuth(who, verifier, tenant_claim=" "), **bearer(signer.mint()))).status == 401


async def test_a_revoked_token_says_so(call: Any, signer: Any, make_verifier: Callable[..., Verifier]) -> None:
    def hook(token: str, claims: Claims) -> None:
        raise LookupError

    answer = await call(JWTAuth(who, make_verifier(revocation=hook)), **bearer(signer.mint()))
    assert (answer.status, json.loads(answer.body)["error"]["message"]) == (401, "token revoked")


@pytest.mark.parametrize("error", [KeysUnavailable, ServiceUnavailable])
async def test_an_outage_is_503_not_401(
    call: Any, signer: Any, make_verifier: Callable[..., Verifier], error: type[Exception]
) -> None:
    def hook(token: str, claims: Claims) -> None:
        raise error

    answer = await call(JWTAuth(who, make_verifier(revocation=hook)), **bearer(signer.mint()))
    assert answer.status == 503
    assert json.loads(answer.body)["error"]["code"] == "service_unavailable"


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/", "GET"), ("//", "GET"), ("/./", "GET"), ("/../", "GET"), ("/health", "GET"), ("/%2e%2e/", "GET"),
        ("/;x", "GET"),
        ("/HEALTH", "GET"), ("/health/", "GET"), ("/", "HEAD"), ("/", "OPTIONS"), ("/", "TRACE"), ("/", "PROPFIND"),
        ("*", "OPTIONS"),
    ],
)  # fmt: skip
async def test_no_path_and_no_method_gets_around_it(call: Any, verifier: Verifier, path: str, method: str) -> None:
    tricks = [("X-Original-URL", "/health"), ("X-Rewrite-URL", "/health"), ("X-HTTP-Method-Override", "OPTIONS")]
    assert (await call(JWTAuth(who, verifier), path, method=method, headers=tricks)).status == 401


async def test_a_websocket_is_refused_before_it_is_accepted(call: Any, signer: Any, verifier: Verifier) -> None:
    async def app(scope, receive, send) -> None:
        await send({"type": "websocket.accept", "sub": context.user_sub()})

    refused = await call(JWTAuth(app, verifier), kind="websocket")
    assert [message["type"] for message in refused.messages] == ["websocket.close"]
    accepted = await call(JWTAuth(app, verifier), kind="websocket", **bearer(signer.mint()))
    assert accepted.messages == [{"type": "websocket.accept", "sub": "42"}]


async def test_lifespan_passes(call: Any, verifier: Verifier) -> None:
    async def app(scope, receive, send) -> None:
        await send({"type": "lifespan.startup.complete"})

    assert len((await call(JWTAuth(app, verifier), kind="lifespan")).messages) == 1


async def test_the_log_line_knows_the_caller(call: Any, signer: Any, verifier: Verifier) -> None:
    lines: list[dict[str, Any]] = []
    app = standard_stack(JWTAuth(who, verifier), sink=lines.append)
    await call(app, **bearer(signer.mint(tenant_id=TENANT, sub=TENANT)))
    await call(app)
    assert [(line["status"], line["tenant_id"], line.get("user_id")) for line in lines] == [
        (200, TENANT, TENANT),
        (401, "", None),
    ]


async def test_hundreds_of_callers_at_once_are_never_mixed_up(call: Any, signer: Any, verifier: Verifier) -> None:
    async def app(scope, receive, send) -> None:
        await asyncio.sleep(0)
        await who(scope, receive, send)

    guarded = JWTAuth(app, verifier)
    tokens = [signer.mint(sub=f"user-{number}") for number in range(200)]
    callers = await asyncio.gather(*(seen(call, guarded, token) for token in tokens * 2))
    assert [caller["sub"] for caller in callers] == [f"user-{number}" for number in range(200)] * 2
    assert [caller["raw"] for caller in callers] == tokens * 2


async def test_keys_given_by_the_process_itself_need_no_loop_or_network(call: Any, signer: Any) -> None:
    verifier = Verifier(
        StaticKeys(signer.all_keys()), issuer="https://auth.example.com", audience="orders", clock=lambda: 1_800_000_000
    )
    assert verifier.verify_now(signer.mint()).sub == "42"
