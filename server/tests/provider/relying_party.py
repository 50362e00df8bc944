"""A relying party that shares no code with the provider: it knows the discovery document and the specifications."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx2
from harness import Harness, Person
from joserfc import jwt
from joserfc.jwk import KeySet
from provider.applications import App, application
from provider.visitor import Page, Visitor

CALLBACK = "https://rp.example.com/callback"
AFTER_LOGOUT = "https://rp.example.com/post_logout_redirect"
DISCOVERY = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Tokens:
    """The answer to a token request, its ID token verified.

    Attributes:
        claims: of the ID token; empty where there is none.
    """

    access_token: str
    refresh_token: str
    id_token: str
    claims: dict[str, Any]
    body: dict[str, Any]


class RelyingParty:
    """One client at one provider.

    Args:
        basic: whether it authenticates by HTTP Basic, or in the form.
    """

    def __init__(self, app: Harness, registered: App, metadata: dict[str, Any], *, basic: bool = True) -> None:
        self.app = app
        self.registered = registered
        self.metadata = metadata
        self.basic = basic
        self.client_id = registered.client.client_id

    @classmethod
    async def at(cls, app: Harness, *, basic: bool = True, **client: Any) -> RelyingParty:
        """A new client, registered by the operator, that has read the discovery document.

        Unless told otherwise it is as the certification's clients are: confidential, without PKCE.
        """
        values = {
            "redirect_uris": [CALLBACK],
            "post_logout_redirect_uris": [AFTER_LOGOUT],
            "require_pkce": False,
            **client,
        }
        metadata = (await app.http.get(DISCOVERY)).json()
        return cls(app, await application(app, **values), metadata, basic=basic)

    def local(self, endpoint: str) -> str:
        """Where an endpoint of the discovery document is on the test's port."""
        url, issuer = str(self.metadata[endpoint]), str(self.metadata["issuer"])
        assert url.startswith(issuer + "/"), f"{endpoint} is not the issuer's: {url}"
        return url[len(issuer) :]

    # -- authorization endpoint ----------------------------------------------------------------------------------------

    def request(self, **changes: str | None) -> dict[str, str]:
        """The parameters of an authorization request; None leaves one out."""
        told: dict[str, str | None] = {
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid",
            "state": secrets.token_urlsafe(16),
            "nonce": secrets.token_urlsafe(16),
            **changes,
        }
        return {name: value for name, value in told.items() if value is not None}

    def url(self, request: dict[str, str]) -> str:
        """The address that a browser is sent to with a request."""
        return f"{self.metadata['authorization_endpoint']}?{urlencode(request)}"

    async def answer(self, visitor: Visitor, request: dict[str, str]) -> Page:
        """Send a browser with a request, and let its person do what the pages ask."""
        return await visitor.through(await visitor.arrive(self.url(request)))

    async def code(self, visitor: Visitor, request: dict[str, str]) -> str:
        """The code of an authorization that succeeds; its answer is as it has to be."""
        return self.code_of(await self.answer(visitor, request), request)

    def code_of(self, page: Page, request: dict[str, str]) -> str:
        """The code in an answer: state echoed, issuer named (RFC 9207), nothing else beside it."""
        assert page.left, f"no answer but {page.status} {page.url}:\n{page.text[:2000]}"
        assert page.url.split("?")[0] == request.get("redirect_uri", CALLBACK)
        told = page.told
        assert "error" not in told, told
        assert set(told) == {"code", "state", "iss"}
        assert told["state"] == request["state"]
        assert told["iss"] == self.metadata["issuer"]
        assert len(told["code"]) >= 22, "128 bits at least"
        return told["code"]

    def error_of(self, page: Page, request: dict[str, str]) -> str:
        """The error in an answer (OpenID Connect Core §3.1.2.6): state echoed, no code, words as RFC 6749 has them."""
        assert page.left, f"no answer but {page.status} {page.url}:\n{page.text[:2000]}"
        assert page.url.split("?")[0] == request.get("redirect_uri", CALLBACK)
        told = page.told
        assert set(told) <= {"error", "error_description", "error_uri", "state", "iss"}
        assert told.get("state") == request.get("state")
        assert told["iss"] == self.metadata["issuer"]
        assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*", told.get("error_description", ""))
        return told["error"]

    # -- the other endpoints -------------------------------------------------------------------------------------------

    async def ask(self, endpoint: str, fields: dict[str, str], **headers: str) -> httpx2.Response:
        """POST a form to an endpoint, authenticated as this client does it."""
        fields, told = dict(fields), dict(headers)
        if self.basic and self.registered.secret:
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.registered.secret)}"
            told["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            fields.update(self.registered.credentials)
        return await self.app.http.post(
            self.local(endpoint), data=fields, headers={"X-Forwarded-For": self.app.fresh_ip(), **told}
        )

    async def redeem(self, code: str, **more: str) -> httpx2.Response:
        """The raw answer to a code."""
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, **more}
        return await self.ask("token_endpoint", {k: v for k, v in fields.items() if v})

    async def refresh(self, refresh_token: str, **more: str) -> httpx2.Response:
        """The raw answer to a refresh token."""
        return await self.ask("token_endpoint", {"grant_type": "refresh_token", "refresh_token": refresh_token, **more})

    async def tokens(self, reply: httpx2.Response, nonce: str | None = None) -> Tokens:
        """What a token endpoint's success holds, checked as OpenID Connect Core §3.1.3.3 and §3.1.3.7 say."""
        assert reply.status_code == 200, reply.text
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["content-type"].startswith("application/json")
        body = reply.json()
        assert body["token_type"] == "Bearer"
        assert isinstance(body["expires_in"], int)
        assert body["expires_in"] > 0
        refresh_token = body.get("refresh_token", "")
        assert re.fullmatch(r"[\x20-\x7e]*", refresh_token)
        id_token = body.get("id_token", "")
        claims = await self.verified(id_token, nonce, body["access_token"]) if id_token else {}
        return Tokens(body["access_token"], refresh_token, id_token, claims, body)

    async def verified(self, id_token: str, nonce: str | None, access_token: str = "") -> dict[str, Any]:
        """The claims of an ID token that is right in every respect."""
        keys = KeySet.import_key_set((await self.app.http.get(self.local("jwks_uri"))).json())
        header = jwt.decode(id_token, keys, algorithms=["RS256", "ES256"]).header
        claims = jwt.decode(id_token, keys, algorithms=["RS256", "ES256"]).claims
        now = self.app.clock.now().timestamp()
        assert header.get("kid")
        assert header["alg"] in self.metadata["id_token_signing_alg_values_supported"]
        assert claims["iss"] == self.metadata["issuer"]
        assert claims["aud"] in ([self.client_id], self.client_id)
        assert claims.get("azp", self.client_id) == self.client_id
        assert isinstance(claims["sub"], str)
        assert 0 < len(claims["sub"]) <= 255
        assert claims["iat"] - 60 <= now < claims["exp"]
        assert claims.get("nonce") == nonce
        assert claims["auth_time"] <= claims["iat"]
        if access_token:
            half = hashlib.sha256(access_token.encode()).digest()[:16]
            assert claims["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
        return claims

    async def sign_in(self, visitor: Visitor, **changes: str | None) -> Tokens:
        """From the authorization request to tokens."""
        request = self.request(**changes)
        return await self.tokens(await self.redeem(await self.code(visitor, request)), request.get("nonce"))

    async def userinfo(self, access_token: str) -> httpx2.Response:
        """UserInfo by GET."""
        return await self.app.http.get(
            self.local("userinfo_endpoint"), headers={"Authorization": f"Bearer {access_token}"}
        )


async def visitor(app: Harness, **person: Any) -> Visitor:
    """The browser of a new person."""
    return Visitor(app, await somebody(app, **person))


async def somebody(app: Harness, **fields: Any) -> Person:
    """A new person."""
    return await app.make_user(full_name="Ada Lovelace", **fields)
