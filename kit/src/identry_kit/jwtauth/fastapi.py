"""FastAPI: `CurrentUser` as a parameter, scopes and roles as dependencies, a working Authorize button in `/docs`.

::

    app = FastAPI()
    install(app, verifier)


    @app.get("/me")
    async def me(user: CurrentUser) -> dict[str, str]:
        return {"sub": user.sub}


    @app.post("/orders", dependencies=[require_scopes("orders:write")])
    async def create(user: CurrentUser) -> ...: ...

A route is guarded by what it declares; to guard all of them, `FastAPI(dependencies=[Depends(current_user)])`, or
`JWTAuth` around the application. In a test, `app.dependency_overrides[current_user]` replaces the caller.

Needs `pip install 'identry-kit[fastapi]'`.
"""

from __future__ import annotations

from typing import Annotated, Any, cast

try:
    from fastapi import Depends, FastAPI, Security
    from fastapi.openapi.models import HTTPBearer
    from fastapi.requests import HTTPConnection
    from fastapi.security.base import SecurityBase
except ImportError as missing:
    raise ImportError("fastapi is missing: pip install 'identry-kit[fastapi]'") from missing

from identry_kit.apierror import Renderer, to_asgi
from identry_kit.apierror import fastapi as errors
from identry_kit.context import Caller
from identry_kit.jwtauth.caller import Authenticator, has_credentials
from identry_kit.jwtauth.middleware import AUTHENTICATOR, RequestRecord
from identry_kit.jwtauth.requirements import Roles, Scopes
from identry_kit.jwtauth.verifier import Verifier

__all__ = ["CurrentUser", "OptionalUser", "current_user", "install", "optional_user", "require_roles", "require_scopes"]

SCHEME = "Identry"


def install(
    app: FastAPI,
    verifier: Verifier,
    *,
    tenant_claim: str = "tenant_id",
    sub_only: bool = False,
    render: Renderer = to_asgi,
) -> None:
    """Tell `app` whose tokens it takes; give it the kit's error answers and a `context` record for each request.

    `tenant_claim` and `sub_only` as in `Authenticator`; `render` writes every error. An application that is mounted in
    another takes the same tokens unless it has its own `install`. Call it before the first request.
    """
    errors.install(app, render)
    app.add_middleware(RequestRecord, Authenticator(verifier, tenant_claim=tenant_claim, sub_only=sub_only))


class _Bearer(SecurityBase):
    """The security scheme and the dependency in one, so that FastAPI has one dependency to resolve."""

    def __init__(self) -> None:
        self.scheme_name = SCHEME
        self.model = HTTPBearer(bearerFormat="JWT", description="An access token, without the word Bearer.")


def _authenticator(connection: HTTPConnection) -> Authenticator:
    try:
        return cast("Authenticator", connection.scope[AUTHENTICATOR])
    except KeyError:
        msg = "this application does not know whose tokens it takes: call identry_kit.jwtauth.fastapi.install"
        raise RuntimeError(msg) from None


class _CurrentUser(_Bearer):
    async def __call__(self, connection: HTTPConnection) -> Caller:
        authenticator, scope = _authenticator(connection), connection.scope
        return authenticator.known(scope) or await authenticator.caller(scope)


class _OptionalUser(_Bearer):
    async def __call__(self, connection: HTTPConnection) -> Caller | None:
        authenticator = _authenticator(connection)
        return await authenticator.caller(connection.scope) if has_credentials(connection.scope) else None


class _Requires(_Bearer):
    def __init__(self, requirement: Roles | Scopes) -> None:
        super().__init__()
        self.requirement = requirement

    async def __call__(self, connection: HTTPConnection) -> Caller:
        caller = await _authenticator(connection).caller(connection.scope)
        self.requirement.check(caller)
        return caller


current_user = _CurrentUser()
"""The dependency behind `CurrentUser`: the caller, or 401 (503 when the keys cannot be had)."""

optional_user = _OptionalUser()
"""The dependency behind `OptionalUser`: None without an `Authorization` header; a bad one is a 401 all the same."""

# The scope is what both have anyway; said, FastAPI need not find it out for each request.
CurrentUser = Annotated[Caller, Depends(current_user, scope="request")]
OptionalUser = Annotated[Caller | None, Depends(optional_user, scope="request")]


def require_scopes(*scopes: str) -> Any:
    """A dependency: the caller, whose token holds all of `scopes`; else 403 with `error="insufficient_scope"`.

    For `dependencies=[…]` of a route, a router or the application, or in `Annotated[Caller, require_scopes(…)]`.
    """
    return Security(_Requires(Scopes(scopes)), scopes=list(scopes))


def require_roles(*roles: str, client_id: str = "") -> Any:
    """A dependency: the caller, who has one of `roles` (in the client `client_id`, when it is given); else 403."""
    return Depends(_Requires(Roles(roles, client_id)), scope="request")
