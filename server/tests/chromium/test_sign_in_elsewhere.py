"""A person who signs in at a provider: the whole way through the browser, with its redirects and cookies."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from browser import tenant
from federation import Said, guid, someone
from harness import Servers
from services.entra import CLIENT_ID, CLIENT_SECRET, Entra
from services.openid_provider import OpenIdProvider
from single_sign_on import Acme

from chromium.devtools import DevTools, Tab
from chromium.world import World, at_ports, me, new_address, problem, sees
from identry.core.outbound import JsonClient
from identry.federation.provider import Admission
from identry.federation.reach import PlatformKeys, Reach

pytestmark = pytest.mark.timeout(420)  # on a bare machine browser and provider are installed first


@dataclass
class AcmeHere(Acme):
    """A tenant whose provider sends browsers back to where the API of these tests is."""

    api_url: str = ""

    @property
    def callback(self) -> str:
        return f"{self.api_url}/api/v1/auth/sso/{self.slug}/callback"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIdProvider]:
    """The certified provider."""
    started = OpenIdProvider(tmp_path_factory.mktemp("openid")).start()
    yield started
    started.stop()


@pytest.fixture
async def acme_world(servers: Servers, chromium: DevTools) -> AsyncIterator[World]:
    """An application that may ask providers on this machine."""
    async with at_ports(servers, chromium, OIDC_ALLOWED_PRIVATE_NETWORKS="127.0.0.0/8") as world:
        world.front.address = new_address()
        yield world


async def arrived(tab: Tab, world: World) -> None:
    """Signed in, and nothing of the way is left in the address bar."""
    await sees(tab, "account")
    assert await tab.run("location.href") == f"{world.app_url}/"
    await tab.reload()
    await sees(tab, "account")


async def test_a_work_address_leads_to_the_tenants_own_provider_and_back(
    acme_world: World, provider: OpenIdProvider
) -> None:
    acme = await AcmeHere(acme_world.app, provider, api_url=acme_world.api_url).made()
    email = f"ada-{secrets.token_hex(4)}@{await acme.domain()}"
    subject = acme.someone(email)
    visitor = await acme_world.visitor()
    tab = await visitor.tab()
    await tab.fill("form[data-do=signInElsewhere] [name=email]", email)
    await tab.click("form[data-do=signInElsewhere] button")
    await tab.fill("input[name=login]", subject)
    await tab.fill("input[name=password]", "any")
    await tab.click("button[type=submit]")
    await tab.until("document.querySelector('[name=prompt]')?.value === 'consent'")
    await tab.click("button[type=submit]")
    await arrived(tab, acme_world)
    shown = await me(tab)
    assert (shown["email"], shown["tenant_id"]) == (email, str(acme.id))


async def test_microsoft_signs_in_and_whoever_declines_is_told(servers: Servers, chromium: DevTools) -> None:
    entra, said = Entra(), Said()
    url = await entra.start()
    settings = {"MS_CLIENT_ID": CLIENT_ID, "MS_CLIENT_SECRET": CLIENT_SECRET, "MS_AUTHORITY_URL": url}
    reach = Reach(JsonClient(), PlatformKeys())
    try:
        async with at_ports(servers, chromium, tenants=said.all(reach), **settings) as world:
            world.front.address = new_address()
            entra.now = world.app.clock.timestamp
            directory = guid()
            said.directories[directory] = Admission(await tenant(world.app), True, ())
            tab = await (await world.visitor()).tab()
            await tab.click("#microsoft")
            await tab.until("location.pathname === '/' && document.querySelector('#problem')?.textContent")
            assert await problem(tab) == "access_denied"
            entra.who = someone(directory)
            await tab.click("#microsoft")
            await arrived(tab, world)
            assert (await me(tab))["email"] == entra.who.email
    finally:
        await entra.stop()
