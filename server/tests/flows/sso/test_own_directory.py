"""A tenant's own app in its own Entra directory, and what naming a directory means for the platform's app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from federation import Window, guid, someone
from harness import Harness, Servers, running
from services.entra import CLIENT_ID, CLIENT_SECRET, Account, Entra
from services.openid_provider import OpenIdProvider
from single_sign_on import Acme, SsoWindow

from identry.records import groups


@pytest.fixture(scope="module")
async def entra() -> AsyncIterator[Entra]:
    server = Entra()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="module")
async def entra_app(servers: Servers, entra: Entra) -> AsyncIterator[Harness]:
    """The application, with a Microsoft of the test's own."""
    microsoft = {"MS_CLIENT_ID": CLIENT_ID, "MS_CLIENT_SECRET": CLIENT_SECRET, "MS_AUTHORITY_URL": entra.url}
    async with running(servers, **microsoft) as harness:
        yield harness


@pytest.fixture
def directory() -> str:
    return guid()


@pytest.fixture
async def acme(entra_app: Harness, entra: Entra, provider: OpenIdProvider, directory: str) -> Acme:
    """A tenant whose people are those of a directory."""
    entra.truthful()
    made = Acme(entra_app, provider)
    return await made.made(**own_app(directory))


def own_app(directory: str, **more: Any) -> dict[str, Any]:
    """A configuration of a directory."""
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    return {"provider": "entra", "issuer": None, "directory_tenant_id": directory, **client, **more}


class AtEntra(SsoWindow):
    """A browser at the tenant's sign-in, whose provider asks nothing."""

    async def arrive_from(self, entra: Entra, account: Account) -> dict[str, str]:
        entra.who = account
        return await self.come_back(await self.prove(await self.leave()))


async def test_people_of_the_directory_sign_in_at_the_directory(acme: Acme, entra: Entra, directory: str) -> None:
    entra.who, window = someone(directory), AtEntra(acme)
    url = await window.leave()
    assert url.startswith(f"{entra.url}/{directory}/oauth2/v2.0/authorize?"), "not /common"
    arrived = await window.come_back(await window.prove(url))
    body = (await window.exchange(arrived["code"])).json()
    assert body["user"]["tenant_id"] == str(acme.id)
    assert body["user"]["auth_methods"] == ["microsoft"]


async def test_people_of_another_directory_do_not(acme: Acme, entra: Entra) -> None:
    assert await AtEntra(acme).arrive_from(entra, someone(guid())) == {"error": "token_invalid"}
    assert await acme.refusal() == ("token_invalid", "another directory")


async def test_naming_a_directory_lets_its_people_in_by_the_platforms_app_too(
    acme: Acme, entra: Entra, directory: str
) -> None:
    ada = someone(directory)
    first = await _by_platform(acme, entra, ada)
    assert first["user"]["tenant_id"] == str(acme.id)
    arrived = await (window := AtEntra(acme)).arrive_from(entra, ada)
    again = (await window.exchange(arrived["code"])).json()
    assert again["user"]["id"] == first["user"]["id"], "one identity, whichever app"
    await acme.configure(**own_app(directory, enabled=False))
    assert await _told(acme, entra, someone(directory)) == {"error": "tenant_unknown"}


async def test_a_directory_of_nobody_lets_nobody_in(acme: Acme, entra: Entra) -> None:
    assert await _told(acme, entra, someone(guid())) == {"error": "tenant_unknown"}


async def test_jit_and_default_groups_count_at_the_platforms_app_too(acme: Acme, entra: Entra, directory: str) -> None:
    read_only = next(g for g, _ in await groups.of_tenant(acme.app.db, acme.id) if g.name == "Read only")
    await acme.configure(**own_app(directory, default_group_ids=[str(read_only.id)]))
    body = await _by_platform(acme, entra, someone(directory))
    assert [g["name"] for g in body["user"]["groups"]] == ["Read only"]
    await acme.configure(**own_app(directory, jit=False))
    assert await _told(acme, entra, someone(directory)) == {"error": "access_denied"}


async def test_the_trial_asks_the_directory(acme: Acme, entra: Entra, directory: str) -> None:
    entra.reply = {"error": "interaction_required"}
    status, body = await acme.settings("POST", "sso/test")
    assert (status, body["issuer"]) == (200, f"{entra.url}/{directory}/v2.0")
    assert body["problems"] == []
    await acme.configure(**own_app(directory, client_secret="wrong"))
    _, body = await acme.settings("POST", "sso/test")
    assert body["problems"] == ["The provider refuses the client id or the client secret. Enter the secret again."]


async def _told(acme: Acme, entra: Entra, account: Account) -> dict[str, str]:
    entra.who = account
    window = Window(acme)  # type: ignore[arg-type]  # what a window needs of it is `app`
    return await window.come_back(await window.prove(await window.leave()))


async def _by_platform(acme: Acme, entra: Entra, account: Account) -> Any:
    entra.who = account
    window = Window(acme)  # type: ignore[arg-type]  # what a window needs of it is `app`
    arrived = await window.come_back(await window.prove(await window.leave()))
    assert "code" in arrived, arrived
    return (await window.exchange(arrived["code"])).json()
