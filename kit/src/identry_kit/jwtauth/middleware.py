"""JWTAuth: whoever gets past it is known, and handlers read who it is from `context`."""

from __future__ import annotations

from collections.abc import Awaitable

from identry_kit import context
from identry_kit.apierror import APIError, ASGIApp, Receive, Renderer, Scope, Send, answer, to_asgi
from identry_kit.jwtauth.caller import Authenticator
from identry_kit.jwtauth.verifier import Verifier

_new = object.__new__
AUTHENTICATOR = "identry_kit.authenticator"
"""The key in an ASGI scope under which a skin finds whose tokens it takes."""


class JWTAuth:
    """Let a request in only with a token that `verifier` accepts; put the caller and the raw token into `context`.

    Answers 401 (with `WWW-Authenticate`), or 503 when the keys cannot be had. Every request inside is guarded, whatever
    its path or method, WebSockets too: there is no list of public paths to get around. `tenant_claim` and `sub_only` as
    in `Authenticator`.
    """

    checkpoint = True

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
            waiting = self.check(scope)
            if waiting is not None:
                await waiting
        except APIError as error:
            await self.refuse(scope, send, error)
            return
        if context.of(scope) is not None:
            await self.app(scope, receive, send)
        else:
            with context.use(await self._authenticator.caller(scope)):
                await self.app(scope, receive, send)

    def check(self, scope: Scope) -> Awaitable[object] | None:
        """None: a caller who is known has made the request. Else what tells who it is, or raises APIError."""
        return None if self._authenticator.known(scope) is not None else self._authenticator.caller(scope)

    async def refuse(self, scope: Scope, send: Send, error: APIError) -> None:
        """Answer `error`; a WebSocket is closed before it is accepted, which servers turn into a 403."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": error.public_message})
        else:
            await answer(send, error, scope, self._render)


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
        if scope["type"] == "lifespan" or context.of(scope) is not None:
            await self.app(scope, receive, send)
            return
        record = _new(context.RequestInScope)  # a class that is called costs more, see `httpware.stack`
        context.Request.__init__(record, method=scope.get("method", ""), path=scope["path"])
        scope[context.SCOPE] = record
        token = context.begin(record)
        try:
            await self.app(scope, receive, send)
        finally:
            context.end(token)
