"""Nothing crosses between two tenants, whichever operation is asked by whom and whatever it names (SECURITY F23).

What is expected is read from the rows of the database, not from the code under test. The short form is part of every
run, the long one of `make test-long`.
"""

from __future__ import annotations

import random
from collections import Counter
from http.cookies import SimpleCookie
from typing import Any

import pytest
from harness import Harness

from identry.web.operations import Guard, Operation
from two_tenants.requests import Asked, Maker, NoRequest
from two_tenants.sides import RIGHTS, UUIDS, Caller, Ownership, Side

BURST = 10
"""Calls in a row by people of the same side."""
LIFE = 500
"""Calls until both are made anew, because much has been deleted."""

ANYBODY = {"/api/v1/auth/password-reset/request": "whoever knows an address may have a mail sent to it"}
"""Open routes that may write something of the other side's people; not asked with their addresses."""


def surface(app: Harness) -> list[Operation]:
    """Every operation of the browser surface."""
    return [operation for operation in app.app.operations if operation.surface == "browser"]


async def two_sides(app: Harness) -> tuple[Side, Side]:
    owned = await Ownership.read(app)
    one, other = await Side(app, owned).made(), await Side(app, owned).made()
    await one.arrive(other)
    await other.arrive(one)
    return one, other


async def ask(rng: random.Random, asked: Asked, own: Side, other: Side, caller: Caller) -> Any:
    """Send it as the caller's page would; sometimes with a header that names the other tenant."""
    headers = caller.browser._headers()
    if rng.random() < 0.1:
        headers |= {"X-Tenant": str(other.id), "X-Org": str(other.id), "X-Tenant-Id": str(other.id)}
    if asked.body is None and asked.method != "GET":
        headers["Content-Type"] = "application/json"
    body = {} if asked.body is None else {"json": asked.body}
    reply = await own.app.http.request(asked.method, asked.path, headers=headers, **body)
    for line in reply.headers.get_list("set-cookie"):
        if cookie := SimpleCookie(line).get("refresh_token"):
            caller.browser.cookie = cookie.value
    return reply


def spoilt(rng: random.Random, token: str) -> str:
    """No token, or one that nobody signed."""
    return rng.choice(["", f"{token[:-4]}{'AAAA' if token[-4:] != 'AAAA' else 'BBBB'}"])


WITH_A_TOKEN = {Guard.BROWSER, Guard.BROWSER_TOKEN}


def allows(keys: set[str], permission: str) -> bool:
    return bool({"*", permission, f"{permission.split(':')[0]}:*"} & keys)


async def one_call(rng: random.Random, operation: Operation, own: Side, other: Side) -> str:
    """One call as somebody of `own`; returns what it came to."""
    caller = own.callers[rng.choice(list(RIGHTS))]
    token = caller.browser.access_token
    if stranger := operation.guard in WITH_A_TOKEN and rng.random() < 0.03:
        caller.browser.access_token = spoilt(rng, token)
    alive, keys = await own.standing(caller)
    asked = await Maker(rng, own, other, caller).request(operation)
    if operation.path in ANYBODY and other.mark in str(asked.body):
        asked.body = {**(asked.body or {}), "email": caller.person.email}
    theirs = await other.snapshot()
    reply = await ask(rng, asked, own, other, caller)
    where = f"{caller.kind} {asked} → {reply.status_code} {reply.text}"
    assert reply.status_code < 500, where
    shown = set(UUIDS.findall(reply.text)) & (theirs.ids - own.shared)
    assert not shown, f"shows {shown} of the other tenant: {where}"
    text = reply.text
    for address in own.told:
        text = text.replace(address, "")
    assert other.mark not in text or other.mark in str(asked), f"shows names of the other tenant: {where}"
    if operation.method != "GET":
        own.touched()
        assert await other.unchanged(), f"changes the other tenant: {where}"
    outcome = judged(operation, asked, reply, where, known=alive and not stranger, keys=keys)
    caller.browser.access_token = token
    still = alive if operation.method == "GET" else (await own.standing(caller))[0]
    if not still or not caller.browser.cookie:
        await own.replace(caller.kind, other)
    return outcome


def judged(operation: Operation, asked: Asked, reply: Any, where: str, *, known: bool, keys: set[str]) -> str:
    """Hold an answer against what caller and targets are; returns what it came to."""
    if operation.guard not in WITH_A_TOKEN:
        return "open"
    if not known:
        assert reply.status_code == 401, where
        return "unknown"
    if operation.permission and not allows(keys, operation.permission):
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "permission_denied"), where
        return "denied"
    if not asked.mine:
        assert reply.status_code == 404 if asked.method == "GET" else 400 <= reply.status_code < 500, where
        return "foreign"
    return "done" if reply.status_code < 400 else "refused"


async def run(app: Harness, calls: int, seed: int) -> Counter[str]:
    rng = random.Random(seed)
    operations = surface(app)
    assert len(operations) >= 27
    count: Counter[str] = Counter()
    sides = await two_sides(app)
    own, other = sides
    for i in range(calls):
        if i % LIFE == LIFE - 1:
            sides = await two_sides(app)
        if i % BURST == 0:
            own, other = sides if rng.random() < 0.5 else sides[::-1]
        operation = operations[(i // BURST + i * 7) % len(operations)]
        count[await one_call(rng, operation, own, other)] += 1
    return count


async def test_everybody_can_make_a_request_of_every_operation(app: Harness) -> None:
    own, other = await two_sides(app)
    missing = []
    for operation in surface(app):
        for seed in range(8):  # optional fields come and go
            try:
                await Maker(random.Random(seed), own, other, own.callers["ADMIN"]).request(operation)
            except NoRequest as nobody_knows:
                missing.append(str(nobody_knows))
                break
    assert missing == []


@pytest.mark.timeout(900)
async def test_nothing_crosses_between_two_tenants(app: Harness) -> None:
    count = await run(app, 5_000, seed=1)
    assert count.total() == 5_000
    assert min(count[outcome] for outcome in ("denied", "foreign", "done", "open")) > 400, count


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10))
async def test_nothing_crosses_between_two_tenants_in_the_long_form(app: Harness, seed: int) -> None:
    count = await run(app, 5_000, seed=100 + seed)
    assert count.total() == 5_000
