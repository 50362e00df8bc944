"""Litestar: guards, the caller as a dependency, and the security scheme in the OpenAPI document.

::

    @get("/me", guards=[requires_user])
    async def me(current_user: CurrentUser) -> dict[str, str]:
        return {"sub": current_user.sub}


    @post("/orders", guards=[requires_scopes("orders:write")])
    async def create(current_user: CurrentUser) -> ...: ...


    app = Litestar([me, create], plugins=[IdentryPlugin(verifier)])

A route is guarded by its guards (its own, its router's, the application's); asking for the dependency `current_user`
refuses anonymous callers too, `optional_user: OptionalUser` does not. What is guarded says so in the OpenAPI document.

Needs `pip install 'identry-kit[litestar]'`.
"""

from __future__ import annotations

from copy import copy
from typing import Any, cast

try:
    from litestar.config.app import AppConfig
    from litestar.connection import ASGIConnection
    from litestar.di import NamedDependency, Provide
    from litestar.enums import ScopeType
    from litestar.exceptions import WebSocketException
    from litestar.handlers.base import BaseRouteHandler
    from litestar.handlers.http_handlers.base import HTTPRouteHandler
    from litestar.openapi.spec import Components, SecurityScheme
    from litestar.plugins import InitPlugin, ReceiveRoutePlugin
    from litestar.routes import BaseRoute
    from litestar.types import Scope as LitestarScope
except ImportError as missing:
    raise ImportError("litestar is missing: pip install 'identry-kit[litestar]'") from missing

from identry_kit.apierror import APIError, Renderer, Scope, to_asgi
from identry_kit.apierror import litestar as errors
from identry_kit.context import Caller
from identry_kit.jwtauth.caller import Authenticator, has_credentials
from identry_kit.jwtauth.middleware import RequestRecord
from identry_kit.jwtauth.requirements import Roles, Scopes
from identry_kit.jwtauth.verifier import Verifier

__all__ = ["CurrentUser", "IdentryPlugin", "OptionalUser", "requires_roles", "requires_scopes", "requires_user"]

SCHEME = "Identry"
CurrentUser = NamedDependency[Caller]
"""The type of a parameter called `current_user`: the caller, or 401 (503 when the keys cannot be had)."""
OptionalUser = NamedDependency[Caller | None]
"""The type of a parameter called `optional_user`: None without an `Authorization` header; a bad one is a 401."""
_Connection = ASGIConnection[Any, Any, Any, Any]


class IdentryPlugin(InitPlugin, ReceiveRoutePlugin):
    """Tells an application whose tokens it takes.

    It brings the dependencies `current_user` and `optional_user`, the kit's error answers, a `context` record for each
    request and the security scheme. `tenant_claim` and `sub_only` as in `Authenticator`; `render` writes every error.
    """

    def __init__(
        self,
        verifier: Verifier,
        *,
        tenant_claim: str = "tenant_id",
        sub_only: bool = False,
        render: Renderer = to_asgi,
    ) -> None:
        self.authenticator = Authenticator(verifier, tenant_claim=tenant_claim, sub_only=sub_only)
        self._render = render

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """See Litestar's `InitPlugin`."""
        app_config.exception_handlers = {
            **errors.exception_handlers(self._render),
            **app_config.exception_handlers,
        }
        app_config.dependencies.setdefault("current_user", Provide(self._current_user))
        app_config.dependencies.setdefault("optional_user", Provide(self._optional_user))
        app_config.middleware.insert(0, cast("Any", RequestRecord))
        if app_config.openapi_config is not None:
            config = app_config.openapi_config = copy(app_config.openapi_config)
            own = Components(
                security_schemes={SCHEME: SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
            )
            given = config.components if isinstance(config.components, list) else [config.components]
            config.components = [own, *given]
        return app_config

    def receive_route(self, route: BaseRoute) -> None:
        """Write into the OpenAPI document what the guards of `route` require."""
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler):
                guards = [guard for guard in handler.resolve_guards() if isinstance(guard, _Guard)]
                if guards and not handler.security:
                    names = [name for guard in guards for name in guard.scopes]
                    handler.security = [{SCHEME: names}]

    async def _current_user(self, scope: LitestarScope) -> Caller:
        return await self.authenticator.caller(cast("Scope", scope))

    async def _optional_user(self, scope: LitestarScope) -> Caller | None:
        own = cast("Scope", scope)
        return await self.authenticator.caller(own) if has_credentials(own) else None


class _Guard:
    """A Litestar guard: it runs before the body is read and before any dependency."""

    def __init__(self, requirement: Roles | Scopes | None = None) -> None:
        self._requirement = requirement
        self.scopes = requirement.names if isinstance(requirement, Scopes) else ()

    async def __call__(self, connection: _Connection, _handler: BaseRouteHandler) -> None:
        """Let `connection` pass, or raise Unauthorized, Forbidden or ServiceUnavailable."""
        plugin = connection.app.plugins.get(IdentryPlugin)
        try:
            caller = await plugin.authenticator.caller(cast("Scope", connection.scope))
            if self._requirement is not None:
                self._requirement.check(caller)
        except APIError as error:
            if connection.scope["type"] == ScopeType.WEBSOCKET:
                code = 1008 if error.status < 500 else 1011
                raise WebSocketException(detail=error.public_message, code=code) from None
            raise


requires_user = _Guard()
"""The guard for whoever is known: 401 without a good token, 503 when the keys cannot be had."""


def requires_scopes(*scopes: str) -> _Guard:
    """A guard: the token must hold all of `scopes`; else 403 with `error="insufficient_scope"`."""
    return _Guard(Scopes(scopes))


def requires_roles(*roles: str, client_id: str = "") -> _Guard:
    """A guard: the caller must have one of `roles` (in the client `client_id`, when it is given); else 403."""
    return _Guard(Roles(roles, client_id))
