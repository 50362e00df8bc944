"""A browser's single sign-on session: found by its cookie while everything that is demanded now is met."""

from __future__ import annotations

from datetime import timedelta

from harness import Harness, Person
from provider.browsers import Browser

from identry.oauth.browser_session import BrowserSession, BrowserSessions
from identry.records import sessions, users

COOKIE = "__Host-identry_session"


async def found(app: Harness, browser: Browser, *, mfa: bool = False, password: bool = True) -> BrowserSession | None:
    """What the cookie of a browser is worth, where the deployment demands this."""
    engines = app.app.engines
    assert engines.provider is not None
    tokens, idle = engines.provider.browser_tokens, app.app.settings.browser_session_idle
    known = BrowserSessions(app.db, app.clock, tokens, idle, mfa_required=mfa, password_login=password)
    return await known.find(browser.cookies.get(COOKIE))


async def signed_in(app: Harness) -> tuple[Person, Browser]:
    """Somebody new, and their browser."""
    person = await app.make_user()
    return person, await Browser(app).sign_in(person)


async def test_a_session_is_found_with_its_person_and_how_they_signed_in(app: Harness) -> None:
    person, browser = await signed_in(app)
    session = await found(app, browser)
    assert session is not None
    assert (session.session_id, session.user.id, session.amr) == (browser.session_id, person.id, ["pwd"])
    assert app.clock.now() - session.auth_time < timedelta(minutes=1)


async def test_it_ends_when_idle_and_at_its_horizon_and_is_kept_by_use(app: Harness) -> None:
    settings = app.app.settings
    _, browser = await signed_in(app)
    for _ in range(20):  # used every so often, it lives to its horizon
        app.clock.advance(settings.browser_session_idle - timedelta(minutes=5))
        if (await found(app, browser)) is None:
            break
    row = await sessions.find(app.db, browser.session_id)
    assert row is not None
    assert row.expires_at <= app.clock.now()
    _, idle = await signed_in(app)
    app.clock.advance(settings.browser_session_idle)
    assert await found(app, idle) is None


async def test_it_ends_as_every_session_does(app: Harness) -> None:
    async def ended(person: Person, browser: Browser) -> None:
        await sessions.revoke(app.db, browser.session_id, "test", app.clock.now())

    async def deactivated(person: Person, browser: Browser) -> None:
        await app.db.execute("UPDATE users SET is_active = false WHERE id = $1", person.id)

    async def superseded(person: Person, browser: Browser) -> None:
        await users.update(app.db, person.id, {}, now=app.clock.now(), bump=True)

    async def factor_demanded(person: Person, browser: Browser) -> None:
        await app.db.execute("UPDATE users SET mfa_enabled = true WHERE id = $1", person.id)

    async def forged(person: Person, browser: Browser) -> None:
        browser.cookies[COOKIE] = browser.cookies[COOKIE][:-2] + "AA"

    for happens in (ended, deactivated, superseded, factor_demanded, forged):
        person, browser = await signed_in(app)
        await happens(person, browser)
        assert await found(app, browser) is None, happens.__name__


async def test_a_refresh_token_of_another_surface_is_no_cookie(app: Harness) -> None:
    person = await app.signed_in()
    browser = Browser(app, {COOKIE: person.refresh_token})
    assert await found(app, browser) is None


async def test_demands_of_the_deployment_that_are_newer_than_the_session_count(app: Harness) -> None:
    _, browser = await signed_in(app)
    assert await found(app, browser, mfa=True) is None
    assert await found(app, browser, password=False) is None
    assert await found(app, browser) is not None
