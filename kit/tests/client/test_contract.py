"""Every call, made as a service would, against an identity server that keeps the contract (provider-api.md §2).

Nothing here knows which server that is: all comes from `endpoint`.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from identry_kit import context
from identry_kit.client import (
    AppUser,
    InvalidCredentials,
    InvalidProfileUpdate,
    MagicLinkAlreadyUsed,
    MagicLinkInvalid,
    MagicLinkRateLimited,
    OAuthError,
    PolicyRequestRejected,
    ProfileUpdate,
    Resource,
    SignupRejected,
    Subject,
    UnexpectedStatus,
    UserAlreadyExists,
    UserNotInApp,
)

NOBODY = 999_999_999


async def magic_token(client: Any, email: str) -> str:
    link = await client.send_magic_link(email)
    return parse_qs(urlsplit(link.magic_url).query)["token"][0]


class TestInTheCallersName:
    async def test_a_user_is_added_found_changed_and_taken_out(self, admin: Any) -> None:
        made = await admin.create_user("bob@example.com", "viewer", name="Bob")
        assert (made.role, made.email_sent, made.email_error) == ("viewer", True, "")
        user = await admin.get_user(made.user_id)
        assert isinstance(user, AppUser)
        assert (user.id, user.email, user.name, user.role) == (made.user_id, "bob@example.com", "Bob", "viewer")
        assert user.created_at.tzinfo == UTC
        assert await admin.update_user_role(made.user_id, "editor") is None
        assert (await admin.get_user(str(made.user_id))).role == "editor"
        assert await admin.resend_verification(made.user_id) is None
        assert await admin.force_password_reset(made.user_id) is None
        assert await admin.delete_user(made.user_id) is None
        assert await admin.get_user(made.user_id) is None

    async def test_without_a_name_the_address_is_the_name(self, admin: Any) -> None:
        made = await admin.create_user("eve@example.com", "user")
        assert (await admin.get_user(made.user_id)).name == "eve@example.com"

    async def test_a_second_role_is_refused_by_name(self, admin: Any) -> None:
        await admin.create_user("bob@example.com", "viewer")
        with pytest.raises(UserAlreadyExists):
            await admin.create_user("bob@example.com", "viewer")

    async def test_what_has_no_name_is_an_unexpected_status_with_the_servers_word(self, admin: Any) -> None:
        with pytest.raises(UnexpectedStatus) as caught:
            await admin.create_user("bob@example.com", "emperor")
        assert (caught.value.op, caught.value.status) == ("create user", 400)
        assert caught.value.error
        assert caught.value.error in str(caught.value)
        with pytest.raises(UnexpectedStatus):
            await admin.delete_user(NOBODY)

    async def test_lists_come_by_page_and_by_search(self, admin: Any) -> None:
        for number in range(5):
            await admin.create_user(f"zoe{number}@example.com", "user")
        page = await admin.list_users("zoe", 2, 2)
        assert [user.email for user in page.users] == ["zoe2@example.com", "zoe3@example.com"]
        assert (page.total_count, page.page, page.page_size) == (5, 2, 2)
        assert (await admin.list_users("zoe", page=4, page_size=2)).users == ()
        sizes = [len(page.users) async for page in admin.user_pages("zoe", page_size=2)]
        assert sizes == [2, 2, 1]
        found = [user.email async for user in admin.users("zoe", page_size=3)]
        assert found == [f"zoe{number}@example.com" for number in range(5)]
        assert [user async for user in admin.users("nobody at all")] == []

    async def test_the_token_of_the_verified_request_is_forwarded(self, client: Any, endpoint: Any) -> None:
        with context.use(context.Caller(raw_token=endpoint.admin_token())):
            assert (await client.get_user(endpoint.admin_id)).id == endpoint.admin_id
            assert (await client.get_current_user_profile()).sub == str(endpoint.admin_id)

    async def test_without_an_app_id_the_callers_list_of_applications_tells_it(self, make: Any, endpoint: Any) -> None:
        client = make(app_id="").with_jwt(endpoint.admin_token())
        assert (await client.get_user(endpoint.admin_id)).id == endpoint.admin_id


class TestInTheApplicationsName:
    async def test_users_are_registered_invited_found_and_changed(self, client: Any) -> None:
        made = await client.register_user("carl@example.com", "user", name="Carl")
        user = await client.get_user_as_service(made.user_id)
        assert (user.email, user.name, user.role) == ("carl@example.com", "Carl", "user")
        invited = await client.invite_user_as_service("dora@example.com", "editor")
        assert (await client.get_user_as_service(invited.user_id)).role == "editor"
        changed = await client.update_user_as_service(made.user_id, ProfileUpdate(name="Carlo"))
        assert changed.name == "Carlo"

    async def test_a_second_role_is_refused_by_name(self, client: Any) -> None:
        await client.register_user("carl@example.com", "user")
        with pytest.raises(UserAlreadyExists):
            await client.register_user("carl@example.com", "user")
        with pytest.raises(UserAlreadyExists):
            await client.invite_user_as_service("carl@example.com", "editor")

    async def test_who_is_no_member_is_none_or_refused_by_name(self, client: Any) -> None:
        assert await client.get_user_as_service(NOBODY) is None
        with pytest.raises(UserNotInApp):
            await client.update_user_as_service(NOBODY, ProfileUpdate(name="x"))

    async def test_an_update_the_server_refuses_carries_its_text(self, client: Any) -> None:
        made = await client.register_user("carl@example.com", "user")
        for update in (ProfileUpdate(), ProfileUpdate(avatar_url="javascript:alert(1)")):
            with pytest.raises(InvalidProfileUpdate) as caught:
                await client.update_user_as_service(made.user_id, update)
            assert caught.value.text

    async def test_a_magic_link_logs_in_once(self, client: Any) -> None:
        made = await client.register_user("carl@example.com", "user")
        token = await magic_token(client, "carl@example.com")
        login = await client.verify_magic_link(token)
        assert login.user_id == made.user_id
        assert login.access_token
        assert login.refresh_token
        assert (await client.with_jwt(login.access_token).get_profile()).email == "carl@example.com"
        with pytest.raises(MagicLinkAlreadyUsed):
            await client.verify_magic_link(token)
        with pytest.raises(MagicLinkInvalid):
            await client.verify_magic_link("0" * 64)

    async def test_a_magic_link_to_nobody_looks_the_same_and_too_many_are_refused(self, client: Any) -> None:
        known = await client.register_user("carl@example.com", "user")
        assert known
        answers = [(await client.send_magic_link(email)).message for email in ("carl@example.com", "no@example.com")]
        assert answers[0] == answers[1]
        for _ in range(4):
            await client.send_magic_link("carl@example.com")
        with pytest.raises(MagicLinkRateLimited):
            await client.send_magic_link("carl@example.com")


class TestOnesOwn:
    async def test_a_profile_is_read_and_changed(self, admin: Any) -> None:
        before = await admin.get_profile()
        after = await admin.update_profile(ProfileUpdate(company="Analytical Engines", phone="+44 1"))
        assert (after.id, after.company, after.phone) == (before.id, "Analytical Engines", "+44 1")
        assert (await admin.get_profile()).company == "Analytical Engines"
        with pytest.raises(InvalidProfileUpdate):
            await admin.update_profile(ProfileUpdate())

    async def test_a_signup_makes_an_account_once(self, client: Any) -> None:
        made = await client.signup("Fay", "fay@example.com", "correct horse battery")
        assert made.message
        with pytest.raises(UserAlreadyExists):
            await client.signup("Fay", "fay@example.com", "correct horse battery")
        with pytest.raises(SignupRejected) as caught:
            await client.signup("Gus", "gus@example.com", "short")
        assert caught.value.text

    async def test_an_administrator_logs_in(self, client: Any, endpoint: Any) -> None:
        email, password = endpoint.login()
        assert (await client.admin_login(email, password)).access_token
        with pytest.raises(InvalidCredentials):
            await client.admin_login(email, "not the password")

    async def test_a_logout_ends_the_token(self, client: Any, endpoint: Any) -> None:
        mine = client.with_jwt(endpoint.admin_token())
        assert await mine.get_current_user_profile()
        assert await mine.logout() is None
        assert await mine.get_current_user_profile() is None

    async def test_a_code_and_a_refresh_token_are_good_once(self, client: Any, endpoint: Any) -> None:
        code = endpoint.code()
        tokens = await client.exchange_code(code, endpoint.redirect_uri)
        assert tokens.token_type == "Bearer"
        assert tokens.expires_in > 0
        assert await client.with_jwt(tokens.access_token).get_current_user_profile()
        renewed = await client.refresh_token(tokens.refresh_token)
        assert renewed.access_token != tokens.access_token
        with pytest.raises(OAuthError) as caught:
            await client.exchange_code(code, endpoint.redirect_uri)
        assert (caught.value.status, caught.value.code, caught.value.is_fatal) == (400, "invalid_grant", True)

    async def test_a_wrong_secret_is_an_oauth_error(self, make: Any, endpoint: Any) -> None:
        client = make(client_secret="wrong-wrong-wrong")
        for attempt in (client.exchange_code(endpoint.code(), endpoint.redirect_uri), client.get_user_as_service(1)):
            with pytest.raises(OAuthError) as caught:
                await attempt
            assert (caught.value.status, caught.value.code) == (401, "invalid_client")

    async def test_a_token_is_looked_up_and_revoked(self, client: Any, endpoint: Any) -> None:
        token = endpoint.admin_token()
        said = await client.introspect_token(token)
        assert (said.active, said.sub, said.aud) == (True, str(endpoint.admin_id), (endpoint.client_id,))
        assert await client.revoke_token(token) is None
        assert not (await client.introspect_token(token)).active
        assert await client.revoke_token("an unknown token") is None


async def test_a_policy_decides(client: Any, endpoint: Any) -> None:
    subject = Subject(token=endpoint.admin_token())
    decision = await client.decide("reports.read", subject=subject, resource=Resource("report", "1"), ip="192.0.2.1")
    assert (decision.allow, decision.obligations, decision.mode) == (True, ("require_mfa",), "shadow")
    assert not (await client.decide("reports.read", pep_mode="enforce")).allow
    with pytest.raises(PolicyRequestRejected):
        await client.decide("admin.users.delete")
