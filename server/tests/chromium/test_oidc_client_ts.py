"""npm `oidc-client-ts` in Chromium: an app of somebody else, at another origin, signs people in on our pages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from harness import Servers
from provider.applications import application
from services.npm import require_packages
from services.openid_client import BROWSER_LIBRARY, FOLDER

from chromium.devtools import DevTools, Tab
from chromium.world import PAGES, World, at_ports

pytestmark = pytest.mark.timeout(420)  # on a bare machine the browser is installed first

STATUS = "document.querySelector('#status').textContent"


@pytest.fixture
async def elsewhere(servers: Servers, chromium: DevTools) -> AsyncIterator[World]:
    """The provider, and the page of an app."""
    require_packages(FOLDER)
    told: dict[str, Any] = {}
    files = {"oidc-client-ts.min.js": BROWSER_LIBRARY}
    async with at_ports(servers, chromium, page=PAGES / "oidc_page", told=told, files=files) as world:
        made = await application(
            world.app,
            auth_method="none",
            redirect_uris=[f"{world.app_url}/callback"],
            post_logout_redirect_uris=[f"{world.app_url}/signed-out"],
        )
        told.update(authority=world.api_url, client_id=made.client.client_id)
        yield world


async def status(tab: Tab, wanted: str) -> dict[str, Any]:
    """Wait until the app says so; what else it shows."""
    await tab.until(f"{STATUS} === {json.dumps(wanted)} || {STATUS}.startsWith('failed')")
    assert await tab.run(STATUS) == wanted
    told = await tab.run("document.querySelector('#told').textContent")
    return dict(json.loads(told)) if told else {}


async def test_it_signs_a_person_in_renews_and_signs_out(elsewhere: World) -> None:
    person = await elsewhere.app.make_user(full_name="Ada Lovelace")
    visitor = await elsewhere.visitor()
    tab = await visitor.tab(elsewhere.app_url)
    await status(tab, "ready")
    await tab.run("void signIn()")
    await tab.fill("[name=email]", person.email)
    await tab.fill("[name=password]", person.password)
    await tab.click("form:has([name=password]) button[type=submit]")
    await tab.click("button[name=decision][value=agree]")
    told = await status(tab, "signed in")
    assert (told["profile"]["email"], told["profile"]["name"]) == (person.email, "Ada Lovelace")

    await tab.run("renew()")
    renewed = await status(tab, "signed in")
    assert renewed["access_token"] != told["access_token"]
    assert renewed["profile"]["sub"] == told["profile"]["sub"]

    # Another tab of the same browser knows nothing of the app's session; the provider knows the person.
    second = await visitor.tab(elsewhere.app_url)
    await status(second, "ready")
    await second.run("void signIn()")
    assert (await status(second, "signed in"))["profile"]["sub"] == told["profile"]["sub"]

    await tab.run("void leave()")
    await status(tab, "signed out")
    await second.run("void signIn({ prompt: 'login' })")
    await second.until("document.querySelector('[name=password]') !== null")
