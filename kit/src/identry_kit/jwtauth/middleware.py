"""JWTAuth: whoever gets past it is known, and handlers read who it is from `context`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast
from uuid import NAMESPACE_DNS, UUID, uuid5

from identry_kit import context
from identry_kit.apierror import APIError, ASGIApp, Receive, Renderer, Scope, Send, answer, to_asgi
from identry_kit.jwtauth.claims import Claims, strings
from identry_kit.jwtauth.errors import InvalidToken, MissingToken
from identry_kit.jwtauth.verifier import Verifier

_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] ([A-Za-z0-9._~+/=-]+)").fullmatch


class JWTAuth:
    """Let a request in only with a token that `verifier` accepts; put the caller and the raw token into `context`.

    Answers 401 (with `WWW-Authenticate`), or 503 when the keys cannot be had. Every request inside is guarded, whatever
    its path or method, WebSockets too: there is no list of public paths to get around. `tenant_claim` names the claim
    with the tenant's UUID; `sub_only` takes the user's id from `sub` even when there is a claim `user_id`.
    """

    def __init__(
        self,
        app: ASGIApp,
        verifier: Verifier,
        *,
        tenant_claim: str = "tenant_id",
        sub_only: bool = False,
        on_error: Renderer = to_asgi,
    ) -> None:
        self.app = app
        self._verifier = verifier
        self._tenant_claim = tenant_claim
        self._sub_only = sub_only
        self._render = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        try:
            token = bearer_token(scope)
            claims = await self._verifier.verify(token)
            caller = self._caller(claims, token)
        except APIError as error:
            await _refuse(scope, send, error, self._render)
            return
        record = context.current()
        if record is not None:
            record.caller = caller
            await self.app(scope, receive, send)
        else:
            with context.use(caller):
                await self.app(scope, receive, send)

    def _caller(self, claims: Claims, token: str) -> context.Caller:
        """`caller_of`, made once per verified token: the verifier gives out the same claims for the same token."""
        if claims.memo is not None and claims.memo[0] is self:
            return cast("context.Caller", claims.memo[1])
        caller = caller_of(claims, token, tenant_claim=self._tenant_claim, sub_only=self._sub_only)
        claims.memo = (self, caller)
        return caller


def bearer_token(scope: Scope) -> str:
    """The token of the one `Authorization: Bearer <token>` header. Raises MissingToken.

    The scheme's case does not matter (RFC 9110 §11.1), one space does; two headers or a comma list are refused.
    """
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if found is not None:
                raise MissingToken
            found = value
    match = None if found is None else _BEARER(found)
    if match is None:
        raise MissingToken
    return match[1].decode("ascii")


def caller_of(
    claims: Claims, token: str = "", *, tenant_claim: str = "tenant_id", sub_only: bool = False
) -> context.Caller:
    """The caller that `claims` describe. Raises InvalidToken `invalid tenant_id` for a tenant that is not a UUID.

    A user id that is not a UUID becomes the UUIDv5 of `socrate:<value>` in the DNS namespace, as the third seed has it.
    """
    roles = claims.get("app_roles")
    return context.Caller(
        tenant_id=_tenant(claims, tenant_claim),
        user_id=_user_id(claims, sub_only=sub_only),
        sub=claims.sub,
        role=claims.text("role") or claims.text("globalRole"),
        email=claims.text("email"),
        name=claims.text("name"),
        plan=claims.text("plan") or context.DEFAULT_PLAN,
        app_roles=roles if isinstance(roles, Mapping) and all(isinstance(r, str) for r in roles.values()) else {},
        token_version=claims.token_version,
        auth_time=claims.auth_time,
        amr=claims.amr,
        audiences=strings(claims.aud),
        raw_token=token,
    )


def _tenant(claims: Claims, name: str) -> UUID | None:
    if not name.strip():
        raise InvalidToken("tenant claim not configured", "invalid tenant_id")
    if name not in claims:
        return None
    tenant = _uuid(claims[name])
    if tenant is None:
        raise InvalidToken("tenant", "invalid tenant_id")
    return tenant


def _user_id(claims: Claims, *, sub_only: bool) -> UUID | None:
    if not sub_only and (user := _uuid(claims.get("user_id"))) is not None:
        return user
    if not claims.sub:
        return None
    return _uuid(claims.sub) or uuid5(NAMESPACE_DNS, f"socrate:{claims.sub}")


_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}").fullmatch


def _uuid(value: object) -> UUID | None:
    """A UUID in its usual spelling; `uuid.UUID` alone also takes braces, `urn:uuid:` and missing hyphens."""
    return UUID(value) if isinstance(value, str) and _UUID(value) else None


async def _refuse(scope: Scope, send: Send, error: APIError, render: Renderer) -> None:
    if scope["type"] == "websocket":
        # Before the handshake is accepted: servers answer it with 403.
        await send({"type": "websocket.close", "code": 1008, "reason": error.public_message})
    else:
        await answer(send, error, scope, render)
