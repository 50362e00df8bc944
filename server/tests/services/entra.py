"""A server on a loopback port that speaks Entra ID's shapes, and tells every lie that a test asks for.

It checks what a client must send as strictly as Entra ID does, and signs with joserfc, so neither side of the protocol
is tested against itself.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID = "5f1e6a1c-1111-4222-8333-444455556666"
CLIENT_SECRET = "entra secret with ünicode & signs"


@dataclass(frozen=True)
class Account:
    """Somebody with an account in a directory.

    Attributes:
        tid, oid: directory and object, as Entra ID writes them.
        email: what the directory says, which its administrator may have set to anything.
        claims: further claims, or others instead; None leaves one out.
    """

    tid: str
    oid: str
    email: str
    name: str = "Ada Lovelace"
    claims: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Grant:
    account: Account
    asked: dict[str, str]


class Entra:
    """The server.

    Attributes:
        who: signs in next; None: declines.
        claims: laid over every ID token; None as a value leaves the claim out.
        header: laid over every ID token's header.
        signing: `published`, `unpublished`, `none`, `hs256`: how ID tokens are signed.
        token: answers the token request instead, when set: status, headers, body.
        reply: laid over the parameters of the redirect back; None leaves one out.
        hang: whether the token endpoint says nothing.
        has_keys: whether it can publish its keys.
        asked: the authorization request's parameters, the last one's.
        forms: every token request.
        issued: every ID token.
        basic: client id and secret as the last token request's header had them.
        now: its clock.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.key = RSAKey.generate_key(2048, parameters={"kid": "published-1", "use": "sig"})
        self.other = RSAKey.generate_key(2048, parameters={"kid": "published-1", "use": "sig"})
        self.now = now
        self.visits: list[str] = []
        self._codes: dict[str, _Grant] = {}
        self.truthful()

    def truthful(self) -> None:
        """Tell no lies from now on."""
        self.who: Account | None = None
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.signing = "published"
        self.token: tuple[int, dict[str, str], bytes] | None = None
        self.reply: dict[str, str | None] = {}
        self.hang = False
        self.has_keys = True
        self.asked: dict[str, str] = {}
        self.forms: list[dict[str, str]] = []
        self.issued: list[str] = []
        self.basic = ""

    async def start(self) -> str:
        """Listen; returns the authority's URL."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            self._serve, log_config=None, lifespan="off", access_log=False, ws="none", interface="asgi3"
        )
        self._server = uvicorn.Server(config)
        self._server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started:
            await asyncio.sleep(0.01)
        return self.url

    async def stop(self) -> None:
        """Be gone; again is not an error."""
        self._server.should_exit = self._server.force_exit = True
        await self._task

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.visits.append(f"{scope['method']} {scope['path']}")
        status, headers, answer = await self._answer(scope, body)
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, scope: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        directory, _, asked = scope["path"][1:].partition("/")  # `common`, or one directory
        match scope["method"], asked:
            case "GET", "v2.0/.well-known/openid-configuration":
                return _json(200, self._discovery(directory))
            case "GET", "oauth2/v2.0/authorize":
                return self._authorize(query, scope["query_string"].decode())
            case "POST", "oauth2/v2.0/token":
                authorization = dict(scope["headers"]).get(b"authorization", b"Basic ").decode()
                self.basic = base64.b64decode(authorization.removeprefix("Basic ")).decode()
                if self.hang:
                    await asyncio.sleep(60)
                return self._redeem(dict(parse_qsl(body.decode(), keep_blank_values=True)))
            case "GET", "discovery/v2.0/keys":
                return _json(*((200, {"keys": [self.key.as_dict(private=False)]}) if self.has_keys else (500, {})))
        return _json(404, {"error": "not_found"})

    def _discovery(self, directory: str) -> dict[str, Any]:
        home = f"{self.url}/{directory}"
        return {
            "issuer": f"{home}/v2.0",
            "authorization_endpoint": f"{home}/oauth2/v2.0/authorize",
            "token_endpoint": f"{home}/oauth2/v2.0/token",
            "jwks_uri": f"{home}/discovery/v2.0/keys",
            "response_types_supported": ["code", "id_token"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _authorize(self, query: dict[str, str], raw: str) -> tuple[int, dict[str, str], bytes]:
        repeated = [name for name, values in parse_qs(raw).items() if len(values) > 1]
        assert not repeated, f"sent twice: {repeated}"
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert set(query["scope"].split()) == {"openid", "profile", "email"}
        assert query["code_challenge_method"] == "S256"
        assert len(query["code_challenge"]) == 43
        assert min(len(query["state"]), len(query["nonce"])) >= 43
        self.asked = query
        back: dict[str, str | None] = {"state": query["state"], "session_state": "of-no-use"}
        if self.who is None:
            back |= {"error": "access_denied", "error_description": "AADSTS65004: <b>secret text</b>"}
        else:
            code = secrets.token_urlsafe(300)
            self._codes[code] = _Grant(self.who, query)
            back["code"] = code
        told = {name: value for name, value in {**back, **self.reply}.items() if value is not None}
        return 302, {"location": f"{query['redirect_uri']}?{urlencode(told)}"}, b""

    def _redeem(self, form: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        self.forms.append(form)
        if self.token is not None:
            return self.token
        shown = (form.get("client_id"), form.get("client_secret"))
        if (CLIENT_ID, CLIENT_SECRET) not in {shown, tuple(map(unquote_plus, self.basic.split(":")))}:
            return _json(401, {"error": "invalid_client", "error_description": "AADSTS7000215 secret text"})
        grant = self._codes.pop(form.get("code", ""), None)
        if grant is None or form.get("grant_type") != "authorization_code":
            return _json(400, {"error": "invalid_grant", "error_description": "AADSTS70008 secret text"})
        challenge = _b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if challenge != grant.asked["code_challenge"] or form.get("redirect_uri") != grant.asked["redirect_uri"]:
            return _json(400, {"error": "invalid_grant"})
        tokens = {"token_type": "Bearer", "expires_in": 3600, "access_token": "for-graph"}
        return _json(200, {**tokens, "id_token": self.id_token(grant.account, grant.asked["nonce"])})

    def id_token(self, account: Account, nonce: str) -> str:
        """A signed ID token, with the lies that are asked for."""
        now = int(self.now())
        claims: dict[str, Any] = {
            "ver": "2.0",
            "iss": f"{self.url}/{account.tid}/v2.0",
            "sub": _b64(hashlib.sha256(f"{account.tid}{account.oid}{CLIENT_ID}".encode()).digest()),
            "aud": CLIENT_ID,
            "exp": now + 3600,
            "iat": now,
            "nbf": now,
            "name": account.name,
            "preferred_username": account.email,
            "email": account.email,
            "oid": account.oid,
            "tid": account.tid,
            "nonce": nonce,
            "rh": "0.AAAA",
            **account.claims,
            **self.claims,
        }
        token = self._signed({name: value for name, value in claims.items() if value is not None})
        self.issued.append(token)
        return token

    def _signed(self, claims: dict[str, Any]) -> str:
        header = {"typ": "JWT", "alg": "RS256", "kid": "published-1", **self.header}
        if self.signing in {"none", "hs256"}:
            header["alg"] = "none" if self.signing == "none" else "HS256"
            text = ".".join(_b64(json.dumps(part).encode()) for part in (header, claims))
            secret = self.key.as_pem(private=False)
            tag = _b64(hmac.digest(secret, text.encode(), "sha256")) if self.signing == "hs256" else ""
            return f"{text}.{tag}"
        return jwt.encode(header, claims, self.key if self.signing == "published" else self.other)


def _json(status: int, body: Any) -> tuple[int, dict[str, str], bytes]:
    return status, {"content-type": "application/json"}, json.dumps(body).encode()


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
