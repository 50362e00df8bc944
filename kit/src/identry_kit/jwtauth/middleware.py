"""JWTAuth: whoever gets past it is known, and handlers read who it is from `context`."""

from __future__ import annotations

from identry_kit import context
from identry_kit.apierror import APIError, ASGIApp, Receive, Renderer, Scope, Send, answer, to_asgi
from identry_kit.jwtauth.caller import Authenticator
from identry_kit.jwtauth.verifier import Verifier

AUTHENTICATOR = "identry_kit.authenticator"
"""The key in an ASGI scope under which a skin finds whose tokens it takes."""


class JWTAuth:
    """Let a request in only with a token that `verifier` accepts; put the caller and the raw token into `context`.

    Answers 401 (with `WWW-Authenticate`), or 503 when the keys cannot be had. Every request inside is guarded, whatever
    its path or method, WebSockets too: there is no list of public paths to get around. `tenant_claim` and `sub_only` as
    in `Authenticator`.
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
        self._authenticator = Authenticator(verifier, tenant_claim=tenant_claim, sub_only=sub_only)
        self._render = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        try:
            caller = await self._authenticator.caller(scope)
        except APIError as error:
            await _refuse(scope, send, error, self._render)
            return
        if context.current() is not None:
            await self.app(scope, receive, send)
        else:
            with context.use(caller):
                await self.app(scope, receive, send)


class RequestRecord:
    """A record of `context` for the length of a request, if no layer outside made one.

    Skins put their `authenticator` into the scope with it, for the dependencies inside.
    """

    def __init__(self, app: ASGIApp, authenticator: Authenticator | None = None) -> None:
        self.app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if self._authenticator is not None:
            scope[AUTHENTICATOR] = self._authenticator
        if scope["type"] == "lifespan" or context.current() is not None:
            await self.app(scope, receive, send)
            return
        token = context.begin(context.Request(method=scope.get("method", ""), path=scope["path"]))
        try:
            await self.app(scope, receive, send)
        finally:
            context.end(token)


async def _refuse(scope: Scope, send: Send, error: APIError, render: Renderer) -> None:
    if scope["type"] == "websocket":
        # Before the handshake is accepted: servers answer it with 403.
        await send({"type": "websocket.close", "code": 1008, "reason": error.public_message})
    else:
        await answer(send, error, scope, render)
