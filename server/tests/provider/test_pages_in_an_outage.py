"""PostgreSQL goes away while somebody signs in or looks at pages: they are told to try again, nothing is half done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import pytest
from faults.proxy import FaultProxy, Mode
from federation import Federation, Window, federation, guid, someone
from harness import PASSWORD, Harness, Person, Servers
from provider.applications import App, application
from provider.authorization import CALLBACK, request_of
from provider.page_browser import ORIGIN, Page, PageBrowser
from provider.people import log_in, member, public_app
from provider.test_authorize import id_token
from provider.test_link_pages import link_to
from provider.test_magic_links import link_for, redeem, sending_app
from second_factor import secured, ticket_for, verify

from identry.records import app_members

SECTIONS = ["", "/profile", "/security", "/sessions", "/apps", "/identities", "/history", "/email", "/passkeys"]


@dataclass(frozen=True, slots=True)
class House:
    """An application that knows a provider, and the way to its PostgreSQL."""

    there: Federation
    way: FaultProxy

    @property
    def app(self) -> Harness:
        """The application."""
        return self.there.app

    @asynccontextmanager
    async def cut(self, at: bytes = b"") -> AsyncIterator[None]:
        """PostgreSQL is away in here: from now on, or from when it is told this, whichever connection tells it."""
        if at:
            self.way.cut_at = at
        else:
            self.way.set(Mode.CUT)
        try:
            yield
            assert self.way.mode is Mode.CUT, "it was never told"
        finally:
            self.way.cut_at = b""
            self.way.set(Mode.PASS)
            await self.settled()

    async def settled(self) -> None:
        """Wait until no connection of the pool is a dead one."""
        good = 0
        while good < 10:
            good = good + 1 if (await self.app.http.get("/ready")).status_code == 200 else 0


@pytest.fixture(scope="module")
async def house(servers: Servers) -> AsyncIterator[House]:
    """An application of its own on the database of all."""
    folder = unquote(parse_qs(urlsplit(servers.postgres_url).query)["host"][0])
    async with FaultProxy(f"{folder}/.s.PGSQL.5432", 0) as way:
        there = replace(servers, postgres_url=f"postgresql://postgres@127.0.0.1:{way.port}/identry")
        async with federation(there) as made:
            yield House(made, way)


async def alive(app: Harness, person: Person) -> int:
    """How many sessions of somebody go on."""
    return int(
        await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1 AND revoked_at IS NULL", person.id)
    )


def is_told_to_try_again(reply: Any) -> bool:
    """Whether an answer is the page of an outage, which says what to do and takes nothing away."""
    assert (reply.status_code, reply.headers["content-type"]) == (503, "text/html; charset=utf-8"), reply.text
    assert reply.headers["retry-after"]
    assert reply.headers["cache-control"] == "no-store"
    assert "set-cookie" not in reply.headers
    return "Try again in a moment" in reply.text and "Back in a moment" in reply.text


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that somebody is about to do on a page.

    Attributes:
        send: does it.
        told: what PostgreSQL is told last of it.
        done: whether it was done.
        after: where the page goes then.
    """

    send: Callable[[], Awaitable[Any]]
    told: bytes
    done: Callable[[], Awaitable[bool]]
    after: str


async def _asked(house: House) -> tuple[App, PageBrowser]:
    made = await application(house.app, redirect_uris=[CALLBACK])
    person, browser = await house.app.make_user(), PageBrowser(house.app)
    await browser.open(f"/oauth/authorize?{urlencode(request_of(made))}")
    page = await browser.submit("/login", email=person.email, password=person.password)
    assert page.path.startswith("/consent")
    return made, browser


async def _signed_in(house: House) -> tuple[Person, PageBrowser]:
    person, browser = await house.app.make_user(), PageBrowser(house.app)
    assert (await browser.sign_in(person)).path == "/account"
    return person, browser


def _form(browser: PageBrowser, ending: str, **fields: str) -> Callable[[], Awaitable[Any]]:
    form = browser.page.form(ending)

    async def send() -> Any:
        return await browser.send("POST", form.action, data={**form.fields, **fields}, headers={"Origin": ORIGIN})

    return send


async def _consent(house: House, decision: str) -> Deed:
    made, browser = await _asked(house)

    async def granted() -> bool:
        given = await house.app.db.fetchval("SELECT count(*) FROM consents WHERE client_id = $1", made.client.id)
        return bool(given) if decision == "agree" else await _closed(house, made)

    told = b"oauth.consent.granted" if decision == "agree" else b"oauth.consent.declined"
    after = "/oauth/authorize/continue" if decision == "agree" else CALLBACK
    return Deed(_form(browser, "/consent", decision=decision), told, granted, after)


async def _closed(house: House, made: App) -> bool:
    left = "SELECT count(*) FROM authorization_requests WHERE client_id = $1 AND consumed_at IS NULL"
    return not await house.app.db.fetchval(left, made.client.id)


async def agree(house: House) -> Deed:
    """Somebody lets an application in."""
    return await _consent(house, "agree")


async def decline(house: House) -> Deed:
    """Somebody does not."""
    return await _consent(house, "decline")


async def log_out_by_application(house: House) -> Deed:
    """An application signs its person out."""
    person, browser = await _signed_in(house)
    made = await application(house.app)
    hint = await id_token(house.app, made, person.id)

    async def send() -> Any:
        return await browser.send("GET", f"/oauth/logout?{urlencode({'id_token_hint': hint})}", headers=_HTML)

    return Deed(send, b"auth.logout", _over(house, person), "/signed-out")


async def log_out_on_the_page(house: House) -> Deed:
    """Somebody confirms that they want to go."""
    person, browser = await _signed_in(house)
    await browser.open("/logout")
    return Deed(_form(browser, "/logout/confirm"), b"auth.logout", _over(house, person), "/signed-out")


async def log_out_of_the_account(house: House) -> Deed:
    """Somebody leaves their account."""
    person, browser = await _signed_in(house)
    return Deed(_form(browser, "/account/logout"), b"auth.logout", _over(house, person), "/signed-out")


async def change_the_profile(house: House) -> Deed:
    """Somebody gets another name."""
    person, browser = await _signed_in(house)
    await browser.open("/account/profile")

    async def renamed() -> bool:
        return bool(await house.app.db.fetchval("SELECT full_name = 'Ada King' FROM users WHERE id = $1", person.id))

    send = _form(browser, "/profile", full_name="Ada King")
    return Deed(send, b"user.profile_changed", renamed, "/account/profile")


async def change_the_password(house: House) -> Deed:
    """Somebody gets another password."""
    person, browser = await _signed_in(house)
    await browser.open("/account/password")
    before = await house.app.db.fetchval("SELECT password_hash FROM users WHERE id = $1", person.id)

    async def changed() -> bool:
        return bool(before != await house.app.db.fetchval("SELECT password_hash FROM users WHERE id = $1", person.id))

    new = {"current_password": PASSWORD, "new_password": "another horse, another battery"}
    return Deed(_form(browser, "/password", **new), b"auth.password.changed", changed, "/account/security")


def _over(house: House, person: Person) -> Callable[[], Awaitable[bool]]:
    async def over() -> bool:
        return await alive(house.app, person) == 0

    return over


_HTML = {"Accept": "text/html"}
DEEDS = [
    agree,
    decline,
    log_out_by_application,
    log_out_on_the_page,
    log_out_of_the_account,
    change_the_profile,
    change_the_password,
]


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
async def test_what_is_cut_off_in_the_middle_is_not_done_and_can_be_sent_again(
    house: House, deed: Callable[[House], Awaitable[Deed]]
) -> None:
    about = await deed(house)
    async with house.cut(at=about.told):
        reply = await about.send()
    assert is_told_to_try_again(reply)
    assert ("send the form once more" in reply.text) is (reply.request.method == "POST")
    assert not await about.done()
    reply = await about.send()
    assert (reply.status_code, urlsplit(reply.headers["location"])._replace(query="").geturl()) in {
        (302, about.after),
        (303, about.after),
    }
    assert await about.done()


async def link_on_the_page(house: House) -> Proof:
    """Somebody comes by a mailed link."""
    return await _by_link(house, await house.app.make_user(), "/account")


async def link_before_a_second_factor(house: House) -> Proof:
    """Somebody comes by a mailed link, and is asked for a code."""
    return await _by_link(house, (await secured(house.app)).person, "/login/verify")


async def _by_link(house: House, person: Person, after: str) -> Proof:
    browser = PageBrowser(house.app)
    await browser.open(await link_to(house.app, person))
    send = _form(browser, "/login/link/open")

    async def arrives() -> bool:
        return str((await send()).headers.get("location", "")) == after

    return Proof(send, b'"amr":["otp"]', arrives)


async def link_of_an_application(house: House) -> Proof:
    """Somebody who never proved the address comes by a link to an application."""
    made, header = await sending_app(house.app)
    person = await member(house.app, made, email_verified=False)
    token = await link_for(house.app, made, header, person.email)
    return _answered(lambda: redeem(house.app, made, token), _OPENED + b"\x0amagic_link")


async def recovery_code(house: House) -> Proof:
    """Somebody types a recovery code."""
    ada = await secured(house.app, codes=True)
    ticket = await ticket_for(house.app, ada.person)
    return _answered(lambda: verify(house.app, ticket, ada.codes[0]), b'"amr":["pwd","otp","mfa"]')


async def recovery_code_at_an_application(house: House) -> Proof:
    """Somebody sends one with the password."""
    made, ada = await public_app(house.app), await secured(house.app, codes=True)
    await app_members.insert(
        house.app.db, made.client.id, ada.person.id, "user", invite_sent=False, now=house.app.clock.now()
    )
    send = partial(log_in, house.app, made, ada.person.email, mfa_code=ada.codes[0])
    return _answered(send, _OPENED + b"\x08password")


async def code_of_a_provider(house: House) -> Proof:
    """Somebody comes back from a provider."""
    window, directory = Window(house.there), guid()
    await house.there.tenant(directory)
    code = (await window.arrive(someone(directory)))["code"]
    return _answered(lambda: window.exchange(code), b'"amr":["sso"]')


_OPENED = b"auth.login.succeeded\0\0\0"
"""The beginning of how a grant is opened: an event, the length of what follows, by what."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Something that works once.

    Attributes:
        send: presents it.
        told: what PostgreSQL is told when it opens something.
        works: presents it again.
    """

    send: Callable[[], Awaitable[Any]]
    told: bytes
    works: Callable[[], Awaitable[bool]]


def _answered(send: Callable[[], Awaitable[Any]], told: bytes) -> Proof:
    async def works() -> bool:
        return (await send()).status_code == 200

    return Proof(send, told, works)


PROOFS = [
    link_on_the_page,
    link_before_a_second_factor,
    link_of_an_application,
    recovery_code,
    recovery_code_at_an_application,
    code_of_a_provider,
]


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.__name__)
async def test_what_works_once_is_not_spent_by_an_outage_before_it_opened_anything(
    house: House, proof: Callable[[House], Awaitable[Proof]]
) -> None:
    made = await proof(house)
    async with house.cut(at=made.told):
        reply = await made.send()
    assert (reply.status_code, bool(reply.headers["retry-after"])) == (503, True)
    assert await made.works()
    assert not await made.works()


async def test_no_page_takes_an_outage_for_somebody_who_is_not_signed_in(house: House) -> None:
    person, browser = await _signed_in(house)
    made = await application(house.app, redirect_uris=[CALLBACK])
    asked = f"/oauth/authorize?{urlencode(request_of(made))}"
    async with house.cut():
        for path in [*(f"/account{section}" for section in SECTIONS), "/logout", "/oauth/logout", "/device", asked]:
            reply = await browser.send("GET", path, headers=_HTML)
            assert is_told_to_try_again(reply), path
            assert Page(reply, path).links.count(path) == 1, "the button that tries again"
    assert (await browser.open("/account/sessions")).path == "/account/sessions"
    assert await alive(house.app, person) == 1
