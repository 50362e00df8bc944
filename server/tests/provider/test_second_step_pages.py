"""The second step of a sign-in on pages: a code, a recovery code, a factor that is set up because it is demanded."""

from __future__ import annotations

import pyotp
from browser import settle, tenant
from harness import Harness
from provider.page_browser import PageBrowser
from second_factor import secured


async def test_a_code_finishes_the_sign_in_and_goes_on_where_it_was_going(app: Harness) -> None:
    ada, browser = await secured(app), PageBrowser(app)
    page = await browser.sign_in(ada.person, "/login?return_to=/account/sessions")
    assert page.path == "/login/verify?return_to=%2Faccount%2Fsessions"
    assert browser.session is None

    page = await browser.submit(code=ada.wrong(app))
    assert (page.status, "That code is not right" in page.text) == (401, True)
    page = await browser.submit(code=ada.code(app))

    assert page.path == "/account/sessions"
    found = await app.app.engines.provider.pages.sessions.find(browser.session)
    assert found.amr == ["pwd", "otp", "mfa"]
    assert (await browser.open("/login/verify")).path == "/account", "the step is over"


async def test_a_recovery_code_does_it_too(app: Harness) -> None:
    ada, browser = await secured(app, codes=True), PageBrowser(app)
    await browser.sign_in(ada.person)
    await browser.open("/login/verify?by=recovery_code")
    page = await browser.submit(code=ada.codes[0])
    assert (page.path, browser.session is None) == ("/account", False)


async def test_a_ticket_whose_tries_are_used_up_leads_back_to_the_beginning(app: Harness) -> None:
    ada, browser = await secured(app), PageBrowser(app)
    page = await browser.sign_in(ada.person)
    for _ in range(6):
        page = await browser.submit(code=ada.wrong(app))
    assert page.status == 401
    assert "Sign in again" in page.text
    assert page.forms == []
    assert (await browser.open("/login/verify")).path == "/login"


async def test_without_a_first_step_there_is_no_second(app: Harness) -> None:
    for path in ("/login/verify?request=abc", "/login/set-up?request=abc"):
        browser = PageBrowser(app)
        assert (await browser.open(path)).path == "/login?request=abc"
        await browser.send("GET", "/login")
        form = browser.page.form().fields
        reply = await browser.send(
            "POST", path, data={**form, "code": "123456"}, headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert (reply.status_code, reply.headers.get("location")) == (303, "/login?request=abc")
        assert browser.session is None


async def test_a_factor_that_is_demanded_is_set_up_on_the_way(app: Harness) -> None:
    demanding = await tenant(app, mfa_required=True)
    person, browser = await app.make_user(), PageBrowser(app)
    await settle(app, person, demanding)
    page = await browser.sign_in(person)
    assert page.path == "/login/set-up"

    page = await browser.submit("/set-up")
    secret = page.form("/confirm").fields["secret"]
    assert "<svg" in page.reply.text
    page = await browser.submit("/confirm", code="000000")
    assert page.status == 401
    assert page.form("/confirm").fields["secret"] == secret, "the same secret, or the code would never be right"
    page = await browser.submit("/confirm", code=pyotp.TOTP(secret).at(int(app.clock.timestamp())))

    assert page.status == 200
    assert sum(tag == "li" for tag, _ in page.tags) >= 10, "the recovery codes"
    found = await app.app.engines.provider.pages.sessions.find(browser.session)
    assert found.amr == ["pwd", "otp", "mfa"]


async def test_the_ticket_of_a_page_is_none_of_another_surface(app: Harness) -> None:
    ada, browser = await secured(app), PageBrowser(app)
    await browser.sign_in(ada.person)
    ticket = browser.cookies["__Host-identry_step"].split("~")[1]
    for path, body in (
        ("/auth/mfa/verify", {"mfaToken": ticket, "code": ada.code(app)}),
        ("/api/v1/auth/mfa/verify", {"session_token": ticket, "totp_code": ada.code(app)}),
    ):
        reply = await app.http.post(path, json=body, headers={"X-Forwarded-For": app.fresh_ip()})
        assert reply.status_code == 401
    assert (await browser.submit(code=ada.code(app))).path == "/account"


async def test_a_session_without_the_factor_that_is_demanded_now_is_not_enough(app: Harness) -> None:
    person, browser = await app.make_user(), PageBrowser(app)
    assert (await browser.sign_in(person)).path == "/account"
    await settle(app, person, await tenant(app, mfa_required=True))
    assert (await browser.open("/account")).path == "/login?return_to=%2Faccount"
