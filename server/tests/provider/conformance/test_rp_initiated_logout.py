"""The plan `oidcc-rp-initiated-logout-certification-test-plan` of the OpenID conformance suite, module by module.

Each signs a person in, sends the browser to the end session endpoint, and looks where it lands and whether the person
is signed in still. A page may ask for confirmation; the person gives it.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from urllib.parse import urlencode

from harness import Harness
from provider.relying_party import AFTER_LOGOUT, RelyingParty, Tokens, visitor
from provider.visitor import Page, Visitor


@dataclass
class SignedIn:
    """Somebody who is signed in at a client."""

    party: RelyingParty
    browser: Visitor
    tokens: Tokens

    @classmethod
    async def at(cls, app: Harness) -> SignedIn:
        party, browser = await RelyingParty.at(app), await visitor(app)
        return cls(party, browser, await party.sign_in(browser))

    async def leave(self, **changes: str | None) -> Page:
        """Go to the end session endpoint, confirm what it asks, and see where that ends."""
        told = {
            "id_token_hint": self.tokens.id_token,
            "post_logout_redirect_uri": AFTER_LOGOUT,
            "state": secrets.token_hex(64),
            **changes,
        }
        query = urlencode({name: value for name, value in told.items() if value is not None})
        page = await self.browser.arrive(f"{self.party.metadata['end_session_endpoint']}?{query}")
        if not page.left and page.status == 200 and page.forms:
            page = await self.browser.submit(page)
        return page

    async def assert_gone(self) -> None:
        """Nobody is signed in any more: not in the browser, and the client's grant is worth nothing."""
        request = self.party.request(prompt="none")
        answer = await self.party.answer(self.browser, request)
        assert self.party.error_of(answer, request) == "login_required"
        assert (await self.party.userinfo(self.tokens.access_token)).status_code == 401
        if self.tokens.refresh_token:
            assert (await self.party.refresh(self.tokens.refresh_token)).status_code == 400


async def stays_here(app: Harness, **changes: str | None) -> None:
    """The browser is not sent back, whatever the person confirms."""
    who = await SignedIn.at(app)
    page = await who.leave(**changes)
    assert not page.left, page.url
    assert page.headers["content-type"].startswith("text/html")


async def signs_out(app: Harness, **changes: str | None) -> None:
    """The browser stays here, the person is signed out."""
    who = await SignedIn.at(app)
    page = await who.leave(**changes)
    assert (page.left, page.status) == (False, 200), page.url
    await who.assert_gone()


async def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(app: Harness) -> None:
    party = await RelyingParty.at(app)
    assert party.metadata["end_session_endpoint"].startswith("https://")


async def test_oidcc_rp_initiated_logout(app: Harness) -> None:
    who = await SignedIn.at(app)
    state = secrets.token_hex(64)
    page = await who.leave(state=state)
    assert page.left, page.text[:1000]
    assert page.url.split("?")[0] == AFTER_LOGOUT
    assert page.told == {"state": state}
    await who.assert_gone()


async def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(app: Harness) -> None:
    await stays_here(app, post_logout_redirect_uri=AFTER_LOGOUT + "/not-registered")


async def test_oidcc_rp_initiated_logout_modified_id_token_hint(app: Harness) -> None:
    """The hint with its signature taken away (`alg: none`), and with another one."""
    who = await SignedIn.at(app)
    _, payload, _ = who.tokens.id_token.split(".")
    header = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
    for hint in (f"{header}.{payload}.", who.tokens.id_token[:-8] + "AAAAAAAA"):
        assert not (await who.leave(id_token_hint=hint)).left


async def test_oidcc_rp_initiated_logout_no_id_token_hint(app: Harness) -> None:
    await stays_here(app, id_token_hint=None)


async def test_oidcc_rp_initiated_logout_no_params(app: Harness) -> None:
    await signs_out(app, id_token_hint=None, post_logout_redirect_uri=None, state=None)


async def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(app: Harness) -> None:
    await signs_out(app, post_logout_redirect_uri=None)


async def test_oidcc_rp_initiated_logout_no_state(app: Harness) -> None:
    who = await SignedIn.at(app)
    page = await who.leave(state=None)
    assert (page.left, page.url) == (True, AFTER_LOGOUT)
    await who.assert_gone()


async def test_oidcc_rp_initiated_logout_only_state(app: Harness) -> None:
    await signs_out(app, id_token_hint=None, post_logout_redirect_uri=None)


async def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(app: Harness) -> None:
    await stays_here(app, post_logout_redirect_uri=AFTER_LOGOUT + "?foo=bar")


async def test_oidcc_rp_initiated_logout_bad_id_token_hint(app: Harness) -> None:
    await stays_here(app, id_token_hint="not.a.token")
