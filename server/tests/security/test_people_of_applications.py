"""What must not happen to the people of applications (docs/security.md, rows of the provider's JSON accounts)."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog
from canaries import disguises, everything_at_rest
from harness import PASSWORD, Harness, Person, Servers, running
from letters import letters
from offers import offer
from provider.applications import App, application
from provider.callers import MANAGE, bearer, service_token
from provider.people import log_in, member, post, public_app, sign_up, somebody, user_row, verify
from second_factor import secured, ticket_for

from identry.core import observability
from identry.oauth import mailed_links
from identry.records import app_members, users
from identry.records.one_time_tokens import Purpose
from identry_kit import context

NEW = "a much better passphrase"
LINKS = (Purpose.EMAIL_VERIFICATION, Purpose.APP_INVITE, Purpose.MAGIC_LINK)


async def link(app: Harness, purpose: Purpose, person: Person, made: App) -> str:
    """The token of a new link."""
    user = await users.find(app.db, person.id)
    assert user is not None
    async with app.db.transaction() as tx:
        return await mailed_links.issue(tx, purpose, user, made.client, app.clock.now(), timedelta(minutes=15))


async def follow(app: Harness, purpose: str, token: str, made: App, password: str = NEW) -> Any:
    """The door of one kind of token."""
    client_id = made.client.client_id
    match purpose:
        case "email_verification":
            return await verify(app, token)
        case "app_invite":
            return await post(app, "/api/auth/invite", {"token": token, "password": password})
        case "magic_link":
            return await post(app, "/api/auth/magic-link/verify", {"token": token, "client_id": client_id})
        case "password_reset":
            return await post(app, "/api/auth/reset-password", {"token": token, "password": NEW})
        case "refresh":
            return await post(app, "/api/auth/refresh", {"refresh_token": token})
        case "access":
            return await app.http.get("/api/profile", headers=bearer(token))
        case "platform-refresh":
            return await post(app, "/auth/refresh", {"refreshToken": token})
        case "ticket":
            return await post(app, "/auth/mfa/verify", {"mfaToken": token, "code": "000000"})
        case _:
            form = {"grant_type": "authorization_code", "code": token, "client_id": client_id, "redirect_uri": "x"}
            return await app.http.post("/oauth/token", data=form, headers={"X-Forwarded-For": app.fresh_ip()})


async def test_row_33_a_token_of_one_kind_opens_no_door_of_another(app: Harness) -> None:
    made = await public_app(app)
    person, newcomer = await member(app, made), await member(app, made, email_verified=False)
    session = (await log_in(app, made, person.email)).json()
    await post(app, "/api/auth/request-password-reset", {"email": person.email})
    kinds = {
        "email_verification": await link(app, Purpose.EMAIL_VERIFICATION, person, made),
        "app_invite": await link(app, Purpose.APP_INVITE, newcomer, made),
        "magic_link": await link(app, Purpose.MAGIC_LINK, person, made),
        "password_reset": (await letters(app, person.email, "password_reset"))[0].context["token"],
        "refresh": session["refresh_token"],
        "access": session["access_token"],
        "id-token": session["id_token"],
        "platform-refresh": (await app.signed_in()).refresh_token,
        "ticket": await ticket_for(app, (await secured(app)).person),
        "invitation": (await offer(app)).token,
    }
    doors = [*(kind for kind in kinds if kind not in {"id-token", "invitation"}), "code"]
    opened = [
        (kind, door)
        for kind, token in kinds.items()
        for door in doors
        if kind != door and (await follow(app, door, token, made)).status_code not in {400, 401}
    ]
    assert not opened
    for kind in ("access", "refresh", "email_verification", "magic_link", "app_invite", "password_reset"):
        reply = await follow(app, kind, kinds[kind], made)
        assert reply.status_code == 200, (kind, reply.text)


@pytest.mark.parametrize("end", ["password", "address", "deactivated", "newer"])
async def test_rows_22_26_30_a_link_of_before_is_worth_nothing(app: Harness, end: str) -> None:
    made = await public_app(app)
    person = await member(app, made, email_verified=False)
    tokens = {purpose: await link(app, purpose, person, made) for purpose in LINKS}
    if end == "newer":
        for purpose in LINKS:
            await link(app, purpose, person, made)
    elif end == "password":
        await post(app, "/api/auth/request-password-reset", {"email": person.email})
        token = (await letters(app, person.email, "password_reset"))[0].context["token"]
        assert (await follow(app, "password_reset", token, made)).status_code == 200
    else:
        admin = await app.signed_in(global_role="PLATFORM_SUPERADMIN")
        fields = {"isActive": False} if end == "deactivated" else {"email": somebody()}
        reply = await app.http.patch(f"/internal/users/{person.id}", json=fields, headers=admin.bearer)
        assert reply.status_code == 200, reply.text
    refused = {purpose: (await follow(app, purpose, token, made)).status_code for purpose, token in tokens.items()}
    assert refused == {Purpose.EMAIL_VERIFICATION: 400, Purpose.APP_INVITE: 400, Purpose.MAGIC_LINK: 401}
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", person.id) == 0


async def test_row_28_no_order_of_the_calls_skips_a_proof(app: Harness) -> None:
    """Whatever is sent, there is no session before every proof is given."""
    made = await public_app(app)
    found = await secured(app)
    await app_members.insert(app.db, made.client.id, found.person.id, "user", invite_sent=False, now=app.clock.now())
    email = found.person.email
    magic = await link(app, Purpose.MAGIC_LINK, found.person, made)
    invite = await link(app, Purpose.APP_INVITE, found.person, made)
    verification = await link(app, Purpose.EMAIL_VERIFICATION, found.person, made)
    client_id = made.client.client_id
    tries = [
        await log_in(app, made, email, mfa_code=""),
        await log_in(app, made, email, "", mfa_code=found.code(app)),
        await log_in(app, made, email, mfa_code=found.wrong(app)),
        await follow(app, "magic_link", magic, made),
        await post(app, "/api/auth/magic-link/verify", {"token": magic, "client_id": client_id, "mfa_code": "0"}),
        await post(app, "/api/auth/magic-link/verify", {"token": "", "client_id": client_id, "mfa_code": "0"}),
        await follow(app, "app_invite", invite, made, PASSWORD),
        await follow(app, "app_invite", invite, made),
        await verify(app, verification),
        await post(app, "/api/auth/refresh", {"refresh_token": ""}),
        await log_in(app, made, email),
    ]
    assert {reply.status_code for reply in tries} <= {200, 400, 401}
    assert all("access_token" not in reply.json() for reply in tries)
    assert await app.db.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1", found.person.id) == 0
    app.clock.advance(60)
    assert (await log_in(app, made, email, mfa_code=found.code(app))).status_code == 200


@pytest.mark.parametrize(
    "hostile", [{"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}, {"Forwarded": "host=evil.example"}]
)
async def test_row_29_links_lead_where_the_configuration_says(app: Harness, hostile: dict[str, str]) -> None:
    made, email = await public_app(app), somebody()
    body = {"name": "Ada", "email": email, "password": PASSWORD, "client_id": made.client.client_id}
    reply = await post(app, "/api/auth/signup", body, **hostile)
    assert reply.json()["verify_url"].startswith("https://auth.example.com/")
    (mail,) = await app.mails(email)
    assert all("evil" not in url for url in mail["links"])
    assert any(url.startswith("https://auth.example.com/verify-email?token=") for url in mail["links"])


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("mike@example.org", "mıke@example.org"),
        ("kate@example.org", "\u212aate@example.org"),
        ("admin@example.org", "\uff41dmin@example.org"),
        ("sam@example.org", "ſam@example.org"),
        ("i@example.org", "İ@example.org"),
        ("a@example.org", "а@example.org"),
    ],
)
async def test_row_34_no_two_spellings_meet_in_one_account(app: Harness, mine: str, theirs: str) -> None:
    tag = secrets.token_hex(4)
    made = await application(
        app, grant_types=["client_credentials", "authorization_code"], magic_link_url="https://reports.example.com/m"
    )
    person = await member(app, made, email=tag + mine)
    reply = await sign_up(app, made, tag + theirs)
    assert reply.status_code in {201, 400}
    header = bearer(await service_token(app, made))
    path = f"{MANAGE}/api/apps/{made.client.number}/service/magic-link"
    sent = await app.http.post(path, json={"email": tag + theirs}, headers=header)
    assert sent.status_code in {202, 400}
    assert await letters(app, person.email, "magic_link") == []
    assert await letters(app, tag + theirs, "magic_link") in (
        [],
        await letters(app, tag + theirs.lower(), "magic_link"),
    )
    assert (await user_row(app, person.email))["password_hash"] == await app.password_hash()


async def test_row_36_a_lock_of_the_second_factor_holds_on_every_way_and_for_what_was_begun(app: Harness) -> None:
    made, found = await public_app(app), await secured(app)
    await app_members.insert(app.db, made.client.id, found.person.id, "user", invite_sent=False, now=app.clock.now())
    magic = await link(app, Purpose.MAGIC_LINK, found.person, made)
    for _ in range(10):
        await log_in(app, made, found.person.email, mfa_code=found.wrong(app))
    body = {"token": magic, "client_id": made.client.client_id, "mfa_code": found.code(app)}
    assert (await post(app, "/api/auth/magic-link/verify", body)).status_code == 429
    ticket = await ticket_for(app, found.person)
    reply = await post(app, "/auth/mfa/verify", {"mfaToken": ticket, "code": found.code(app)})
    assert reply.status_code == 429


async def test_row_55_a_stranger_locks_nobody_out(app: Harness) -> None:
    made = await public_app(app)
    person = await member(app, made)
    stranger = app.fresh_ip()
    for _ in range(5):
        await log_in(app, made, person.email, "guess", ip=stranger)
    assert (await log_in(app, made, person.email)).status_code == 200


async def test_no_secret_reaches_a_log_line_a_table_or_redis(
    servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    before = structlog.get_config()
    observability.configure(level="DEBUG", request_id=context.request_id)
    canaries: dict[str, str] = {}

    def canary(name: str) -> str:
        canaries[name] = f"{secrets.token_hex(6)} \"ü+/%&<'{secrets.token_hex(6)}"
        return canaries[name]

    async with running(servers, LOG_LEVEL="DEBUG") as app:
        made = await application(
            app,
            grant_types=["client_credentials", "authorization_code", "refresh_token"],
            magic_link_url="https://reports.example.com/m",
        )
        canaries["client secret"] = made.secret
        email, password = somebody(), canary("password at sign-up")
        signed_up = await sign_up(app, made, email, password=password)
        canaries["verification"] = parse_qs(urlsplit(signed_up.json()["verify_url"]).query)["token"][0]
        await sign_up(app, made, email, password=canary("password of a taken address"))
        assert (await verify(app, canaries["verification"])).status_code == 200
        await log_in(app, made, email, canary("wrong password"), mfa_code=canary("code"))
        session = (await log_in(app, made, email, password)).json()
        canaries["access token"] = session["access_token"].rpartition(".")[2]
        canaries["id token"] = session["id_token"].rpartition(".")[2]
        canaries["refresh token"] = session["refresh_token"]
        await post(app, "/api/auth/refresh", {"refresh_token": session["refresh_token"]})
        header = bearer(canary_token := await service_token(app, made))
        canaries["service token"] = canary_token.rpartition(".")[2]
        path = f"{MANAGE}/api/apps/{made.client.number}/service/magic-link"
        url = (await app.http.post(path, json={"email": email}, headers=header)).json()["magic_url"]
        canaries["magic link"] = parse_qs(urlsplit(url).query)["token"][0]
        for _ in "12":
            await follow(app, "magic_link", canaries["magic link"], made)
        person = await member(app, made, email_verified=False)
        canaries["invitation"] = await link(app, Purpose.APP_INVITE, person, made)
        assert (
            await follow(app, "app_invite", canaries["invitation"], made, canary("first password"))
        ).status_code == 200
        enrolled = await app.http.post("/api/profile/mfa/enroll", headers=bearer(session["access_token"]))
        canaries["totp secret"] = enrolled.json()["secret"]
        stored = await everything_at_rest(app.db, servers.redis_url)
    structlog.configure(**before)
    written = capsys.readouterr()
    text = written.out + written.err
    assert text.count("request completed") >= 12
    for name, secret in canaries.items():
        for disguise in disguises(secret):
            assert disguise not in text, f"{name} is in the log"
            assert disguise not in stored, f"{name} is in PostgreSQL or Redis"
