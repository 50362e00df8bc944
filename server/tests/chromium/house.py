"""A server with its own pages, and people who look at them in a real browser."""

from __future__ import annotations

from dataclasses import dataclass

from harness import Harness, Person

from chromium.devtools import DevTools, Tab

LOADED = "document.readyState === 'complete'"


@dataclass(frozen=True, slots=True)
class House:
    """A server with its pages, and a browser."""

    app: Harness
    devtools: DevTools
    url: str

    async def tab(self, *, scripts: bool) -> Tab:
        """A tab of a new visitor."""
        tab = await self.devtools.tab(await self.devtools.profile())
        await tab.send("Log.enable")
        await tab.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        return tab

    async def passkeys(self, tab: Tab) -> str:
        """Give the browser of a tab a place for passkeys, which confirms whatever it is asked for; its id."""
        await tab.send("WebAuthn.enable")
        made = await tab.send(
            "WebAuthn.addVirtualAuthenticator",
            options={
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            },
        )
        return str(made["authenticatorId"])

    async def sign_in(self, tab: Tab, person: Person) -> None:
        await tab.goto(f"{self.url}/login")
        await tab.fill("[name=email]", person.email)
        await tab.fill("[name=password]", person.password)
        await tab.click("button.primary")
        await at(tab, "/account")


async def at(tab: Tab, path: str) -> None:
    """Wait until the browser is on a page."""
    await tab.until(f"location.pathname === '{path}' && {LOADED}")


async def tells(tab: Tab, words: str) -> None:
    """Wait until the page says so."""
    await tab.until(f"document.body.innerText.includes({words!r})")


async def clean(tab: Tab) -> None:
    """Close a tab that ran into its pages' own policy nowhere."""
    told = [event["entry"]["text"] for event in tab.events("Log.entryAdded")]
    assert not [text for text in told if "Content Security Policy" in text]
    await tab.close()
