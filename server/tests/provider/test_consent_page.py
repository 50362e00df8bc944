"""GET /consent: what an application asks is shown, and both answers lead on, without JavaScript."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

from harness import Harness
from provider.applications import App, application
from provider.authorization import CALLBACK, request_of
from provider.page_browser import PageBrowser


async def _asking(app: Harness, **values: object) -> App:
    return await application(app, redirect_uris=[CALLBACK], name="Ledger Reports", brand_color="#f2c14e", **values)


async def test_a_person_signs_in_agrees_and_arrives_at_the_application(app: Harness) -> None:
    made, person, browser = await _asking(app), await app.make_user(), PageBrowser(app)
    asked = f"/oauth/authorize?{urlencode(request_of(made, scope='openid email offline_access'))}"
    page = await browser.open(asked)
    assert "--brand:#f2c14e" in page.reply.text, "the page wears the application's colour"
    assert "form-action" not in page.reply.headers["content-security-policy"]

    page = await browser.submit("/login", email=person.email, password=person.password)
    assert urlsplit(page.path).path == "/consent"
    for told in ("Ledger Reports wants access", person.email, "See your email address", "Stay connected"):
        assert told in page.text
    assert "Use the services" not in page.text, "only what is asked for"

    page = await browser.submit("/consent", decision="agree")
    assert page.path.startswith(CALLBACK)
    assert set(parse_qs(urlsplit(page.path).query)) == {"code", "state", "iss"}
    again = await browser.open(asked)
    assert again.path.startswith(CALLBACK), "it is remembered"


async def test_whoever_declines_is_sent_back_without_a_code(app: Harness) -> None:
    made, person, browser = await _asking(app), await app.make_user(), PageBrowser(app)
    await browser.open(f"/oauth/authorize?{urlencode(request_of(made))}")
    await browser.submit("/login", email=person.email, password=person.password)
    page = await browser.submit("/consent", decision="decline")
    assert page.path.startswith(CALLBACK)
    assert parse_qs(urlsplit(page.path).query)["error"] == ["access_denied"]


async def test_a_request_of_another_browser_or_of_none_is_an_error_page(app: Harness) -> None:
    made, person = await _asking(app), await app.make_user()
    victim, thief = PageBrowser(app), PageBrowser(app)
    page = await victim.open(f"/oauth/authorize?{urlencode(request_of(made))}")
    handle = parse_qs(urlsplit(page.path).query)["request"][0]
    await thief.sign_in(person)
    for address in (f"/consent?request={handle}", "/consent?request=unknown", "/consent"):
        page = await thief.open(address)
        assert page.status == 400, address
        assert page.reply.headers["content-type"] == "text/html; charset=utf-8"
        assert page.forms == []
        assert "Start again at the application" in page.text


async def test_an_agreement_without_the_pages_token_leads_to_the_page_again(app: Harness) -> None:
    made, person, browser = await _asking(app), await app.make_user(), PageBrowser(app)
    await browser.open(f"/oauth/authorize?{urlencode(request_of(made))}")
    page = await browser.submit("/login", email=person.email, password=person.password)
    for token in ("", "forged", page.form("/consent").fields["csrf"][::-1]):
        page = await browser.submit("/consent", decision="agree", csrf=token)
        assert page.path.startswith("/consent?request=")
    assert not await app.db.fetchval("SELECT count(*) FROM consents WHERE client_id = $1", made.client.id)
    assert (await browser.submit("/consent", decision="agree")).path.startswith(CALLBACK)
