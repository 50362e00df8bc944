"""SECURITY row 28: steps of a sign-in at an application in every order, skipped, repeated, empty, of another browser.

A walk takes steps by chance. Whatever it does, a code comes only to a browser in which the password, the code of the
second factor and the agreement were given, each for itself and by the right person.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import pytest
from harness import Harness
from provider.applications import claims_of
from provider.relying_party import RelyingParty
from provider.visitor import Page, Visitor
from second_factor import Secured, secured

PROOFS = {"password", "second factor", "agreement"}


class Walk:
    """One browser that takes steps.

    Attributes:
        willing: whether its person does everything right now.
        proven: what was given so far.
        codes: those that came.
    """

    def __init__(self, app: Harness, party: RelyingParty, who: Secured, chance: random.Random) -> None:
        self.app, self.party, self.who, self.chance = app, party, who, chance
        self.browser = Visitor(app, who.person)
        self.willing = False
        self.proven: set[str] = set()
        self.codes: list[str] = []
        self.handles = ["never-given-out"]
        self.page: Page | None = None
        self.steps: list[Callable[[], Awaitable[Page | None]]] = [
            self.authorize,
            self.go_on,
            self.password,
            self.password,
            self.second_factor,
            self.second_factor,
            self.agreement,
            self.agreement,
            self.forged_agreement,
        ]

    async def take(self, step: Callable[[], Awaitable[Page | None]]) -> None:
        """One step, and what it leads to."""
        page = await step()
        if page is None:
            return
        assert page.status < 500, page.text
        self.page = page
        if "request" in page.told and not page.left:
            self.handles.append(page.told["request"])
        if page.left and "code" in page.told:
            assert self.proven >= PROOFS, f"a code after {self.proven}"
            self.codes.append(page.told["code"])

    async def authorize(self) -> Page:
        prompt = self.chance.choice([None, None, "none", "login", "consent"])
        return await self.browser.arrive(self.party.url(self.party.request(nonce=None, prompt=prompt)))

    async def authorize_plainly(self) -> Page:
        return await self.browser.arrive(self.party.url(self.party.request(nonce=None)))

    async def go_on(self) -> Page:
        handle = self.chance.choice(self.handles)
        return await self.browser.get(f"{self.browser.origin}/oauth/authorize/continue?request={handle}")

    async def password(self) -> Page:
        handle, right = self.chance.choice(self.handles), self.willing or self.chance.random() < 0.7
        page = await self.browser.get(f"{self.browser.origin}/login?request={handle}")
        if page.form("password") is None:
            return page
        told = self.who.person.password if right else self.chance.choice(["", "wrong", " "])
        page = await self.browser.submit(page, email=self.who.person.email, password=told)
        if right and page.form("code") is not None:
            self.proven.add("password")
        return page

    async def second_factor(self) -> Page:
        page = await self.browser.get(f"{self.browser.origin}/login/verify")
        if self.page is not None and self.page.form("code") is not None:
            page = self.page
        if page.form("code") is None:
            return page
        right = self.willing or self.chance.random() < 0.6
        self.app.clock.advance(30)  # each code is good for one use
        told = self.who.code(self.app) if right else self.chance.choice(["", self.who.wrong(self.app)])
        page = await self.browser.submit(page, code=told)
        if right and "password" in self.proven and (page.left or page.form("code") is None):
            self.proven.add("second factor")
            if page.left:
                assert "agreement" in self.proven or "error" in page.told
        return page

    async def agreement(self) -> Page:
        page = await self.browser.get(f"{self.browser.origin}/consent?request={self.chance.choice(self.handles)}")
        if page.form("decision") is None:
            return page
        if not self.willing and self.chance.random() < 0.2:
            return await self.browser.submit(page, ("decision", "decline"))
        self.proven.add("agreement")
        return await self.browser.submit(page, ("decision", "agree"))

    async def forged_agreement(self) -> Page:
        """As another site would send it, and as a script without the page's token."""
        url = f"{self.browser.origin}/oauth/authorize/consent"
        form = {"request": self.chance.choice(self.handles), "decision": "agree"}
        sent = self.browser.arrive if self.chance.random() < 0.5 else self.browser.post
        return await sent(url, form)


@pytest.mark.parametrize(
    ("walks", "steps"), [(2, 25), pytest.param(100, 60, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
async def test_no_order_of_steps_gives_a_code_without_every_proof(app: Harness, walks: int, steps: int) -> None:
    chance = random.Random(28)
    for _ in range(walks):
        party, who = await RelyingParty.at(app), await secured(app)
        walk, other = (Walk(app, party, who, chance) for _ in range(2))
        for number in range(steps):
            await walk.take(chance.choice(walk.steps))
            if number % 5 == 0:
                await other.take(other.authorize)
                walk.handles.append(other.handles[-1])  # of another browser: worth nothing in this one
        walk.willing, walk.codes = True, []
        app.clock.advance(900)  # who guessed has waited
        await walk.take(walk.authorize_plainly)
        walk.handles = walk.handles[-1:]
        for step in (walk.password, walk.second_factor, walk.agreement):
            if not walk.codes:
                await walk.take(step)
        assert walk.codes, "who does everything right arrives, whatever was tried before"
        reply = await party.redeem(walk.codes[-1])
        assert "mfa" in claims_of((await party.tokens(reply)).access_token)["amr"]
        assert other.codes == []
