"""Passkeys in a real browser: Chromium's own WebAuthn code, with an authenticator that it simulates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from browser import settle, tenant
from harness import Person
from second_factor import secured

from chromium.devtools import Tab
from chromium.world import Visitor, World, me, problem, sees, sign_in

pytestmark = pytest.mark.timeout(420)  # on a bare machine the browser is installed first

KINDS = {
    "a laptop's own": {"transport": "internal", "defaultBackupEligibility": True, "defaultBackupState": True},
    "a security key": {"transport": "usb"},
}


@dataclass
class Authenticator:
    """One that Chromium simulates in a tab; it confirms whatever it is asked for."""

    tab: Tab
    id: str

    @classmethod
    async def plugged_into(cls, tab: Tab, **how: Any) -> Authenticator:
        await tab.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
            **how,
        }
        made = await tab.send("WebAuthn.addVirtualAuthenticator", options=options)
        return cls(tab, str(made["authenticatorId"]))

    async def keys(self) -> list[dict[str, Any]]:
        return list((await self.tab.send("WebAuthn.getCredentials", authenticatorId=self.id))["credentials"])

    async def put(self, key: dict[str, Any]) -> None:
        await self.tab.send("WebAuthn.addCredential", authenticatorId=self.id, credential=key)

    async def recognises(self, verified: bool) -> None:
        await self.tab.send("WebAuthn.setUserVerified", authenticatorId=self.id, isUserVerified=verified)


async def member(world: World, **of_tenant: Any) -> Person:
    person = await world.app.make_user()
    await settle(world.app, person, await tenant(world.app, **of_tenant))
    return person


async def lists(tab: Tab, selector: str) -> list[str]:
    """Click something of the list's page, and wait until the list was read again; the names in it."""
    shown = "(document.querySelector('#view').dataset.shown ?? '')"
    before = await tab.run(shown)
    await tab.click(selector)
    await tab.until(f"{shown} !== '{before}' && document.querySelector('#list') !== null")
    found = "[...document.querySelectorAll('#list [name=name]')].map(input => input.value)"
    return [str(name) for name in await tab.run(found)]


async def add(tab: Tab, name: str) -> None:
    """From the account page: add a passkey."""
    assert await lists(tab, "[data-do=passkeys]") == []
    await tab.fill("form[data-do=addPasskey] [name=name]", name)
    assert await lists(tab, "form[data-do=addPasskey] button") == [name]


async def log_out(tab: Tab) -> None:
    await tab.click("[data-do=whoAmI]")
    await sees(tab, "account")
    await tab.click("[data-do=logOut]")
    await sees(tab, "sign-in")


async def with_passkey(world: World, person: Person, **how: Any) -> tuple[Visitor, Tab, Authenticator]:
    """Somebody who has added a passkey and logged out."""
    visitor = await world.visitor()
    tab = await visitor.signed_in(person)
    authenticator = await Authenticator.plugged_into(tab, **how)
    await add(tab, "This browser")
    await log_out(tab)
    return visitor, tab, authenticator


@pytest.mark.parametrize("how", KINDS.values(), ids=KINDS)
async def test_a_passkey_is_added_and_signs_in_without_a_password(world: World, how: dict[str, Any]) -> None:
    person = await member(world)
    visitor, tab, authenticator = await with_passkey(world, person, **how)
    [key] = await authenticator.keys()
    assert key["isResidentCredential"]
    assert key["rpId"] == "localhost"
    assert await visitor.cookie(tab) is None
    await tab.click("[data-do=signInWithPasskey]")
    await sees(tab, "account")
    assert (await me(tab))["email"] == person.email
    assert (await me(tab))["auth_methods"] == ["password", "passkey"]
    await tab.reload()
    await sees(tab, "account")
    amr = await world.app.db.fetchval("SELECT amr FROM sessions WHERE user_id = $1 ORDER BY id DESC LIMIT 1", person.id)
    assert amr == ["swk" if how["transport"] == "internal" else "hwk", "user", "mfa"]


async def test_a_passkey_is_renamed_and_removed_and_the_browser_forgets_it(world: World) -> None:
    person = await member(world)
    visitor = await world.visitor()
    tab = await visitor.signed_in(person)
    authenticator = await Authenticator.plugged_into(tab)
    await add(tab, "This browser")
    await tab.fill("form[data-do=renamePasskey] [name=name]", "Ada’s laptop")
    assert await lists(tab, "form[data-do=renamePasskey] button") == ["Ada’s laptop"]
    assert await lists(tab, "[data-do=removePasskey]") == []
    await log_out(tab)
    assert await authenticator.keys() == []
    await tab.click("[data-do=signInWithPasskey]")
    assert await problem(tab) == "NotAllowedError"
    await sees(tab, "sign-in")


async def test_a_device_that_has_a_passkey_gets_no_second_one(world: World) -> None:
    visitor = await world.visitor()
    tab = await visitor.signed_in(await member(world))
    authenticator = await Authenticator.plugged_into(tab)
    await add(tab, "This browser")
    await tab.fill("form[data-do=addPasskey] [name=name]", "Again")
    await tab.click("form[data-do=addPasskey] button")
    assert await problem(tab) == "InvalidStateError"
    assert len(await authenticator.keys()) == 1


async def test_a_passkey_is_the_second_step_of_somebody_with_an_app(world: World) -> None:
    ada = await secured(world.app)
    await settle(world.app, ada.person, await tenant(world.app))
    visitor = await world.visitor()
    tab = await visitor.tab()
    await sign_in(tab, ada.person)
    await sees(tab, "second-factor")
    await tab.fill("[name=code]", ada.code(world.app))
    await tab.click("form[data-do=verify] button")
    await sees(tab, "account")
    await Authenticator.plugged_into(tab)
    await add(tab, "This browser")
    await log_out(tab)
    await sign_in(tab, ada.person)
    await sees(tab, "second-factor")
    assert await visitor.cookie(tab) is None
    await tab.click("[data-do=verifyWithPasskey]")
    await sees(tab, "account")


async def test_a_demanded_second_factor_is_set_up_as_a_passkey(world: World) -> None:
    person = await member(world, mfa_required=True)
    visitor = await world.visitor()
    tab = await visitor.tab()
    authenticator = await Authenticator.plugged_into(tab)
    await sign_in(tab, person)
    await sees(tab, "mfa-setup")
    assert await visitor.cookie(tab) is None
    await tab.click("[data-do=addPasskey]")
    await sees(tab, "account")
    assert (await me(tab))["must_enroll_mfa"] is False
    assert len(await authenticator.keys()) == 1
    await tab.click("[data-do=logOut]")
    await sees(tab, "sign-in")
    await sign_in(tab, person)
    await sees(tab, "second-factor")
    await tab.click("[data-do=verifyWithPasskey]")
    await sees(tab, "account")


async def test_whom_the_device_does_not_recognise_it_lets_nowhere(world: World) -> None:
    _, tab, authenticator = await with_passkey(world, await member(world))
    await authenticator.recognises(False)
    await tab.click("[data-do=signInWithPasskey]")
    assert await problem(tab) == "NotAllowedError"
    await sees(tab, "sign-in")


async def test_a_copy_of_a_key_that_counts_is_noticed(world: World) -> None:
    person = await member(world)
    _, tab, authenticator = await with_passkey(world, person, transport="usb")
    [copy] = await authenticator.keys()
    for _ in range(2):
        await tab.click("[data-do=signInWithPasskey]")
        await sees(tab, "account")
        await tab.click("[data-do=logOut]")
        await sees(tab, "sign-in")
    thief = await (await world.visitor()).tab()
    stolen = await Authenticator.plugged_into(thief, transport="usb")
    await stolen.put(copy)
    await thief.click("[data-do=signInWithPasskey]")
    assert await problem(thief) == "invalid_credentials"
    [row] = await world.app.audit("auth.passkey.counter_went_back", target_user_id=person.id)
    assert row["outcome"] == "failure"


async def test_a_page_of_another_site_cannot_ask_for_the_passkey(world: World) -> None:
    visitor, tab, _ = await with_passkey(world, await member(world))
    asked = f"""
        fetch("{world.api_url}/api/v1/auth/passkeys/login/options",
              {{method: "POST", credentials: "include", headers: {{"Content-Type": "application/json"}}}})
        .then(answer => answer.json()).then(told => JSON.stringify(told.public_key))
    """
    options = await tab.run(asked)
    foreign = await visitor.tab(f"{world.foreign_url}/config.json")
    assert await foreign.run(f"({asked.strip()}).catch(error => error.name)") == "TypeError"
    sign = "navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(%s)})"
    # A site that is not https has no such thing at all; one that is would be refused for the domain.
    assert (
        await foreign.run("typeof navigator.credentials") == "undefined"
        or await foreign.run(f"{sign % options}.catch(error => error.name)") == "SecurityError"
    )
