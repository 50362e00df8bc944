"""The kit's own client, as a service uses it, against this server: people sign up, come by link, look after themselves.

Both clients make their calls from one description (`kit/tests/client`), so one of them is enough here.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from harness import PASSWORD, Harness
from provider.applications import application
from provider.callers import MANAGE
from provider.people import log_in, post, somebody, verify

from identry_kit.client import (
    Client,
    InvalidProfileUpdate,
    MagicLinkAlreadyUsed,
    MagicLinkInvalid,
    MagicLinkRateLimited,
    ProfileUpdate,
    SignupRejected,
    UserAlreadyExists,
)


@pytest.fixture
async def made(app: Harness) -> Any:
    return await application(
        app,
        grant_types=["authorization_code", "refresh_token", "client_credentials"],
        magic_link_url="https://reports.example.com/welcome",
    )


@pytest.fixture
async def client(app: Harness, made: Any) -> Any:
    async with Client(
        base_url=app.base_url,
        admin_base_url=app.base_url + MANAGE,
        client_id=made.client.client_id,
        client_secret=made.secret,
        app_id=made.client.number,
        retries=0,
    ) as found:
        yield found.with_attribution(ip=app.fresh_ip())


def token_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["token"][0]


async def test_somebody_signs_up_once_and_is_told_why_not(app: Harness, made: Any, client: Any) -> None:
    email = somebody()
    result = await client.signup("Fay", email, PASSWORD)
    assert (result.user_id > 0, bool(result.message)) == (True, True)
    with pytest.raises(UserAlreadyExists):
        await client.signup("Fay", email, PASSWORD)
    with pytest.raises(SignupRejected) as caught:
        await client.signup("Gus", somebody(), "short")
    assert caught.value.text.startswith("password: ")
    assert (await verify(app, token_of(result.verify_url))).status_code == 200
    assert (await log_in(app, made, email)).json()["user_id"] == result.user_id


async def test_a_registered_person_comes_by_link_and_looks_after_the_profile(client: Any) -> None:
    email = somebody()
    registered = await client.register_user(email, "editor", name="Carl")
    token = token_of((await client.send_magic_link(email)).magic_url)

    login = await client.verify_magic_link(token)

    assert (login.user_id, bool(login.refresh_token)) == (registered.user_id, True)
    mine = client.with_jwt(login.access_token)
    profile = await mine.get_profile()
    assert (profile.email, profile.name, profile.is_verified) == (email, "Carl", True)
    changed = await mine.update_profile(ProfileUpdate(company="Analytical Engines", phone="+44 1"))
    assert (changed.id, changed.company, changed.phone) == (profile.id, "Analytical Engines", "+44 1")
    for update in (ProfileUpdate(), ProfileUpdate(avatar_url="javascript:alert(1)")):
        with pytest.raises(InvalidProfileUpdate):
            await mine.update_profile(update)
    assert (await client.refresh_token(login.refresh_token)).access_token
    assert (await mine.get_current_user_profile()).email == email
    assert await mine.logout() is None
    assert await mine.get_current_user_profile() is None


async def test_a_link_is_good_once_and_five_in_an_hour_are_enough(client: Any) -> None:
    email = somebody()
    await client.register_user(email, "user")
    token = token_of((await client.send_magic_link(email)).magic_url)
    assert await client.verify_magic_link(token)
    with pytest.raises(MagicLinkAlreadyUsed):
        await client.verify_magic_link(token)
    with pytest.raises(MagicLinkInvalid):
        await client.verify_magic_link("0" * 64)
    messages = {(await client.send_magic_link(address)).message for address in (email, somebody())}
    assert len(messages) == 1
    for _ in range(3):
        await client.send_magic_link(email)
    with pytest.raises(MagicLinkRateLimited) as caught:
        await client.send_magic_link(email)
    assert caught.value.retry_after > 0


async def test_who_a_service_invites_accepts_and_is_found_by_it(app: Harness, client: Any) -> None:
    email = somebody()
    invited = await client.invite_user_as_service(email, "viewer")
    body = {"token": invited.invite_token, "password": "a password of one's own"}
    reply = await post(app, "/api/auth/invite", body)
    assert (reply.status_code, reply.json()["user_id"]) == (200, invited.user_id)
    found = await client.get_user_as_service(invited.user_id)
    assert (found.email, found.role, found.is_verified) == (email, "viewer", True)
