"""Everything that a sign-in on the browser surface leaves in somebody's hands, at every door and in every order.

SECURITY §2 rows 22 and 26 (what was begun dies with what it stands on), 28 (no step without its proof) and 33 (a thing
of one kind opens no door of another).
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx2
import pytest
from browser import settle, tenant
from federation import LEAVING, Federation, Window, guid, link, someone
from harness import PASSWORD, Person
from letters import letters
from offers import offer
from second_factor import Secured, secured

NOTHING = {400, 401, 403, 404}
SESSION = "refresh_token"


@dataclass
class Owner:
    """Somebody of a tenant, with a second factor and an identity elsewhere, and what they have begun.

    Attributes:
        things: by kind; each works at its own door.
        browser: in which a further identity is being linked.
    """

    there: Federation
    who: Secured
    browser: Window
    things: dict[str, str]

    @property
    def person(self) -> Person:
        return self.who.person


async def ticket_of(window: Window, person: Person) -> str:
    """Of a sign-in that waits for its second step."""
    reply = await window.post("/login", {"email": person.email, "password": person.password})
    return str(reply.json()["session_token"])


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


async def owner(there: Federation) -> Owner:
    """Somebody with one thing of every kind."""
    app = there.app
    home = await there.tenant(tid := guid())
    who, identity = await secured(app, codes=True), someone(tid)
    person = who.person
    await settle(app, person, home)
    await link(there, person, identity)
    browser = Window(there)
    signed_in = await browser.post(
        "/mfa/verify", {"session_token": await ticket_of(browser, person), "totp_code": who.code(app)}
    )
    assert signed_in.status_code == 200, signed_in.text
    browser.access_token = signed_in.json()["access_token"]
    there.entra.who = someone(tid)
    callback = await browser.prove(await browser.link())
    arriving = Window(there)
    code = (await arriving.arrive(identity))["code"]
    await browser.post("/password-reset/request", {"email": person.email})
    return Owner(
        there,
        who,
        browser,
        {
            "access token": browser.access_token,
            "refresh cookie": browser.cookies[SESSION],
            "ticket": await ticket_of(Window(there), person),
            "code of the exchange": f"{code} {arriving.cookies[LEAVING]}",
            "state": callback,
            "link of the reset": (await letters(app, person.email, "password_reset"))[0].context["token"],
        },
    )


def opened(reply: httpx2.Response) -> bool:
    """Whether an answer gives a session."""
    found = any(line.startswith(f"{SESSION}=") and "Max-Age=0" not in line for line in cookies_of(reply))
    return found or "access_token" in reply.text


def cookies_of(reply: httpx2.Response) -> list[str]:
    return list(reply.headers.get_list("set-cookie"))


async def used(found: Owner, kind: str) -> httpx2.Response:
    """Use one of the things, in all else rightly."""
    there, thing = found.there, found.things[kind]
    match kind:
        case "access token":
            return await Window(there, access_token=thing).get("/me")
        case "refresh cookie":
            return await Window(there, {SESSION: thing}).post("/refresh")
        case "ticket":
            there.app.clock.advance(30)
            body = {"session_token": thing, "totp_code": found.who.code(there.app)}
            return await Window(there).post("/mfa/verify", body)
        case "code of the exchange":
            code, binding = thing.split()
            return await Window(there, {LEAVING: binding}).exchange(code)
        case "state":
            return await found.browser.callback(thing)
        case _:
            return await Window(there).post("/password-reset/confirm", {"token": thing, "new_password": PASSWORD * 2})


def worth(reply: httpx2.Response) -> bool:
    """Whether a thing was worth anything."""
    if reply.status_code == 302:
        return "error" not in parse_qs(urlsplit(str(reply.headers["location"])).query)
    return reply.status_code < 300


ENDS: dict[str, tuple[str, set[str]]] = {
    "deactivated": ('{"isActive": false}', set()),
    "rejected": ('{"approvalStatus": "REJECTED"}', set()),
    "a new password": ('{"password": "quite another passphrase"}', set()),
    "a new address": ('{"email": "moved-%s@example.com"}', set()),
    # The account goes on: what it does outside this tenant is its own.
    "out of the tenant": ("UPDATE tenant_members SET is_active = false WHERE user_id = $1", {"link of the reset"}),
    "a closed tenant": (
        "UPDATE tenants SET is_active = false WHERE id IN (SELECT tenant_id FROM tenant_members WHERE user_id = $1)",
        {"link of the reset"},
    ),
}


async def test_each_thing_is_worth_something_as_long_as_nothing_ends(there: Federation) -> None:
    found = await owner(there)
    for kind in found.things:
        reply = await used(found, kind)
        assert worth(reply), (kind, reply.text, reply.headers.get("location"))


@pytest.mark.parametrize("end", ENDS)
async def test_what_was_begun_dies_with_what_it_stands_on(there: Federation, end: str) -> None:
    found, (change, left) = await owner(there), ENDS[end]
    if change.startswith("{"):
        staff = await there.app.signed_in(global_role="PLATFORM_SUPERADMIN")
        body = change.replace("%s", secrets.token_hex(6))
        url, headers = f"/internal/users/{found.person.id}", {**staff.bearer, "Content-Type": "application/json"}
        assert (await there.app.http.patch(url, content=body, headers=headers)).status_code == 200
    else:
        await there.app.db.execute(change, found.person.id)
    replies = {kind: await used(found, kind) for kind in found.things}
    assert {kind for kind, reply in replies.items() if worth(reply) and opened_or_done(kind, reply)} == left
    assert not any(map(opened, replies.values()))


def opened_or_done(kind: str, reply: httpx2.Response) -> bool:
    """A linked identity of somebody who is out of the tenant is the account's own, and opens nothing here."""
    return kind != "state" or opened(reply)


async def test_row_33_a_thing_of_one_kind_opens_no_door_of_another(there: Federation) -> None:
    found = await owner(there)
    demanding = await tenant(there.app, mfa_required=True)
    waits = await there.app.make_user()
    await settle(there.app, waits, demanding)
    code, binding = found.things["code of the exchange"].split()
    kinds = {
        **found.things,
        "code of the exchange": code,
        "state": state_of(found.things["state"]),
        "set-up ticket": await ticket_of(Window(there), waits),
        "invitation": (await offer(there.app)).token,
        "recovery code": found.who.codes[0],
        "platform token": (platform := await there.app.signed_in()).access_token,
        "platform refresh token": platform.refresh_token,
        "session id": platform.session_id,
    }
    browser = {LEAVING: binding}
    new = {"password": PASSWORD, "full_name": "Gil Guest"}
    doors: dict[str, tuple[str, Callable[[str], Awaitable[httpx2.Response]]]] = {
        "me": ("access token", lambda thing: Window(there, access_token=thing).get("/me")),
        "refresh": ("refresh cookie", lambda thing: Window(there, {SESSION: thing}).post("/refresh")),
        "exchange": ("code of the exchange", lambda thing: Window(there, browser).exchange(thing)),
        "callback": ("state", lambda thing: found.browser.get("/microsoft/callback", state=thing, error="x")),
        "reset": (
            "link of the reset",
            lambda thing: Window(there).post("/password-reset/confirm", {"token": thing, "new_password": PASSWORD}),
        ),
        "look": ("invitation", lambda thing: Window(there).get(f"/invitations/{thing}")),
        "accept": ("invitation", lambda thing: Window(there).post(f"/invitations/{thing}/accept", new)),
        "set-up": ("set-up ticket", lambda thing: Window(there).post("/mfa/setup", {"session_token": thing})),
        "verify": (
            "ticket",
            lambda thing: Window(there).post(
                "/mfa/verify", {"session_token": thing, "totp_code": found.who.code(there.app, 1)}
            ),
        ),
        "passkey": ("ticket", lambda thing: Window(there).post("/passkeys/mfa/options", {"session_token": thing})),
        "first passkey": (
            "set-up ticket",
            lambda thing: Window(there).post("/passkeys/register/options", {"session_token": thing}),
        ),
    }
    for door, (own, ask) in doors.items():
        for kind, thing in kinds.items():
            if kind != own:
                reply = await ask(thing)
                told = dict(parse_qsl(urlsplit(reply.headers.get("location", "")).query))
                assert reply.status_code in NOTHING or told == {"error": "state_invalid"}, (kind, door, reply.text)
                assert not opened(reply), (kind, door)
    for door in ("me", "verify", "exchange", "set-up", "accept"):  # a second step that begins voids an earlier one
        own, ask = doors[door]
        reply = await ask(kinds[own])
        assert worth(reply), (door, reply.text)


class Walk:
    """One browser that takes steps of a sign-in by chance.

    Attributes:
        tickets: what steps gave; the last one of each account is the one that counts.
        newest: of the person's sign-ins with the right password.
    """

    def __init__(self, there: Federation, who: Secured, other: Secured, chance: random.Random) -> None:
        self.there, self.who, self.other, self.chance = there, who, other, chance
        self.browser = Window(there)
        self.tickets = ["", "never-given-out", "A" * 43]
        self.newest = self.used_code = ""
        self.steps = [self.password] * 3 + [self.second_factor] * 4
        self.steps += [self.of_somebody_else, self.set_up, self.enable, self.passkey, self.exchange, self.callback]

    async def take(self, step: Callable[[], Awaitable[tuple[httpx2.Response, bool]]]) -> httpx2.Response:
        """One step; a session comes with all proofs and never without."""
        reply, proven = await step()
        assert reply.status_code < 500, reply.text
        assert opened(reply) == proven, (step.__name__, reply.text)
        if proven:
            self.newest, self.browser.cookies = "", {}
        return reply

    async def password(self) -> tuple[httpx2.Response, bool]:
        told = self.chance.choice([self.who.person.password] * 3 + ["", "wrong", self.other.person.email])
        reply = await self.browser.post("/login", {"email": self.who.person.email, "password": told})
        if reply.status_code == 200:
            self.newest = reply.json()["session_token"]
            self.tickets.append(self.newest)
        return reply, False

    async def of_somebody_else(self) -> tuple[httpx2.Response, bool]:
        """The first step of another account; its ticket with this one's code is worth nothing."""
        reply = await self.browser.post("/login", {"email": self.other.person.email, "password": PASSWORD})
        self.tickets.append(reply.json()["session_token"])
        return reply, False

    async def second_factor(self) -> tuple[httpx2.Response, bool]:
        app = self.there.app
        app.clock.advance(self.chance.choice([0, 30, 30]))
        ticket = self.chance.choice([self.newest, self.newest, *self.tickets])
        code = self.chance.choice([self.who.code(app)] * 4 + ["", self.who.wrong(app), self.who.codes[0][:-1]])
        field = self.chance.choice(["totp_code"] * 5 + ["recovery_code"])
        reply = await self.browser.post("/mfa/verify", {"session_token": ticket, field: code})
        # Which factor a code is of is told by its form, not by its field.
        right = bool(ticket) and ticket == self.newest and code == self.who.code(app)
        # Five wrong tries end a ticket, ten in a quarter of an hour wait: then even the right code is refused.
        proven = right and code != self.used_code and reply.status_code == 200
        self.used_code = code if proven else self.used_code
        return reply, proven

    async def set_up(self) -> tuple[httpx2.Response, bool]:
        reply = await self.browser.post("/mfa/setup", {"session_token": self.chance.choice(self.tickets)})
        assert reply.status_code in NOTHING, reply.text
        return reply, False

    async def enable(self) -> tuple[httpx2.Response, bool]:
        body = {"session_token": self.chance.choice(self.tickets), "totp_code": self.who.code(self.there.app)}
        reply = await self.browser.post("/mfa/enable", body)
        assert reply.status_code in NOTHING, reply.text
        return reply, False

    async def passkey(self) -> tuple[httpx2.Response, bool]:
        what = self.chance.choice(["/passkeys/mfa", "/passkeys/login", "/passkeys/mfa/options"])
        body = {"session_token": self.chance.choice(self.tickets), "credential": {}}
        return await self.browser.post(what, body if "mfa" in what else {"credential": {}}), False

    async def exchange(self) -> tuple[httpx2.Response, bool]:
        return await self.browser.exchange(self.chance.choice(self.tickets)), False

    async def callback(self) -> tuple[httpx2.Response, bool]:
        """Back from the provider without having been there."""
        state = state_of(await self.browser.leave()) if self.chance.random() < 0.7 else ""
        told = self.chance.choice([{}, {"code": "x"}, {"error": "server_error"}, {"code": ""}])
        reply = await self.browser.get("/microsoft/callback", state=state, **told)
        assert "error=" in reply.headers["location"]
        return reply, False


@pytest.mark.parametrize(
    ("walks", "steps"), [(2, 60), pytest.param(100, 120, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
async def test_row_28_no_order_of_steps_opens_a_session_without_every_proof(
    there: Federation, walks: int, steps: int
) -> None:
    chance, app, came = random.Random(28), there.app, 0
    for _ in range(walks):
        who, other = await secured(app, codes=True), await secured(app)
        home = await tenant(app)
        for person in (who.person, other.person):
            await settle(app, person, home)
        walk = Walk(there, who, other, chance)
        for _ in range(steps):
            came += opened(await walk.take(chance.choice(walk.steps)))
        app.clock.advance(900)  # who guessed has waited
        ticket = await ticket_of(Window(there), who.person)
        done = await Window(there).post("/mfa/verify", {"session_token": ticket, "totp_code": who.code(app)})
        assert done.status_code == 200, "who does everything right arrives, whatever was tried before"
    assert came >= walks, "the walks are such that some arrive"
