"""Python Authlib signs people in here, as its integration for Starlette does it at any provider."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.starlette_client import OAuth
from harness import Harness
from provider.relying_party import AFTER_LOGOUT, CALLBACK, DISCOVERY, RelyingParty, visitor
from starlette.requests import Request


class Behind(httpx2.AsyncBaseTransport):
    """Takes requests for the issuer to where it really listens; keeps no connection."""

    def __init__(self, app: Harness) -> None:
        self._target = httpx2.URL(app.base_url)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        scheme, host, port = self._target.scheme, self._target.host, self._target.port
        request.url = request.url.copy_with(scheme=scheme, host=host, port=port)
        async with httpx2.AsyncHTTPTransport() as real:
            reply = await real.handle_async_request(request)
            body = await reply.aread()
        return httpx2.Response(reply.status_code, headers=reply.headers, content=body)


def web_request(session: dict[str, Any], query: str = "") -> Request:
    """A request at the application, in a browser with this session."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/callback",
        "query_string": query.encode(),
        "headers": [],
        "session": session,
    }
    return Request(scope)


async def test_it_signs_a_person_in_and_out(app: Harness) -> None:
    party, browser = await RelyingParty.at(app, require_pkce=True), await visitor(app)
    assert browser.person is not None
    library = OAuth().register(
        "identry",
        client_id=party.client_id,
        client_secret=party.registered.secret,
        server_metadata_url=app.env["OAUTH_ISSUER"] + DISCOVERY,
        client_kwargs={
            "scope": "openid email profile offline_access",
            "code_challenge_method": "S256",
            "transport": Behind(app),
        },
    )
    session: dict[str, Any] = {}

    sent = await library.authorize_redirect(web_request(session), CALLBACK)
    page = await browser.through(await browser.arrive(sent.headers["location"]))
    query = page.url.partition("?")[2]
    tokens = await library.authorize_access_token(web_request(session, query))
    assert tokens["userinfo"]["email"] == browser.person.email, "of the ID token, which it verified"
    told = await library.userinfo(token=tokens)
    assert (told["sub"], told["name"]) == (tokens["userinfo"]["sub"], "Ada Lovelace")

    # The same answer a second time: the library has forgotten its state, and the code is used up.
    with pytest.raises(OAuthError):
        await library.authorize_access_token(web_request({}, query))

    refreshed = await library.fetch_access_token(
        grant_type="refresh_token", refresh_token=tokens["refresh_token"], redirect_uri=None
    )
    assert refreshed["refresh_token"] != tokens["refresh_token"]
    assert (await library.userinfo(token=refreshed))["sub"] == told["sub"]

    metadata = await library.load_server_metadata()
    leave = httpx2.URL(metadata["end_session_endpoint"]).copy_merge_params(
        {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": AFTER_LOGOUT, "state": "bye"}
    )
    page = await browser.arrive(str(leave))
    if not page.left:
        page = await browser.submit(page)
    assert (page.url.split("?")[0], page.told) == (AFTER_LOGOUT, {"state": "bye"})
    with pytest.raises(httpx2.HTTPStatusError, match="401"):
        await library.userinfo(token=refreshed)
