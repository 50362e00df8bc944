"""The two example services: one suite for both, so that they answer alike."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from identry_kit.testing import Issuer


@pytest.fixture
def mint(issuer: Issuer) -> Any:
    """Tokens of a tenant that no other test has."""
    tenant = str(uuid4())
    return lambda **claims: issuer.mint(**{"tenant_id": tenant, **claims})


async def test_health_is_for_everybody_and_all_else_for_those_with_a_token(service: Any) -> None:
    health = await service("GET", "/healthz")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert health.headers["x-request-id"]
    assert health.headers["x-content-type-options"] == "nosniff"
    for path in ("/api/me", "/api/orders", "/api/admin/tenants"):
        refused = await service("GET", path, headers={"X-Request-ID": "from-outside"})
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "unauthorized"
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.headers["x-request-id"] == "from-outside"


async def test_the_token_says_who_is_calling(service: Any, issuer: Issuer) -> None:
    tenant = str(uuid4())
    me = await service("GET", "/api/me", issuer.mint(sub="ada", role="editor", plan="pro", tenant_id=tenant))
    assert me.json() == {"sub": "ada", "tenant": tenant, "role": "editor", "plan": "pro"}
    assert (await service("GET", "/api/me", issuer.mint(aud="another"))).status_code == 401


async def test_orders_come_in_pages_and_belong_to_their_tenant(service: Any, mint: Any, issuer: Issuer) -> None:
    token = mint()
    for number in range(3):
        made = await service("POST", "/api/orders", token, json={"item": f"Item {number}", "cents": 100 * number})
        assert (made.status_code, made.json()["id"]) == (201, number + 1)
    page = await service("GET", "/api/orders?page=2&pageSize=2", token)
    assert page.json() == {
        "data": [{"id": 3, "item": "Item 2", "cents": 200}], "page": 2, "pageSize": 2, "totalCount": 3,
    }  # fmt: skip
    assert (await service("GET", "/api/orders?page=x&pageSize=9999", token)).json()["pageSize"] == 100
    assert (await service("GET", "/api/orders/3", token)).json()["item"] == "Item 2"
    other = issuer.mint(tenant_id=str(uuid4()))
    assert (await service("GET", "/api/orders", other)).json()["data"] == []
    missing = await service("GET", "/api/orders/3", other)
    assert (missing.status_code, missing.json()) == (
        404, {"error": {"code": "not_found", "message": "order not found: 3"}},
    )  # fmt: skip


@pytest.mark.parametrize("body", [{"item": "", "cents": 1}, {"item": "hush-hush", "cents": -1}, {"cents": 1}])
async def test_an_order_that_does_not_fit_is_422_without_its_values(service: Any, mint: Any, body: Any) -> None:
    refused = await service("POST", "/api/orders", mint(), json=body)
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "validation_error"
    assert refused.json()["error"]["details"]["fields"]
    assert "hush-hush" not in refused.text


async def test_whatever_goes_wrong_has_one_form(service: Any, mint: Any) -> None:
    for method, path, status, code in (
        ("GET", "/api/nothing", 404, "not_found"),
        ("DELETE", "/api/me", 405, "method_not_allowed"),
    ):
        answer = await service(method, path, mint())
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_body_over_four_megabytes_is_refused_before_it_is_sent(service: Any, mint: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(service.url.rpartition(":")[2]))
    head = [
        "POST /api/orders HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {mint()}",
        f"Content-Length: {(4 << 20) + 1}",
    ]
    writer.write("\r\n".join([*head, "", ""]).encode())
    answer = await reader.read()  # to its end: the connection is closed
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"payload_too_large"' in answer
    writer.close()
    await writer.wait_closed()


async def test_narration_is_for_pro(service: Any, mint: Any) -> None:
    denied = await service("POST", "/api/ai/narrate/1", mint(plan="freemium"))
    assert (denied.status_code, denied.json()) == (
        403, {"error": "plan_required", "upgradeUrl": "/settings/billing"},
    )  # fmt: skip
    assert (await service("POST", "/api/ai/narrate/1", mint(plan="pro"))).status_code == 404


async def test_an_ai_is_asked_once_for_each_order(both: dict[str, Any], mint: Any, ai: Any) -> None:
    service = both["fastapi"]
    await service("POST", "/api/orders", mint(), json={"item": "Kite", "cents": 900})
    ai.status = 429
    refused = await service("POST", "/api/ai/narrate/1", mint(plan="pro"))
    while refused.status_code == 504:  # a machine that needs half a minute to load the provider's library
        refused = await service("POST", "/api/ai/narrate/1", mint(plan="pro"))
    assert refused.status_code == 503
    ai.status, before = 200, len(ai.prompts)
    for plan in ("pro", "enterprise"):
        told = await service("POST", "/api/ai/narrate/1", mint(plan=plan, role="editor"))
        assert told.status_code == 200, told.text
        assert told.json() == {"narrative": f"Text {before + 1}.", "metadata": {"model": "claude-sonnet-4-6"}}
    assert len(ai.prompts) == before + 1
    assert "Kite" in ai.prompts[-1]


async def test_without_an_ai_narration_is_503_and_all_else_works(both: dict[str, Any], mint: Any) -> None:
    service = both["litestar"]
    assert (await service("POST", "/api/orders", mint(), json={"item": "Kite", "cents": 900})).status_code == 201
    refused = await service("POST", "/api/ai/narrate/1", mint(plan="pro"))
    assert refused.status_code == 503
    assert "key" not in refused.text


async def test_the_list_of_tenants_is_for_administrators_on_enterprise(service: Any, mint: Any) -> None:
    assert (await service("GET", "/api/admin/tenants", mint(plan="pro", role="admin"))).status_code == 403
    wrong_role = await service("GET", "/api/admin/tenants", mint(plan="enterprise", role="editor"))
    assert (wrong_role.status_code, wrong_role.json()["error"]["code"]) == (403, "forbidden")
    await service("POST", "/api/orders", mint(), json={"item": "Kite", "cents": 900})
    listed = await service("GET", "/api/admin/tenants", mint(plan="enterprise", role="admin"))
    assert listed.status_code == 200
    assert len(listed.json()["tenants"]) >= 1


async def test_exports_are_limited_by_the_plans_policy(service: Any, mint: Any) -> None:
    answers = [await service("POST", "/api/exports", mint(plan="freemium")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 403]
    assert (await service("POST", "/api/exports", mint(plan="enterprise"))).json() == {"used": 3}


async def test_a_tenant_that_asks_too_often_is_slowed_down_alone(service: Any, mint: Any, issuer: Issuer) -> None:
    token = mint()
    for _ in range(1000):
        answer = await service("GET", "/api/me", token)
        if answer.status_code != 200:
            break
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limited")
    assert answer.headers["retry-after"] == "1"
    assert (await service("GET", "/api/me", issuer.mint(tenant_id=str(uuid4())))).status_code == 200
