"""The guide's code is run as it stands, against an identity server."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from standin.provider import Provider

from identry_kit.client import ClientError

GUIDE = Path(__file__).parents[3] / "docs" / "kit" / "client.md"


@pytest.fixture
def guide(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Every name that the guide's blocks define, with the environment that they read."""
    settings = endpoint.settings()
    for name, key in (
        ("URL", "base_url"), ("CLIENT_ID", "client_id"), ("CLIENT_SECRET", "client_secret"), ("APP_ID", "app_id"),
        ("ADMIN_URL", "admin_base_url"),
    ):  # fmt: skip
        monkeypatch.setenv(f"IDENTRY_{name}", settings[key])
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), names)
    return names


async def test_the_quickstarts(guide: dict[str, Any], endpoint: Any) -> None:
    assert await guide["invite"]("new@example.com")
    assert await guide["invite"]("new@example.com") is None
    assert "new@example.com" in await asyncio.to_thread(guide["addresses"], endpoint.admin_token())


async def test_in_the_callers_name(guide: dict[str, Any], client: Any, endpoint: Any) -> None:
    assert (await guide["colleague"](client, endpoint.admin_token(), endpoint.admin_id)).id == endpoint.admin_id


async def test_passwordless_login(guide: dict[str, Any], client: Any) -> None:
    await client.register_user("carl@example.com", "user")
    texts = [await guide["ask_for_link"](client, "carl@example.com") for _ in range(6)]
    assert len(set(texts[:5])) == 1
    assert texts[5] == "Please try again later."
    assert await guide["follow_link"](client, "0" * 64, "192.0.2.1", "Firefox") is None
    await client.register_user("dora@example.com", "user")
    token = (await client.send_magic_link("dora@example.com")).magic_url.split("token=")[1].split("&")[0]
    assert (await guide["follow_link"](client, token, "192.0.2.1", "Firefox")).access_token
    assert await guide["follow_link"](client, token, "192.0.2.1", "Firefox") is None


async def test_renewing_a_session(guide: dict[str, Any], client: Any, endpoint: Any, provider: Provider) -> None:
    tokens = await client.exchange_code(endpoint.code(), endpoint.redirect_uri)
    session = {"refresh_token": tokens.refresh_token}
    provider.fail("503 down")
    assert await guide["renew"](client, session)
    assert await guide["renew"](client, session)
    assert session["refresh_token"] != tokens.refresh_token
    session["refresh_token"] = tokens.refresh_token
    assert not await guide["renew"](client, session)


def test_it_names_every_error() -> None:
    text = GUIDE.read_text(encoding="utf-8")

    def below(kind: type) -> list[str]:
        return [name for sub in kind.__subclasses__() for name in ([sub.__name__, *below(sub)])]

    missing = [name for name in below(ClientError) if not name.startswith("_") and f"`{name}" not in text]
    assert not missing


def test_the_readmes_example_runs(endpoint: Any) -> None:
    readme = Path(__file__).parents[2] / "README.md"
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if "BlockingClient" in block]
    code = block.replace("https://auth.example.com", endpoint.base_url).replace('"orders"', repr(endpoint.client_id))
    names: dict[str, Any] = {
        "secret": endpoint.client_secret, "admin_url": endpoint.admin_base_url, "token": endpoint.admin_token(),
    }  # fmt: skip
    exec(compile(code, str(readme), "exec"), names)
    assert names["made"].user_id
    assert "new@example.com" in names["members"]
