"""Authorization codes: one use, by one client, with everything that binds them (RFC 6749 §4.1.2, RFC 7636)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import permutations

import pytest
from harness import Harness
from provider.applications import App
from provider.authorization import CALLBACK, ISSUER, ask, code_of, decide, form_token, go_on, landed, web_client
from provider.browsers import Browser
from provider.redemption import redeem

from identry.oauth import pkce
from identry.records import sessions, users


async def a_code(app: Harness, client: App | None = None, **changes: str | None) -> tuple[App, Browser, str]:
    """A client, a browser, and a code that the one got through the other."""
    client = client or await web_client(app)
    browser = await Browser(app).sign_in(await app.make_user())
    return client, browser, code_of(await ask(browser, client, **changes))


async def test_a_code_opens_the_grant_that_was_chosen_for_it_and_a_second_use_tells_which_to_end(app: Harness) -> None:
    client, browser, code = await a_code(app)
    redeemed, opened = await redeem(app, client, code)
    assert redeemed.code is not None
    assert opened.grant.session_id == redeemed.code.session_id
    assert redeemed.code.browser_session_id == browser.session_id
    again, nothing = await redeem(app, client, code)
    assert (again.code, nothing, again.end_session_id) == (None, None, redeemed.code.session_id)


async def test_what_does_not_match_is_worth_nothing_and_uses_the_code_up(app: Harness) -> None:
    for wrong in (
        {"code_verifier": "x" * 43},
        {"code_verifier": ""},
        {"redirect_uri": CALLBACK + "/"},
        {"redirect_uri": ""},
    ):
        client, _, code = await a_code(app)
        assert (await redeem(app, client, code, **wrong))[0].code is None, wrong
        assert (await redeem(app, client, code))[0].code is None, wrong


async def test_a_verifier_for_a_code_without_challenge_is_a_downgrade(app: Harness) -> None:
    bare = await web_client(app, require_pkce=False)
    client, _, code = await a_code(app, bare, code_challenge=None, code_challenge_method=None)
    assert (await redeem(app, client, code))[0].code is None
    _, _, code = await a_code(app, bare, code_challenge=None, code_challenge_method=None)
    assert (await redeem(app, client, code, code_verifier=""))[0].code is not None


async def test_another_client_neither_redeems_nor_burns_a_code(app: Harness) -> None:
    client, _, code = await a_code(app)
    thief = await web_client(app)
    stolen, _ = await redeem(app, thief, code)
    assert (stolen.code, stolen.end_session_id) == (None, None)
    assert (await redeem(app, client, code))[0].code is not None


async def test_a_code_ends_after_a_minute_with_its_browser_session_and_with_its_user(app: Harness) -> None:
    client, _, code = await a_code(app)
    app.clock.advance(timedelta(seconds=60))
    assert (await redeem(app, client, code))[0].code is None
    client, browser, code = await a_code(app)
    await sessions.end(app.db, browser.session_id, "test", app.clock.now())
    assert (await redeem(app, client, code))[0].code is None
    client, browser, code = await a_code(app)
    user_id = await app.db.fetchval("SELECT user_id FROM sessions WHERE id = $1", browser.session_id)
    await users.update(app.db, user_id, {}, now=app.clock.now(), bump=True)
    assert (await redeem(app, client, code))[1] is None


async def test_no_code_is_made_for_a_session_that_ended_a_moment_ago(app: Harness) -> None:
    client, browser, _ = await a_code(app)
    await app.db.execute("UPDATE sessions SET revoked_at = $2 WHERE id = $1", browser.session_id, app.clock.now())
    assert landed(await ask(browser, client)).address == "/login"


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.slow)])
async def test_of_many_who_redeem_one_code_at_once_one_gets_the_grant(app: Harness, rounds: int) -> None:
    for _ in range(rounds):
        client, _, code = await a_code(app)
        outcomes = await asyncio.gather(*(redeem(app, client, code) for _ in range(20 if rounds == 1 else 100)))
        won = [redeemed.code for redeemed, opened in outcomes if opened is not None]
        assert len(won) == 1
        assert won[0] is not None
        assert {r.end_session_id for r, _ in outcomes if r.code is None} == {won[0].session_id}


async def test_of_many_who_go_on_with_one_request_one_gets_a_code(app: Harness) -> None:
    client, browser = await web_client(app), Browser(app)
    waits = landed(await ask(browser, client))
    await browser.sign_in(await app.make_user())
    replies = await asyncio.gather(*(go_on(browser, waits.handle) for _ in range(20)))
    assert sorted(reply.status_code for reply in replies) == [302] + [400] * 19


async def test_a_logout_while_codes_are_redeemed_leaves_no_grant_behind(app: Harness) -> None:
    """Either the code found its session over, or the logout found the grant."""
    client, browser, _ = await a_code(app)
    found = [code_of(await ask(browser, client)) for _ in range(10)]

    async def log_out() -> None:
        async with app.db.transaction() as tx:
            await sessions.end(tx, browser.session_id, "logout", app.clock.now())

    redeeming = [redeem(app, client, code) for code in found]
    await asyncio.gather(*redeeming[:5], log_out(), *redeeming[5:])
    alive = "SELECT count(*) FROM sessions WHERE browser_session_id = $1 AND revoked_at IS NULL"
    assert await app.db.fetchval(alive, browser.session_id) == 0


async def test_signing_in_again_keeps_the_grants_of_the_same_person_and_ends_those_of_another(app: Harness) -> None:
    provider = app.app.engines.provider
    assert provider is not None
    person, client = await app.make_user(), await web_client(app)
    browser = await Browser(app).sign_in(person)
    _, opened = await redeem(app, client, code_of(await ask(browser, client)))
    waiting = code_of(await ask(browser, client))

    for who, lives in ((person, True), (await app.make_user(), False)):
        former = browser.cookies["__Host-identry_session"]
        await browser.sign_in(who)
        await provider.pages.sessions.succeed(app.db, former, browser.session_id, who.id)
        row = await sessions.find(app.db, opened.grant.session_id)
        assert row is not None
        assert (row.revoked_at is None) is lives
        if lives:
            assert (await redeem(app, client, waiting))[1] is not None, "a code under way goes on as well"


# -- row 28: every order of the steps --------------------------------------------------------------------------------


async def test_no_order_of_the_steps_gives_a_code_without_a_sign_in_and_an_agreement(app: Harness) -> None:
    client, person = await web_client(app, first_party=False), await app.make_user()
    for steps in sorted(set(permutations(("sign_in", "agree", "continue", "continue")))):
        browser = Browser(app)
        handle = landed(await ask(browser, client, prompt="consent")).handle
        done: list[str] = []
        for step in steps:
            if step == "sign_in":
                await browser.sign_in(person)
            elif step == "agree":
                await decide(browser, handle, "agree")
            else:
                reply = await go_on(browser, handle)
                got = reply.status_code == 302 and "code" in landed(reply).parameters
                agreed = "agree" in done and "sign_in" in done and done.index("sign_in") < done.index("agree")
                assert not got or agreed, steps
                if got:
                    assert "code" not in done, steps
                    step = "code"  # noqa: PLW2901 - what this step came to
            done.append(step)


async def test_a_request_is_worth_nothing_in_another_browser_and_its_form_only_from_our_page(app: Harness) -> None:
    client = await web_client(app, first_party=False)
    browser = await Browser(app).sign_in(await app.make_user())
    other = await Browser(app).sign_in(await app.make_user())
    landed(await ask(other, client))  # it has a binding cookie of its own
    handle = landed(await ask(browser, client)).handle
    assert (await go_on(other, handle)).status_code == 400
    assert (await decide(other, handle, "agree")).status_code == 400
    assert (await decide(browser, handle, "agree", Origin="https://evil.example.com")).status_code == 403
    own = {"request": handle, "decision": "agree"}
    for form in (own, {**own, "csrf": "x" * 32}, {**own, "csrf": form_token(other)}):
        reply = await browser.post("/oauth/authorize/consent", data=form, headers={"Origin": ISSUER})
        assert landed(reply).address == "/consent", "without the token of the page nothing is decided"
    assert landed(await go_on(browser, handle)).address == "/consent"
    assert (await decide(browser, "", "agree")).status_code == 400
    assert (await decide(browser, handle, "maybe")).status_code == 400
    assert landed(await go_on(browser, handle)).address == "/consent", "nobody has agreed yet"
    app.clock.advance(timedelta(hours=1))
    assert (await go_on(browser, handle)).status_code == 400


def test_a_verifier_matches_its_challenge_and_nothing_else() -> None:
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636 appendix B
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert pkce.challenge_of(verifier) == challenge
    for wrong in ("", verifier[:-1], verifier + "=", verifier.upper(), challenge, "é" * 43, "x" * 129):
        assert pkce.challenge_of(wrong) != challenge, wrong
