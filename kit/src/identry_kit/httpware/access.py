"""RBAC and RequireTenant: gates that read the verified caller from context. Put them after `jwtauth`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from identry_kit import context
from identry_kit.apierror import ASGIApp, Forbidden, Receive, Renderer, Scope, Send, Unauthorized, answer, to_asgi


class RBAC:
    """Which role may do what. Permissions are compared as exact strings: no wildcard, no case folding.

    The map is copied: changing it later changes nothing. An unknown or empty role holds no permission.
    """

    def __init__(
        self,
        roles: Mapping[str, Iterable[str]],
        *,
        logger: logging.Logger | None = None,
        on_error: Renderer = to_asgi,
    ) -> None:
        self._roles = {role: frozenset(permissions) for role, permissions in roles.items() if role}
        self._logger = logger or logging.getLogger("identry_kit.rbac")
        self._render = on_error

    def allows(self, role: str, permission: str) -> bool:
        """Whether `role` holds `permission`."""
        return permission in self._roles.get(role, frozenset())

    def check(self, permission: str) -> None:
        """Raise `Forbidden` (and log it) unless the caller's role holds `permission`; for use inside a handler."""
        role = context.user_role()
        if not self.allows(role, permission):
            extra = {"role": role, "permission": permission, "request_id": context.request_id()}
            self._logger.warning("permission denied", extra=extra)
            raise Forbidden

    def require(self, permission: str) -> Callable[[ASGIApp], ASGIApp]:
        """A middleware: `rbac.require("report:write")(app)` answers 403 unless the caller's role holds `permission`."""

        def gate(app: ASGIApp) -> ASGIApp:
            async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
                if scope["type"] != "lifespan":
                    try:
                        self.check(permission)
                    except Forbidden as error:
                        await refuse(scope, send, error, self._render)
                        return
                await app(scope, receive, send)

            return guarded

        return gate


class RequireTenant:
    """401 `tenant context required` unless the caller's token named a tenant."""

    def __init__(self, app: ASGIApp, *, on_error: Renderer = to_asgi) -> None:
        self.app = app
        self._render = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "lifespan" and context.tenant_id() is None:
            await refuse(scope, send, Unauthorized("tenant context required"), self._render)
            return
        await self.app(scope, receive, send)


async def refuse(scope: Scope, send: Send, error: Forbidden | Unauthorized, render: Renderer) -> None:
    """Answer `error`; a WebSocket is closed before it is accepted, which servers turn into a 403."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": error.message})
    else:
        await answer(send, error, scope, render)
