"""SECURITY rows 16–18, 20–23 and 33 at the provider: codes, refresh tokens, clients, and what ends them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx2
import pytest
from harness import Harness
from provider.proofs import ASSERTION
from provider.relying_party import RelyingParty, Tokens, visitor
from provider.visitor import Visitor

from identry.records import clients

VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
S256 = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}


def assert_oauth_error(reply: httpx2.Response, status: int, error: str) -> None:
    """As RFC 6749 §5.2 has it, and nothing of a token beside it."""
    assert (reply.status_code, reply.json()["error"]) == (status, error), reply.text
    assert set(reply.json()) <= {"error", "error_description"}


# -- 16: bound to their client ---------------------------------------------------------------------------------------


async def test_row_16_another_client_gets_nothing_and_spoils_nothing(app: Harness) -> None:
    ours, theirs = await RelyingParty.at(app), await RelyingParty.at(app)
    browser = await visitor(app)
    code = await ours.code(browser, ours.request(scope="openid offline_access", nonce=None))
    assert_oauth_error(await theirs.redeem(code), 400, "invalid_grant")
    tokens = await ours.tokens(await ours.redeem(code))
    assert_oauth_error(await theirs.refresh(tokens.refresh_token), 400, "invalid_grant")
    assert (await ours.refresh(tokens.refresh_token)).status_code == 200
    assert (await theirs.ask("revocation_endpoint", {"token": tokens.access_token})).status_code == 200
    assert (await ours.userinfo(tokens.access_token)).status_code == 200, "nobody ends what is another's"


# -- 17: the client proves itself each time --------------------------------------------------------------------------


async def test_row_17_a_confidential_client_proves_itself_at_every_refresh(app: Harness) -> None:
    party = await RelyingParty.at(app)
    tokens = await party.sign_in(await visitor(app), scope="openid offline_access")
    name, secret = party.client_id, party.registered.secret
    right = base64.b64encode(f"{name}:{secret}".encode()).decode()
    wrong: list[tuple[dict[str, str], dict[str, str]]] = [
        ({"client_id": name}, {}),
        ({"client_id": name, "client_secret": ""}, {}),
        ({"client_id": name, "client_secret": "wrong"}, {}),
        ({"client_id": name, "client_secret": secret + " "}, {}),
        ({"client_id": name, "client_secret": secret.upper()}, {}),
        ({}, {}),
        ({"client_id": name}, {"Authorization": f"Basic {right[:-4]}"}),
        ({}, {"Authorization": f"Bearer {tokens.access_token}"}),
        ({"client_id": name, "client_assertion": "e30.e30.x", "client_assertion_type": ASSERTION}, {}),
    ]
    for fields, headers in wrong:
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token, **fields}
        told = {"X-Forwarded-For": app.fresh_ip(), **headers}
        reply = await app.http.post("/oauth/token", data=form, headers=told)
        assert_oauth_error(reply, 401, "invalid_client")
    two_ways = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token, "client_secret": secret}
    reply = await app.http.post("/oauth/token", data=two_ways, headers={"Authorization": f"Basic {right}"})
    assert_oauth_error(reply, 400, "invalid_request")
    assert (await party.refresh(tokens.refresh_token)).status_code == 200, "the token is as good as before"


# -- 18: PKCE --------------------------------------------------------------------------------------------------------


async def test_row_18_no_challenge_no_code_where_it_is_demanded(app: Harness) -> None:
    for client in ({"require_pkce": True}, {"auth_method": "none"}):
        party, browser = await RelyingParty.at(app, **client), await visitor(app)
        for challenge in (
            {},
            {"code_challenge": CHALLENGE},
            {"code_challenge": CHALLENGE, "code_challenge_method": "plain"},
            {"code_challenge": CHALLENGE, "code_challenge_method": "s256"},
            {"code_challenge": "", "code_challenge_method": "S256"},
            {"code_challenge": "short", "code_challenge_method": "S256"},
            {"code_challenge": CHALLENGE + "=", "code_challenge_method": "S256"},
            {"code_challenge_method": "S256"},
        ):
            request = party.request(**challenge)
            assert party.error_of(await party.answer(browser, request), request) == "invalid_request", challenge


async def test_row_18_the_verifier_decides(app: Harness) -> None:
    """Absent, empty, wrong, the challenge itself: refused, and the code is gone; one where none was asked: refused."""
    party, browser = await RelyingParty.at(app), await visitor(app)
    for verifier in ("", "wrong" * 10, CHALLENGE, VERIFIER + "x", VERIFIER.swapcase()):
        code = await party.code(browser, party.request(nonce=None, **S256))
        assert_oauth_error(await party.redeem(code, code_verifier=verifier), 400, "invalid_grant")
        assert_oauth_error(await party.redeem(code, code_verifier=VERIFIER), 400, "invalid_grant")
    code = await party.code(browser, party.request(nonce=None))
    assert_oauth_error(await party.redeem(code, code_verifier=VERIFIER), 400, "invalid_grant")
    code = await party.code(browser, party.request(nonce=None, **S256))
    assert (await party.redeem(code, code_verifier=VERIFIER)).status_code == 200


# -- 20–23: what ends, and what goes on ------------------------------------------------------------------------------


async def test_row_20_revoking_one_grant_ends_that_one(app: Harness) -> None:
    browser = await visitor(app)
    parties = [await RelyingParty.at(app) for _ in range(2)]
    grants = [await party.sign_in(browser, scope="openid offline_access") for party in parties]
    again = await parties[0].sign_in(browser, scope="openid offline_access")
    reply = await parties[0].ask("revocation_endpoint", {"token": grants[0].refresh_token})
    assert (reply.status_code, reply.json()) == (200, {})
    assert (await parties[0].userinfo(grants[0].access_token)).status_code == 401
    assert (await parties[0].userinfo(again.access_token)).status_code == 200
    assert (await parties[1].userinfo(grants[1].access_token)).status_code == 200
    assert (await parties[1].refresh(grants[1].refresh_token)).status_code == 200


@dataclass
class Granted:
    """Somebody who signed in at a client, with a code that is not redeemed yet."""

    app: Harness
    party: RelyingParty
    browser: Visitor
    tokens: Tokens
    code: str

    @classmethod
    async def at(cls, app: Harness) -> Granted:
        party, browser = await RelyingParty.at(app), await visitor(app)
        tokens = await party.sign_in(browser, scope="openid offline_access")
        return cls(app, party, browser, tokens, await party.code(browser, party.request(nonce=None)))

    async def assert_dead(self) -> None:
        """No endpoint accepts anything of it."""
        bearer = {"Authorization": f"Bearer {self.tokens.access_token}"}
        for method in ("GET", "POST"):
            reply = await self.app.http.request(method, "/oauth/userinfo", headers=bearer)
            assert reply.status_code == 401, reply.text
            assert 'error="invalid_token"' in reply.headers["www-authenticate"]
        for path in ("/api/userinfo", "/api/profile"):
            assert (await self.app.http.get(path, headers=bearer)).status_code == 401, path
        for token in (self.tokens.access_token, self.tokens.refresh_token):
            reply = await self.party.ask("introspection_endpoint", {"token": token})
            assert reply.json() == {"active": False}
        assert_oauth_error(await self.party.refresh(self.tokens.refresh_token), 400, "invalid_grant")

    async def assert_code_dead(self) -> None:
        """The code opens no grant."""
        assert_oauth_error(await self.party.redeem(self.code), 400, "invalid_grant")

    async def assert_signed_out(self) -> None:
        """The browser is not signed in either."""
        request = self.party.request(prompt="none")
        assert self.party.error_of(await self.party.answer(self.browser, request), request) == "login_required"


Ending = Callable[[Granted], Awaitable[None]]


async def _deactivated(who: Granted) -> None:
    assert who.browser.person is not None
    admin = await who.app.signed_in(global_role="PLATFORM_SUPERADMIN")
    reply = await who.app.http.delete(f"/internal/users/{who.browser.person.id}", headers=admin.bearer)
    assert reply.status_code == 200, reply.text


async def _logout_all(who: Granted) -> None:
    assert who.browser.person is not None
    person = await who.app.sign_in(who.browser.person)
    assert (await who.app.http.post("/auth/logout-all", headers=person.bearer)).status_code == 200


async def _new_password(who: Granted) -> None:
    assert who.browser.person is not None
    admin = await who.app.signed_in(global_role="PLATFORM_SUPERADMIN")
    reply = await who.app.http.patch(
        f"/internal/users/{who.browser.person.id}",
        json={"password": "another long passphrase"},
        headers=admin.bearer,
    )
    assert reply.status_code == 200, reply.text


async def _logged_out_by_json(who: Granted) -> None:
    bearer = {"Authorization": f"Bearer {who.tokens.access_token}"}
    assert (await who.app.http.post("/api/auth/logout", headers=bearer)).status_code == 200


@pytest.mark.parametrize("end", [_deactivated, _logout_all, _new_password, _logged_out_by_json])
async def test_row_21_22_26_nothing_of_before_is_accepted(app: Harness, end: Ending) -> None:
    who = await Granted.at(app)
    await end(who)
    await who.assert_dead()
    await who.assert_code_dead()
    await who.assert_signed_out()


async def test_row_23_a_disabled_client_gets_and_keeps_nothing(app: Harness) -> None:
    who = await Granted.at(app)
    service = await RelyingParty.at(app, grant_types=["client_credentials"])
    reply = await service.ask("token_endpoint", {"grant_type": "client_credentials"})
    token = reply.json()["access_token"]
    for party in (who.party, service):
        now = app.clock.now()
        assert await clients.update(app.db, party.registered.client.id, {"is_active": False}, now=now)
    bearer = {"Authorization": f"Bearer {who.tokens.access_token}"}
    assert (await app.http.get("/oauth/userinfo", headers=bearer)).status_code == 401
    for ask in (
        who.party.refresh(who.tokens.refresh_token),
        who.party.redeem(who.code),
        who.party.ask("introspection_endpoint", {"token": who.tokens.access_token}),
        who.party.ask("revocation_endpoint", {"token": who.tokens.access_token}),
        service.ask("token_endpoint", {"grant_type": "client_credentials"}),
        service.ask("introspection_endpoint", {"token": token}),
    ):
        assert_oauth_error(await ask, 401, "invalid_client")
    page = await who.party.answer(who.browser, who.party.request())
    assert (page.left, page.status) == (False, 400), "nobody is sent to it"
    number = service.registered.client.number
    reply = await app.http.get(f"/manage/api/apps/{number}/users/1", headers={"Authorization": f"Bearer {token}"})
    assert reply.status_code in {401, 403, 404}


# -- 33: each token opens its own door -------------------------------------------------------------------------------


async def test_row_33_no_token_does_for_one_of_another_kind(app: Harness) -> None:
    who = await Granted.at(app)
    assert who.browser.person is not None
    platform = await app.sign_in(who.browser.person)
    service = await RelyingParty.at(app, grant_types=["client_credentials"])
    own = (await service.ask("token_endpoint", {"grant_type": "client_credentials"})).json()["access_token"]
    [cookie] = [value for name, value in who.browser.cookies.items() if name.endswith("identry_session")]
    of_user = {
        "ID token": who.tokens.id_token,
        "refresh token": who.tokens.refresh_token,
        "code": who.code,
        "browser's session": cookie,
        "platform access token": platform.access_token,
        "platform refresh token": platform.refresh_token,
        "service token": own,
    }
    for kind, token in of_user.items():
        reply = await app.http.get("/oauth/userinfo", headers={"Authorization": f"Bearer {token}"})
        assert reply.status_code in {401, 403}, kind
        if kind != "refresh token":
            assert (await who.party.refresh(token)).status_code == 400, kind
        if kind != "code":
            assert (await who.party.redeem(token)).status_code == 400, kind
        if kind not in {"refresh token", "service token"}:
            reply = await who.party.ask("introspection_endpoint", {"token": token})
            assert reply.json() == {"active": False}, kind
    for token in (who.tokens.access_token, who.tokens.id_token, own):
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await app.http.get("/auth/me", headers=bearer)).status_code == 401
        assert (await app.http.post("/auth/refresh", json={"refreshToken": token})).status_code == 401
    reply = await app.http.post("/auth/refresh", json={"refreshToken": who.tokens.refresh_token})
    assert reply.status_code == 401
    for value in (who.tokens.refresh_token, platform.refresh_token, who.tokens.access_token):
        stranger = Visitor(app)
        stranger.cookies = {name: value for name in who.browser.cookies if name.endswith("identry_session")}
        request = who.party.request(prompt="none")
        assert who.party.error_of(await who.party.answer(stranger, request), request) == "login_required"


# -- races over all of it --------------------------------------------------------------------------------------------


async def test_row_22_a_code_that_races_with_the_end_of_its_user_leaves_nothing_alive(app: Harness) -> None:
    for _ in range(5):
        who = await Granted.at(app)
        _, reply = await asyncio.gather(_deactivated(who), who.party.redeem(who.code))
        if reply.status_code == 200:
            assert (await who.party.userinfo(reply.json()["access_token"])).status_code == 401
        await who.assert_dead()
