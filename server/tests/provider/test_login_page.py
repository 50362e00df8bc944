"""GET and POST /login: people sign in on a page, without JavaScript."""

from __future__ import annotations

from harness import Harness, Servers, running
from provider.page_browser import ORIGIN, PageBrowser

from identry.core.limits import PAGE_LOGIN


async def test_the_right_password_opens_the_browsers_session(app: Harness) -> None:
    person, browser = await app.make_user(), PageBrowser(app)
    page = await browser.open("/login")
    assert page.status == 200
    assert page.reply.headers["cache-control"] == "no-store"
    assert browser.session is None

    page = await browser.submit(email=person.email, password=person.password)

    assert page.path == "/account"
    assert browser.session
    found = await app.app.engines.provider.pages.sessions.find(browser.session)
    assert found.user.id == person.id
    assert found.amr == ["pwd"]
    assert (await browser.open("/login")).path == "/account", "whoever is signed in is not asked again"


async def test_a_wrong_password_is_told_on_the_page_and_the_address_is_kept(app: Harness) -> None:
    person = await app.make_user()
    known, unknown = PageBrowser(app), PageBrowser(app)
    await known.open("/login?return_to=/account/sessions")
    await unknown.open("/login?return_to=/account/sessions")
    page = await known.submit(email=person.email, password="wrong password")
    other = await unknown.submit(email="nobody@example.com", password="wrong password")

    assert (page.status, other.status) == (401, 401)
    assert "Wrong email address or password." in page.text
    assert page.form().fields["email"] == person.email
    assert page.form().fields.get("password", "") == ""
    assert page.text == other.text
    page = await known.submit(email=person.email, password=person.password)
    assert page.path == "/account/sessions"


async def test_what_is_not_filled_in_is_told_at_its_field(app: Harness) -> None:
    browser = PageBrowser(app, headers={"Accept-Language": "de-CH,de;q=0.9,en;q=0.8"})
    page = await browser.open("/login")
    page = await browser.submit(email="", password="")
    assert page.status == 400
    assert "Geben Sie Ihre E-Mail-Adresse ein." in page.text
    assert ("input", "email") in [(tag, told.get("name")) for tag, told in page.tags if told.get("aria-invalid")]


async def test_a_form_of_another_site_or_of_another_browser_opens_nothing(app: Harness) -> None:
    person, browser = await app.make_user(), PageBrowser(app)
    form = (await browser.open("/login")).form()
    filled = {**form.fields, "email": person.email, "password": person.password}
    for headers, cookies, text in (
        ({"Origin": "https://evil.example.com"}, browser.cookies, "did not come from this site"),
        ({"Origin": "null"}, browser.cookies, "did not come from this site"),
        ({}, browser.cookies, "did not come from this site"),
        ({"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"}, browser.cookies, "did not come from this site"),
        ({"Origin": ORIGIN}, {}, "open for too long"),
        ({"Origin": ORIGIN}, {"__Host-identry_form": "x" * 43}, "open for too long"),
    ):
        sender = PageBrowser(app, dict(cookies))
        reply = await sender.send("POST", form.action, data=filled, headers=headers)
        assert (reply.status_code, text in reply.text) == (403, True), reply.text
        assert sender.session is None


async def test_errors_of_page_paths_are_pages(app: Harness) -> None:
    for method, path, status in (("DELETE", "/login", 405), ("GET", "/login/nothing", 404)):
        reply = await app.http.request(method, path)
        assert reply.status_code == status
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in reply.headers["content-security-policy"]


async def test_the_language_that_is_chosen_on_a_page_stays(app: Harness) -> None:
    browser = PageBrowser(app, headers={"Accept-Language": "en"})
    page = await browser.open("/login?request=abc")
    other = next(link for link in page.links if "lang=de" in link)
    assert other == "/login?request=abc&lang=de", "the way is kept"
    page = await browser.open(other)
    assert "Anmelden" in page.text
    assert page.form().action == "/login?request=abc"
    assert "Anmelden" in (await browser.open("/login")).text
    assert "Konto" in (await browser.open("/login/nothing")).text, "the error edge speaks it too"


async def test_too_many_tries_are_told_with_the_time_to_wait(app: Harness) -> None:
    person, browser = await app.make_user(), PageBrowser(app)
    await browser.open("/login")
    statuses = [(await browser.submit(email=f"{n}{person.email}", password="wrong")).status for n in range(6)]
    assert statuses == [401] * 5 + [429], "from one address"
    assert int(browser.page.reply.headers["retry-after"]) > 0
    assert "Too many attempts. Try again in 1 min." in browser.page.text
    browser = PageBrowser(app)
    await browser.open("/login")
    assert [(await browser.submit(email=person.email, password="wrong")).status for _ in range(5)] == [401] * 5
    await app.app.engines.login_limiter.forget(PAGE_LOGIN, browser.address)
    assert (await browser.submit(email=person.email, password="wrong")).status == 429, "for one account"
    assert "Too many attempts. Try again in 15 min." in browser.page.text


async def test_a_new_sign_in_ends_what_the_browser_had(app: Harness) -> None:
    first, second, browser = await app.make_user(), await app.make_user(), PageBrowser(app)
    sessions = app.app.engines.provider.pages.sessions
    await browser.sign_in(first)
    former = browser.session
    page = await browser.open("/login?again=1")
    assert page.form().fields["email"] == first.email
    await browser.submit(email=second.email, password=second.password)
    assert await sessions.find(former) is None
    assert (await sessions.find(browser.session)).user.id == second.id


async def test_nobody_is_sent_to_another_site_after_the_sign_in(app: Harness) -> None:
    for wanted in ("https://evil.example.com", "//evil.example.com", "/\\evil.example.com", "/%09/evil.example.com"):
        browser = PageBrowser(app)
        page = await browser.sign_in(await app.make_user(), f"/login?return_to={wanted}")
        assert page.path == "/account", wanted


async def test_accounts_behind_a_gate_get_no_session(app: Harness) -> None:
    for fields, told in (
        ({"is_active": False}, "deactivated"),
        ({"approval_status": "PENDING", "is_active": False}, "waiting for approval"),
        ({"approval_status": "REJECTED", "is_active": False}, "not approved"),
    ):
        browser = PageBrowser(app)
        page = await browser.sign_in(await app.make_user(**fields))
        assert (page.status, told in page.text, browser.session) == (403, True, None)


async def test_under_a_policy_of_single_sign_on_no_password_is_asked_for(servers: Servers) -> None:
    policy = {"AUTH_POLICY": "restricted", "AUTH_ALLOWED_EMAIL_DOMAINS": "example.com", "PAGES_NAME": "Acme & Sons"}
    async with running(
        servers, PAGES_COLOR="#0F7B5F", PAGES_LOGO_URL="https://cdn.example.com/logo.svg", **policy
    ) as app:
        browser = PageBrowser(app)
        page = await browser.open("/login")
        assert "password" not in {told.get("type") for _, told in page.tags}
        assert "--brand:#0f7b5f" in page.reply.text
        assert ("img", "https://cdn.example.com/logo.svg") in [(tag, told.get("src")) for tag, told in page.tags]
        assert "img-src 'self' https://cdn.example.com;" in page.reply.headers["content-security-policy"]
        assert "Acme & Sons" in page.text
        await browser.open(next(link for link in page.links if link.startswith("/login/sso")))
        page = await browser.submit("/login/sso", email="ada@example.com")
        assert (page.status, "no single sign-on for this address" in page.text) == (200, True)
        form = browser.page.form().fields
        reply = await browser.send(
            "POST", "/login", data={**form, "email": "a@example.com", "password": "x"}, headers={"Origin": ORIGIN}
        )
        assert (reply.status_code, "use single sign-on" in reply.text) == (403, True)
