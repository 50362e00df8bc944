"""Whatever the provider gives out for one use is good for one, however many come with it at once (SECURITY row 15)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from harness import Harness
from provider.applications import claims_of
from provider.proofs import ASSERTION, Holder
from provider.relying_party import RelyingParty, visitor

from identry.tokens import session_of_jti

SERVICE = {"grant_type": "client_credentials"}

Uses = Callable[[], Awaitable[Any]]


async def at_once(count: int, use: Uses) -> list[Any]:
    """What came of so many uses that begin together."""
    return await asyncio.gather(*(use() for _ in range(count)))


def succeeded(reply: httpx2.Response, otherwise: str) -> bool:
    """Whether a use succeeded; who did not is told this error, or (when all connections are taken) to come again."""
    assert reply.status_code in {200, 503} or reply.json()["error"] == otherwise, reply.text
    return reply.status_code == 200


async def _code(app: Harness) -> Uses:
    party = await RelyingParty.at(app)
    code = await party.code(await visitor(app), party.request())

    async def use() -> bool:
        reply = await party.redeem(code)
        return succeeded(reply, "invalid_grant")

    return use


async def _pushed_request(app: Harness) -> Uses:
    party, browser = await RelyingParty.at(app), await visitor(app)
    await party.sign_in(browser)
    pushed = await party.ask("pushed_authorization_request_endpoint", party.request(state="s"))
    assert pushed.status_code == 201, pushed.text
    url = party.url({"client_id": party.client_id, "request_uri": pushed.json()["request_uri"]})

    async def use() -> bool:
        page = await browser.arrive(url)
        assert page.left or page.status in {400, 503}, page.text
        return page.left and "code" in page.told

    return use


async def _waiting_request(app: Harness) -> Uses:
    party, browser = await RelyingParty.at(app, first_party=True), await visitor(app)
    waiting = await browser.arrive(party.url(party.request()))
    handle = waiting.told["request"]
    assert browser.person is not None
    other = await browser.get(f"{browser.origin}/login")
    await browser.submit(other, email=browser.person.email, password=browser.person.password)

    async def use() -> bool:
        page = await browser.get(f"{browser.origin}/oauth/authorize/continue?request={handle}")
        assert page.left or page.status in {400, 503}, page.text
        return page.left and "code" in page.told

    return use


async def _client_assertion(app: Harness) -> Uses:
    key = Holder()
    party = await RelyingParty.at(app, auth_method="private_key_jwt", jwks=key.jwks, grant_types=["client_credentials"])
    proof = key.assertion(app, party.client_id)
    form = {**SERVICE, "client_assertion_type": ASSERTION, "client_assertion": proof}

    async def use() -> bool:
        reply = await app.http.post("/oauth/token", data=form, headers={"X-Forwarded-For": app.fresh_ip()})
        return succeeded(reply, "invalid_client")

    return use


async def _dpop_proof(app: Harness) -> Uses:
    party = await RelyingParty.at(app, grant_types=["client_credentials"])
    proof = Holder().proof(app)

    async def use() -> bool:
        reply = await party.ask("token_endpoint", SERVICE, DPoP=proof)
        return succeeded(reply, "invalid_dpop_proof")

    return use


THINGS = {
    "code": _code,
    "pushed request": _pushed_request,
    "waiting request": _waiting_request,
    "client assertion": _client_assertion,
    "DPoP proof": _dpop_proof,
}


@pytest.mark.parametrize("thing", THINGS)
async def test_of_thirty_uses_at_once_one_succeeds(app: Harness, thing: str) -> None:
    assert sum(await at_once(30, await THINGS[thing](app))) == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("thing", THINGS)
async def test_of_a_hundred_uses_at_once_one_succeeds_twenty_times(app: Harness, thing: str) -> None:
    for _ in range(20):
        assert sum(await at_once(100, await THINGS[thing](app))) == 1


@pytest.mark.parametrize("count", [30, pytest.param(100, marks=pytest.mark.slow)])
async def test_of_refreshes_at_once_all_get_the_same_successor(app: Harness, count: int) -> None:
    """A refresh token is not used up by a retry: within the window everybody is told the same, and nothing forks."""
    party = await RelyingParty.at(app)
    tokens = await party.sign_in(await visitor(app), scope="openid offline_access")
    replies = await at_once(count, lambda: party.refresh(tokens.refresh_token))
    assert {reply.status_code for reply in replies} == {200}
    successors = {reply.json()["refresh_token"] for reply in replies}
    assert len(successors) == 1
    grant = session_of_jti(claims_of(tokens.access_token)["jti"])
    assert await app.db.fetchval("SELECT refresh_generation FROM sessions WHERE id = $1", grant) == 1
    assert (await party.refresh(successors.pop())).status_code == 200


async def test_a_code_used_many_times_leaves_no_grant_alive(app: Harness) -> None:
    """Who comes second is a thief or was robbed: what the first one got ends too (RFC 6749 §4.1.2)."""
    party = await RelyingParty.at(app)
    code = await party.code(await visitor(app), party.request())
    replies = await at_once(10, lambda: party.redeem(code))
    [won] = [reply for reply in replies if reply.status_code == 200]
    assert (await party.userinfo(won.json()["access_token"])).status_code == 401
