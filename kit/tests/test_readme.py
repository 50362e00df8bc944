"""The README's examples are run as they stand, the quickstart against an issuer that answers over HTTP.

Two sections are run elsewhere, where what they talk to is at hand: "Calling the identity server" in
`client/test_guide.py`, "Asking an AI" in `aigateway/test_guides.py`.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from identry_kit.apierror import exception_handlers, not_found
from identry_kit.httpware import standard_stack
from identry_kit.jwtauth import JWTAuth, Key, StaticKeys, Verifier
from identry_kit.testing import TENANT, Issuer, MovableClock

README = Path(__file__).parents[1] / "README.md"
RUN_ELSEWHERE = {"Calling the identity server", "Asking an AI"}


def sections() -> dict[str, str]:
    """Heading → the Python below it, for the headings that have some."""
    parts = README.read_text(encoding="utf-8").split("\n## ")[1:]
    found = {part.partition("\n")[0]: re.findall(r"```python\n(.*?)```", part, re.DOTALL) for part in parts}
    return {heading: "\n".join(blocks) for heading, blocks in found.items() if blocks}


def run(heading: str, given: dict[str, Any] | None = None, url: str = "https://auth.example.com") -> dict[str, Any]:
    """The names that the code below a heading leaves behind; `given` are those that it uses without making them."""
    names = {"__name__": __name__} | (given or {})
    code = sections()[heading].replace("https://auth.example.com", url)
    exec(compile(code, f"{README}: {heading}", "exec", dont_inherit=True), names)
    return names


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer(audience="orders") as issuer:
        issuer.issuer = issuer.url
        yield issuer


def bearer(token: str) -> dict[str, Any]:
    return {"headers": [("Authorization", f"Bearer {token}")]}


def verifier_of(issuer: Issuer) -> Verifier:
    keys = StaticKeys([Key.from_pem(issuer.key.public_pem, issuer.key.kid)])
    return Verifier(keys, issuer=issuer.issuer, audience=issuer.audience, clock=issuer.clock)


async def test_the_quickstart_does_what_the_readme_says(
    call: Any, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    names = run("Quickstart", url=issuer.url)
    app = names["app"]

    assert (await call(app, "/healthz")).status == 200
    anonymous = await call(app, "/api/orders")
    assert anonymous.status == 401
    assert "x-request-id" in anonymous.headers
    assert "content-security-policy" in anonymous.headers
    assert (await call(app, "/api/orders", **bearer(issuer.mint()))).status == 403
    answer = await call(app, "/api/orders", **bearer(issuer.mint(role="viewer", plan="pro")))
    assert (answer.status, json.loads(answer.body)) == (200, {"for": "42", "tenant": TENANT, "plan": "pro"})
    missing = await call(app, "/api/orders/7", **bearer(issuer.mint()))
    assert (missing.status, missing.body) == (404, b'{"error":{"code":"not_found","message":"order not found: 7"}}')
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]
    await names["verifier"]._keys.aclose()


async def test_the_fastapi_example(call: Any, issuer: Issuer) -> None:
    app = run("FastAPI")["create_app"](verifier_of(issuer))
    assert json.loads((await call(app, "/me", **bearer(issuer.mint(plan="pro")))).body) == {"sub": "42", "plan": "pro"}
    assert json.loads((await call(app, "/greeting")).body) == {"hello": "stranger"}
    assert (await call(app, "/orders/7", **bearer(issuer.mint()))).status == 403
    assert (await call(app, "/orders/7", **bearer(issuer.mint(scope="orders:read")))).status == 404
    invalid = await call(app, "/orders/x", **bearer(issuer.mint(scope="orders:read")))
    assert (invalid.status, json.loads(invalid.body)["error"]["code"]) == (422, "validation_error")
    assert (await call(app, "/orders/7", method="DELETE", **bearer(issuer.mint(role="owner")))).status == 200


async def test_the_litestar_example(call: Any, issuer: Issuer) -> None:
    app = run("Litestar")["create_app"](verifier_of(issuer))
    assert json.loads((await call(app, "/me", **bearer(issuer.mint(plan="pro")))).body) == {"sub": "42", "plan": "pro"}
    assert (await call(app, "/me")).status == 401
    assert (await call(app, "/orders", **bearer(issuer.mint(scope="orders:read")))).status == 200


async def test_the_example_of_a_test(identry_issuer: Issuer, identry_clock: MovableClock) -> None:
    await run("Tests of your service")["test_a_token_ends"](identry_issuer, identry_clock)


def test_verifying_without_the_middleware(capsys: pytest.CaptureFixture[str]) -> None:
    issuer = Issuer(issuer="auth.example.com", audience="orders", clock=time.time)
    header = {"kid": "default"}
    given = {"public_pem": issuer.key.public_pem, "token": issuer.mint(header=header)}
    claims = run("Verifying without the middleware", given)["claims"]
    assert capsys.readouterr().out == f"42 {claims.exp} access\n"
    run("Verifying without the middleware", given | {"token": issuer.mint(header=header, aud="another")})
    assert capsys.readouterr().out == "audience\n"


async def test_plans_and_features(call: Any, reply: Any) -> None:
    names = run("Plans and features")
    denied = await call(names["pro_only"](reply()))
    assert (denied.status, denied.body) == (403, b'{"error":"plan_required","upgradeUrl":"/settings/billing"}')
    assert await names["exports_left"]("freemium", 4)
    assert not await names["exports_left"]("freemium", 5)
    assert await names["exports_left"]("enterprise", 10**9)


def test_lists_by_page() -> None:
    first_of = run("Lists by page")["first_of"]
    body = first_of(list(range(120)), b"page=2&pageSize=50")
    assert body == {"data": list(range(50, 100)), "page": 2, "pageSize": 50, "totalCount": 120}
    assert len(first_of(list(range(120)), b"pageSize=5000")["data"]) == 100


def test_slow_sql(caplog: pytest.LogCaptureFixture) -> None:
    engine = create_engine("sqlite://")
    run("Slow SQL", {"engine": engine})
    with caplog.at_level(logging.DEBUG), engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    engine.dispose()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_limits_for_all_processes_and_figures(call: Any, reply: Any, issuer: Issuer) -> None:
    given = {
        "JWTAuth": JWTAuth, "Mount": Mount, "Route": Route, "Starlette": Starlette, "orders": reply(),
        "standard_stack": standard_stack, "verifier": verifier_of(issuer),
    }  # fmt: skip
    names = run("Limits for all processes, and figures", given)
    assert (await call(names["app"], "/api/orders")).status == 401
    assert b"identry_http_requests_total" in (await call(names["app"], "/metrics")).body
    await names["buckets"].aclose()


async def test_errors_in_your_own_words(call: Any) -> None:
    async def missing(request: Any) -> None:
        raise not_found("order", 7)

    given = {
        "Starlette": Starlette, "exception_handlers": exception_handlers, "json": json,
        "routes": [Route("/orders", missing)], "standard_stack": standard_stack,
    }  # fmt: skip
    answer = await call(run("Errors in your own words", given)["app"], "/orders")
    error = {"code": "not_found", "message": "order not found: 7"}
    assert (answer.status, json.loads(answer.body)) == (404, {"success": False, "error": error})


def test_every_example_is_run_by_a_test() -> None:
    told = set(re.findall(r'run\("([^"]+)"', Path(__file__).read_text(encoding="utf-8")))
    assert set(sections()) == told | RUN_ELSEWHERE
