"""The README's examples are run as they stand, the quickstart against an issuer that answers over HTTP."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from identry_kit.jwtauth import Key, StaticKeys, Verifier
from identry_kit.testing import TENANT, Issuer, MovableClock

README = Path(__file__).parents[1] / "README.md"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer(audience="orders") as issuer:
        issuer.issuer = issuer.url
        yield issuer


def run(block: str) -> dict[str, Any]:
    """The names that a block leaves behind."""
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(block, str(README), "exec", dont_inherit=True), names)
    return names


def bearer(token: str) -> dict[str, Any]:
    return {"headers": [("Authorization", f"Bearer {token}")]}


async def test_the_quickstart_does_what_the_readme_says(
    call: Any, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    names = run(blocks()[0].replace("https://auth.example.com", issuer.url))
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


def verifier_of(issuer: Issuer) -> Verifier:
    keys = StaticKeys([Key.from_pem(issuer.key.public_pem, issuer.key.kid)])
    return Verifier(keys, issuer=issuer.issuer, audience=issuer.audience, clock=issuer.clock)


async def test_the_fastapi_example(call: Any, issuer: Issuer) -> None:
    app = run(blocks()[1])["create_app"](verifier_of(issuer))
    assert json.loads((await call(app, "/me", **bearer(issuer.mint(plan="pro")))).body) == {"sub": "42", "plan": "pro"}
    assert json.loads((await call(app, "/greeting")).body) == {"hello": "stranger"}
    assert (await call(app, "/orders/7", **bearer(issuer.mint()))).status == 403
    assert (await call(app, "/orders/7", **bearer(issuer.mint(scope="orders:read")))).status == 404
    invalid = await call(app, "/orders/x", **bearer(issuer.mint(scope="orders:read")))
    assert (invalid.status, json.loads(invalid.body)["error"]["code"]) == (422, "validation_error")
    assert (await call(app, "/orders/7", method="DELETE", **bearer(issuer.mint(role="owner")))).status == 200


async def test_the_litestar_example(call: Any, issuer: Issuer) -> None:
    app = run(blocks()[2])["create_app"](verifier_of(issuer))
    assert json.loads((await call(app, "/me", **bearer(issuer.mint(plan="pro")))).body) == {"sub": "42", "plan": "pro"}
    assert (await call(app, "/me")).status == 401
    assert (await call(app, "/orders", **bearer(issuer.mint(scope="orders:read")))).status == 200


async def test_the_example_of_a_test(identry_issuer: Issuer, identry_clock: MovableClock) -> None:
    await run(blocks()[3])["test_a_token_ends"](identry_issuer, identry_clock)


def test_the_other_examples_at_least_compile() -> None:
    assert len(blocks()) == 4
    for block in blocks():
        compile(block, str(README), "exec")
