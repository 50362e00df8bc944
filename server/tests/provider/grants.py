"""Grants for tests: a code as the authorization endpoint gives it, and requests of the token endpoint."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any

from harness import Harness, Person
from httpx2 import Response
from provider.applications import App

from identry.oauth import codes
from identry.records.authorization_codes import Code

REDIRECT = "https://web.example.com/callback"
VERIFIER = secrets.token_urlsafe(48)
SCOPES = ["openid", "email", "profile", "offline_access", "api"]


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def code_for(app: Harness, person: Person, made: App, **values: Any) -> str:
    """A code that this person gave this application; `values` replace fields of `Code`."""
    fields: dict[str, Any] = {
        "client_id": made.client.id,
        "user_id": person.id,
        "browser_session_id": None,
        "redirect_uri": REDIRECT,
        "redirect_uri_given": True,
        "scopes": SCOPES,
        "audiences": None,
        "nonce": "n-0S6_WzA2Mj",
        "code_challenge": challenge_of(VERIFIER),
        "dpop_jkt": None,
        "auth_time": app.clock.now(),
        "amr": ["pwd"],
        "token_version": 1,
    }
    code = await codes.issue(app.db, Code(**{**fields, **values}), app.clock.now())
    assert code is not None
    return code


async def ask(app: Harness, made: App, grant_type: str, /, *, dpop: str | None = None, **fields: str) -> Response:
    """A token request of an application."""
    headers = {"X-Forwarded-For": app.fresh_ip()} | ({"DPoP": dpop} if dpop else {})
    form = {"grant_type": grant_type, **made.credentials, **fields}
    return await app.http.post("/oauth/token", data=form, headers=headers)


async def exchange(app: Harness, made: App, code: str, /, *, dpop: str | None = None, **fields: str) -> Response:
    """Redeem a code as its own application does."""
    given = {"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER, **fields}
    return await ask(app, made, "authorization_code", dpop=dpop, **{k: v for k, v in given.items() if v})


async def granted(
    app: Harness, person: Person, made: App, /, *, dpop: str | None = None, **values: Any
) -> dict[str, Any]:
    """The tokens of a person's grant to an application."""
    reply = await exchange(app, made, await code_for(app, person, made, **values), dpop=dpop)
    assert reply.status_code == 200, reply.text
    tokens: dict[str, Any] = reply.json()
    return tokens


async def refreshed(app: Harness, made: App, refresh_token: str, /, **fields: str) -> Response:
    """Present a refresh token."""
    return await ask(app, made, "refresh_token", refresh_token=refresh_token, **fields)


def refusal(reply: Response) -> tuple[int, str]:
    """Status and error code of an answer."""
    return reply.status_code, reply.json().get("error", "")
