"""/device: a person connects a device, or does not; and signs out of this browser."""

from __future__ import annotations

from harness import Harness
from provider.applications import application
from provider.page_browser import PageBrowser

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


async def _codes(app: Harness) -> tuple[dict[str, str], dict[str, str]]:
    made = await application(app, name="Television", grant_types=[DEVICE_CODE, "refresh_token"])
    reply = await app.http.post("/oauth/device_authorization", data={**made.credentials, "scope": "openid email"})
    assert reply.status_code == 200, reply.text
    codes: dict[str, str] = reply.json()
    return codes, {**made.credentials, "grant_type": DEVICE_CODE, "device_code": codes["device_code"]}


async def test_a_person_compares_the_code_and_connects_the_device(app: Harness) -> None:
    codes, question = await _codes(app)
    person, browser = await app.make_user(), PageBrowser(app)
    address = codes["verification_uri_complete"].removeprefix("https://auth.example.com")
    page = await browser.open(address)
    assert page.path.startswith("/login?return_to="), "the sign-in comes first"
    page = await browser.submit("/login", email=person.email, password=person.password)
    assert page.path == address
    assert page.form().fields["user_code"] == codes["user_code"]

    page = await browser.submit("/device", user_code="BCDFGHJK")
    assert (page.status, "unknown or has expired" in page.text) == (404, True)
    page = await browser.submit("/device", user_code=codes["user_code"].lower())
    assert "Connect Television?" in page.text
    assert codes["user_code"] in page.text
    page = await browser.submit("/decision", decision="allow")
    assert page.path == "/device/done"

    reply = await app.http.post("/oauth/token", data=question)
    assert reply.status_code == 200, reply.text
    await browser.open("/device")
    page = await browser.submit("/device", user_code=codes["user_code"])
    assert page.status == 404, "it was decided"


async def test_whoever_does_not_know_the_device_gives_it_nothing(app: Harness) -> None:
    codes, question = await _codes(app)
    person, browser = await app.make_user(), PageBrowser(app)
    await browser.sign_in(person, f"/login?return_to=/device?user_code={codes['user_code']}")
    await browser.submit("/device", user_code=codes["user_code"])
    page = await browser.submit("/decision", decision="deny")
    assert page.path == "/device/denied"
    reply = await app.http.post("/oauth/token", data=question)
    assert (reply.status_code, reply.json()["error"]) == (400, "access_denied")


async def test_signing_out_is_asked_first(app: Harness) -> None:
    person, browser = await app.make_user(), PageBrowser(app)
    assert (await browser.open("/logout")).path == "/signed-out"
    await browser.sign_in(person)
    page = await browser.open("/logout")
    assert page.form().action == "/oauth/logout/confirm"
    assert browser.session, "opening the page ends nothing"
    page = await browser.submit("/confirm")
    assert page.path == "/signed-out"
    assert browser.session is None
    assert (await browser.open("/device")).path == "/login?return_to=%2Fdevice"
