"""The README's examples are run as they stand, the quickstart against an issuer that answers over HTTP."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from identry_kit.testing import TENANT, Issuer

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


async def test_plans_and_features_as_in_the_readme(call: Any, reply: Any) -> None:
    names: dict[str, Any] = {}
    exec(compile(blocks()[2], str(README), "exec"), names)
    denied = await call(names["pro_only"](reply()))
    assert (denied.status, denied.body) == (403, b'{"error":"plan_required","upgradeUrl":"/settings/billing"}')
    assert await names["exports_left"]("freemium", 4)
    assert not await names["exports_left"]("freemium", 5)
    assert await names["exports_left"]("enterprise", 10**9)


def test_the_other_examples_at_least_compile() -> None:
    assert len(blocks()) >= 5
    for block in blocks():
        compile(block, str(README), "exec")
