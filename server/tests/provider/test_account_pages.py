"""/account: a person looks after their own account on pages, without JavaScript."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import uuid4

from harness import PASSWORD, Harness, Person
from provider.accessibility import page_faults
from provider.account import elsewhere, granted, is_live, live_grants, owner, under_way
from provider.page_browser import ORIGIN, Page, PageBrowser

from identry.core.clock import SystemClock
from identry.core.ids import uuid7
from identry.core.origin import Origin
from identry.records import user_profiles, users

PAGES = (
    "/account",
    "/account/profile",
    "/account/email",
    "/account/security",
    "/account/password",
    "/account/mfa/set-up",
    "/account/passkeys",
    "/account/sessions",
    "/account/apps",
    "/account/identities",
    "/account/history",
)
NEW = "another horse, another battery"


async def test_every_page_shows_itself_in_both_languages_and_to_nobody_else(app: Harness) -> None:
    person = await app.make_user()
    for language, word in (("en", "Sign out"), ("de", "Abmelden")):
        browser = PageBrowser(app, headers={"Accept-Language": language})
        await browser.sign_in(person)
        for path in PAGES:
            page = await browser.open(path)
            assert (page.status, page.path) == (200, path), page.text
            assert word in page.text
            assert page.reply.headers["cache-control"] == "no-store"
            assert page_faults(page) == [], path
    assert await weight(browser, await browser.open("/account/profile")) < 60_000, "the heaviest of them"
    stranger = PageBrowser(app)
    for path in PAGES:
        assert (await stranger.open(path)).path.startswith("/login?return_to=%2Faccount"), path


async def weight(browser: PageBrowser, page: Page) -> int:
    """The bytes of a page with all that it loads."""
    loaded = [told.get("href") or told.get("src", "") for tag, told in page.tags if tag in {"link", "script"}]
    return len(page.reply.content) + sum([len((await browser.send("GET", path)).content) for path in loaded])


async def test_a_form_of_another_site_changes_nothing(app: Harness) -> None:
    me = await owner(app)
    await me.browser.open("/account/profile")
    form = me.browser.page.form("/profile")
    filled = {**form.fields, "full_name": "Mallory"}
    foreign = await me.browser.send("POST", form.action, data=filled, headers={"Origin": "https://evil.example"})
    bare = await me.browser.send("POST", form.action, data={**filled, "csrf": "x"}, headers={"Origin": ORIGIN})
    assert (foreign.status_code, bare.status_code) == (403, 403)
    assert (await users.find(app.db, me.person.id)).full_name == "Test Person"


async def test_the_profile_is_saved_and_only_what_differs_is_audited(app: Harness) -> None:
    me = await owner(app)
    await me.browser.open("/account/profile")
    told = {"full_name": "Ada Lovelace", "phone_number": "+49 30 1234", "country": "Germany"}
    page = await me.browser.submit("/profile", **told, timezone="Europe/Berlin", language="de")
    assert (page.status, page.path) == (200, "/account/profile")
    assert "Ihr Profil wurde gespeichert." in page.text
    assert page.form("/profile").fields["country"] == "Germany"
    user, profile = await users.find(app.db, me.person.id), await user_profiles.find(app.db, me.person.id)
    assert (user.full_name, user.phone_number) == ("Ada Lovelace", "+49 30 1234")
    assert (profile.timezone, profile.country, profile.language) == ("Europe/Berlin", "Germany", "de")
    await me.browser.submit("/profile", timezone="Europe/Berlin", language="de")
    [row] = await app.audit("user.profile_changed", target_user_id=me.person.id)
    assert json.loads(row["details"]) == {"fields": ["country", "full_name", "language", "phone_number", "timezone"]}
    assert "gespeichert" not in (await me.browser.open("/account/profile")).text, "it is told once"


async def test_what_is_no_profile_is_told_at_its_field_and_nothing_is_written(app: Harness) -> None:
    me = await owner(app)
    for field, wrong in (
        ("full_name", ""),
        ("phone_number", "call me"),
        ("profile_picture_url", "http://example.com/a.png"),
        ("profile_picture_url", "javascript:alert(1)"),
        ("timezone", "Mars/Olympus"),
        ("language", "xx"),
        ("country", "a" * 201),
    ):
        await me.browser.open("/account/profile")
        page = await me.browser.submit("/profile", **{field: wrong})
        assert page.status == 400, field
        [invalid] = [told["id"] for _, told in page.tags if told.get("aria-invalid")]
        assert invalid == field
        assert page.form("/profile").fields[field] in {wrong, ""}  # a list shows what it has
    assert await app.audit("user.profile_changed", target_user_id=me.person.id) == []


async def test_a_new_password_ends_every_other_session_and_not_this_one(app: Harness) -> None:
    me = await owner(app)
    other = await elsewhere(app, me.person)
    grant = await granted(app, me.person, "Reports", "openid")
    await user_profiles.put(app.db, me.person.id, {"must_change_password": True})
    await me.browser.open("/account/password")
    page = await me.browser.submit("/password", current_password="wrong", new_password=NEW)
    assert page.status == 401
    assert "This is not your current password." in page.text
    page = await me.browser.submit("/password", current_password=PASSWORD, new_password="password")
    assert page.status == 400
    page = await me.browser.submit("/password", current_password=PASSWORD, new_password=NEW)
    assert (page.path, page.status) == ("/account/security", 200)
    assert "Your password was changed." in page.text
    assert not (await user_profiles.find(app.db, me.person.id)).must_change_password
    assert not await is_live(app, other)
    assert await live_grants(app, grant) == 0
    assert (await PageBrowser(app).sign_in(Person(me.person.id, me.person.email, NEW))).path == "/account"


async def test_an_account_without_a_password_gets_a_first_one_after_a_recent_sign_in_only(app: Harness) -> None:
    me = await owner(app)
    await app.db.execute("UPDATE users SET password_hash = NULL WHERE id = $1", me.person.id)
    assert (await me.browser.open("/account/password")).path == "/account/password/first"
    app.clock.advance(timedelta(minutes=11))
    page = await me.browser.submit("/first", new_password=NEW)
    assert page.path.startswith("/login?return_to=%2Faccount%2Fpassword%2Ffirst&again=1")
    assert (await users.find(app.db, me.person.id)).password_hash is None
    app.clock.advance(timedelta(minutes=-11))
    await me.browser.open("/account/password/first")
    page = await me.browser.submit("/first", new_password=NEW)
    assert "Your password was set." in page.text
    page = await me.browser.open("/account/password/first")
    assert page.path == "/account/password", "there is one now"
    assert (await PageBrowser(app).sign_in(Person(me.person.id, me.person.email, NEW))).path == "/account"


async def test_devices_are_named_and_ended_one_by_one_or_all_others_at_once(app: Harness) -> None:
    me = await owner(app)
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 Version/17.0 Mobile Safari/604"
    tokens = [await elsewhere(app, me.person, phone), await elsewhere(app, me.person), await elsewhere(app, me.person)]
    own = (await app.app.engines.provider.pages.sessions.find(me.browser.session)).session_id
    here = await granted(app, me.person, "Here", "openid", browser_session=own)
    there = await granted(app, me.person, "There", "openid", browser_session=uuid7(SystemClock()))
    page = await me.browser.open("/account/sessions")
    assert page_faults(page) == []
    assert "Safari on iOS" in page.text
    assert "Here" not in page.text, "what applications hold is shown with the applications"
    ending = next(form.action for form in page.forms if form.action.endswith("/end"))
    page = await me.browser.submit(ending)
    assert "The device was signed out." in page.text
    assert [await is_live(app, token) for token in tokens].count(True) == 2
    page = await me.browser.submit("/end-others")
    assert "were signed out" in page.text
    assert [await is_live(app, token) for token in tokens] == [False] * 3
    assert (await live_grants(app, here), await live_grants(app, there)) == (1, 0)
    assert (await me.browser.open("/account")).path == "/account"
    assert len(await app.audit("auth.sessions.others_ended", target_user_id=me.person.id)) == 1


async def test_the_things_of_somebody_else_are_not_there(app: Harness) -> None:
    me, stranger = await owner(app), await app.make_user()
    other = await elsewhere(app, stranger)
    theirs = await app.db.fetchval("SELECT id FROM sessions WHERE user_id = $1", stranger.id)
    grant = await granted(app, stranger, "Theirs", "openid")
    token = (await me.browser.open("/account")).form("/logout").fields["csrf"]
    for path in (
        f"/account/sessions/{theirs}/end",
        f"/account/apps/{grant.client.id}/revoke",
        f"/account/apps/{uuid4()}/revoke",
        f"/account/passkeys/{uuid4()}/remove",
        f"/account/passkeys/{uuid4()}/rename",
        f"/account/identities/{uuid4()}/remove",
    ):
        reply = await me.browser.send("POST", path, data={"csrf": token, "name": "x"}, headers={"Origin": ORIGIN})
        assert reply.status_code == 404, path
        assert "That is not there any more." in reply.text
    assert await is_live(app, other)
    assert await live_grants(app, grant) == 1


async def test_access_is_taken_back_from_an_application_with_its_grants_and_codes(app: Harness) -> None:
    me = await owner(app)
    grant = await granted(app, me.person, "Reports <b>", "openid", "email", "hours:write")
    other = await granted(app, me.person, "Another", "openid")
    page = await me.browser.open("/account/apps")
    assert page_faults(page) == []
    for word in ("Reports <b>", "know who you are", "see your email address", "use “hours:write”", "Since"):
        assert word in page.text
    assert "<b>" not in page.reply.text
    code, device = await under_way(app, me.person, grant)
    link = next(link for link in page.links if str(grant.client.id) in link)
    await me.browser.open(link)
    page = await me.browser.submit("/revoke")
    assert "Reports <b> has no access any more." in page.text
    assert "hours:write" not in page.text
    assert (await live_grants(app, grant), await live_grants(app, other)) == (0, 1)
    assert await app.db.fetchval("SELECT consumed_at IS NOT NULL FROM authorization_codes WHERE code_hash = $1", code)
    assert await app.db.fetchval("SELECT state FROM device_codes WHERE device_code_hash = $1", device) == "denied"
    assert await app.db.fetchval("SELECT count(*) FROM consents WHERE client_id = $1", grant.client.id) == 0
    [row] = await app.audit("app.access_revoked", target_user_id=me.person.id)
    assert json.loads(row["details"]) == {"clientId": grant.client.client_id, "revokedSessions": 1}


async def test_the_history_tells_sign_ins_and_refusals_page_by_page(app: Harness) -> None:
    me = await owner(app)
    audit = app.app.engines.audit
    rows = [
        audit.row(
            "auth.login.failed",
            Origin("192.0.2.7", "curl/8.5.0", None),
            actor="anonymous",
            target=me.person.id,
            success=False,
            details={"reason": "wrong password"},
        )
        for _ in range(30)
    ]
    await audit.record_all(app.db, rows)
    for event, details in (
        ("auth.login.failed", {"by": "sso", "reason": "iss of the response"}),
        ("auth.login.blocked", {"reason": "pending_approval"}),
        ("auth.refresh.reuse_detected", {}),
    ):
        origin = Origin("192.0.2.9", None, None)
        await audit.record(
            app.db, event, origin, actor="anonymous", target=me.person.id, success=False, details=details
        )
    page = await me.browser.open("/account/history")
    for words in ("Sign-in with a linked account refused", "Sign-in refused", "A stolen token was used"):
        assert page.text.count(words) == 1
    assert "iss of the response" not in page.text
    assert page.text.count("Wrong password") == 22
    assert "192.0.2.7" in page.text
    older = next(link for link in page.links if "before=" in link)
    page = await me.browser.open(older)
    assert page.text.count("Wrong password") == 8
    assert "Signed in with the password" in page.text
    assert "This session" in page.text
    assert "Older" not in page.text
    for cursor in ("x", "%00", str(uuid4())):
        assert (await me.browser.open(f"/account/history?before={cursor}")).status == 200


async def test_who_signs_out_is_out_of_this_browser_and_of_what_hung_on_it(app: Harness) -> None:
    me = await owner(app)
    other = await elsewhere(app, me.person)
    own = (await app.app.engines.provider.pages.sessions.find(me.browser.session)).session_id
    grant = await granted(app, me.person, "Here", "openid", browser_session=own)
    cookie = me.browser.session
    page = await me.browser.submit("/logout")
    assert page.path == "/signed-out"
    assert me.browser.session is None
    assert await app.app.engines.provider.pages.sessions.find(cookie) is None
    assert await live_grants(app, grant) == 0
    assert await is_live(app, other)


async def test_a_word_of_what_was_done_cannot_be_planted(app: Harness) -> None:
    me = await owner(app)
    for planted in ("=apps.revoked&app=%3Cscript%3Ealert(1)", "=nothing", "=apps.revoked", "=apps.title&x=1", "%"):
        me.browser.cookies["__Host-identry_told"] = planted
        page = await me.browser.open("/account")
        assert page.status == 200
        assert "<script>alert" not in page.reply.text
        assert ('class="note good"' in page.reply.text) == ("script" in planted), planted


async def test_administration_has_a_page_that_says_where_it_lives(app: Harness) -> None:
    page = await PageBrowser(app).open("/admin")
    assert page.status == 200
    assert "/docs" in page.links
