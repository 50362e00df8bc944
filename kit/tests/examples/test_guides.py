"""The guides' code, run as it stands: against tokens of the real identity server, and against the gates it promises."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from harness import Harness

from identry_kit.jwtauth import JWKSCache, Verifier
from identry_kit.testing import Issuer, MovableClock

GUIDES = Path(__file__).parents[3] / "docs" / "kit"
FRAMEWORKS = ["fastapi", "starlette", "litestar"]
DEV = "http://127.0.0.1:3097"


def text(guide: str) -> str:
    return (GUIDES / f"{guide}.md").read_text(encoding="utf-8")


def blocks(guide: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text(guide), re.DOTALL)


def run(guide: str, number: int, identry: str = DEV) -> dict[str, Any]:
    """The names that a block leaves behind; it is a module of its own, for frameworks that look at annotations."""
    module = sys.modules[f"guide_{guide}_{number}"] = ModuleType(f"guide_{guide}_{number}")
    code = compile(blocks(guide)[number].replace(DEV, identry), f"{guide}.md", "exec", dont_inherit=True)
    exec(code, module.__dict__)
    return module.__dict__


@pytest.fixture
async def verifier(issuer: Issuer) -> AsyncIterator[Verifier]:
    keys = JWKSCache(issuer.jwks_url)
    yield Verifier(keys, issuer=issuer.issuer, audience=issuer.audience)
    await keys.aclose()


def bearer(token: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")]


@pytest.mark.parametrize("guide", FRAMEWORKS)
async def test_the_first_request_is_verified(guide: str, call: Any, identry: Harness) -> None:
    names = run(guide, 0, identry.base_url)
    person = await identry.signed_in()
    refused = await call(names["app"], "/me")
    assert refused.status == 401
    assert "www-authenticate" in refused.headers
    answer = await call(names["app"], "/me", headers=bearer(person.access_token))
    assert (answer.status, json.loads(answer.body)) == (200, {"sub": str(person.id), "plan": "freemium"})
    await names["verifier"]._keys.aclose()


@pytest.mark.parametrize("guide", FRAMEWORKS)
async def test_the_gates_open_for_whom_they_should(guide: str, call: Any, issuer: Issuer, verifier: Verifier) -> None:
    app = run(guide, 1)["create_service"](verifier)

    async def ask(method: str, path: str, **claims: Any) -> Any:
        return await call(app, path, method=method, headers=bearer(issuer.mint(**claims)))

    assert (await call(app, "/healthz")).status == 200
    assert (await call(app, "/api/orders/7")).status == 401
    editor = {"scope": "orders:read", "role": "editor"}
    assert (await ask("GET", "/api/orders/7", **editor)).status == 404
    assert (await ask("GET", "/api/orders/7", role="guest", scope="openid")).status == 403
    if guide == "starlette":
        assert (await ask("POST", "/api/orders", **editor)).status == 201
        assert (await ask("POST", "/api/orders", role="viewer")).status == 403
    else:
        assert (await ask("DELETE", "/api/orders/7", role="owner")).status in {200, 204}
        assert (await ask("DELETE", "/api/orders/7", **editor)).status == 403
    assert (await ask("POST", "/api/ai/narrate", plan="pro")).status in {200, 201}
    denied = await ask("POST", "/api/ai/narrate")
    assert (denied.status, denied.body) == (403, b'{"error":"plan_required","upgradeUrl":"/settings/billing"}')


@pytest.mark.parametrize("guide", FRAMEWORKS)
async def test_the_test_in_the_guide_passes(
    guide: str, identry: Harness, identry_issuer: Issuer, identry_clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "service", SimpleNamespace(**run(guide, 0)))
    await run(guide, 2)["test_who_is_calling"](identry_issuer, identry_clock)


async def test_it_passes_in_a_folder_that_holds_what_the_guide_says_and_nothing_else(tmp_path: Path) -> None:
    [ini] = {block for guide in FRAMEWORKS for block in re.findall(r"```ini\n(.*?)```", text(guide), re.DOTALL)}
    service, _, test = blocks("starlette")
    for name, content in (("service.py", service), ("test_service.py", test), ("pytest.ini", ini)):
        (tmp_path / name).write_text(content, encoding="utf-8")
    pytest_there = [sys.executable, "-m", "pytest", "-q"]
    run = await asyncio.create_subprocess_exec(*pytest_there, cwd=tmp_path, stdout=asyncio.subprocess.PIPE)
    told, _ = await run.communicate()
    assert (run.returncode, b"1 passed" in told) == (0, True), told.decode()


async def test_the_wiring_for_production(
    call: Any, reply: Any, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("JWKS_URL", issuer.jwks_url), ("JWT_ISSUER", issuer.issuer), ("JWT_AUDIENCE", issuer.audience),
        ("REDIS_URL", "redis://127.0.0.1:1/0"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    names = run("production", 0)
    app = names["in_production"](reply())
    assert (await call(app, "/")).status == 401
    assert (await call(app, "/", headers=bearer(issuer.mint()))).status == 200  # Redis is away: counted here
    await names["buckets"].aclose()
    await names["keys"].aclose()


def test_every_block_is_run_above() -> None:
    assert [len(blocks(guide)) for guide in (*FRAMEWORKS, "production", "index")] == [3, 3, 3, 1, 0]


def test_every_guide_is_in_the_index_and_no_link_is_dead() -> None:
    index = (GUIDES / "index.md").read_text(encoding="utf-8")
    guides = list(GUIDES.glob("*.md"))
    assert len(guides) > 8
    for guide in guides:
        assert guide.name == "index.md" or f"({guide.name})" in index
    for page in (*guides, GUIDES.parents[1] / "examples" / "README.md"):
        for link in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
            assert "://" in link or (page.parent / link).exists(), f"{page.name}: {link}"
