"""The orders service in Litestar: the same routes, answers and limits as `fastapi_service`, on the same parts.

::

    request → standard_stack: id, log line, headers, body limit, recover, timeout
              ├─ /healthz                                    anybody
              └─ JWTAuth → CallerRateLimiter → /api/…        a good token; 20 a second for each tenant
                                               └─ guards     pro-only, enterprise-only

Run it: `uvicorn --factory litestar_service.service:create_app` in the folder above this one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated, Any, cast

from litestar import Litestar, Request, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.openapi import OpenAPIConfig
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from identry_kit.apierror import ASGIApp
from identry_kit.httpware import SECURITY_HEADERS, CallerRateLimiter, standard_stack
from identry_kit.jwtauth import JWTAuth
from identry_kit.jwtauth.litestar import CurrentUser, IdentryPlugin, requires_roles, requires_user
from identry_kit.pagination import PageParams, page_body, parse
from identry_kit.tiering import PLAN_ENTERPRISE, PLAN_PRO, Gate
from orders.book import Order, owner_of
from orders.parts import Parts
from orders.settings import Settings

gate = Gate(upgrade_url="/settings/billing")
pro_only = gate.guard(PLAN_PRO)
enterprise_only = gate.guard(PLAN_ENTERPRISE)

TheParts = NamedDependency[Parts]
ThePage = NamedDependency[PageParams]


def the_page(request: Request[Any, Any, Any]) -> PageParams:
    """`?page=2&pageSize=50`; nonsense is the default, never an error."""
    return parse(request.url.query)


@dataclass
class NewOrder:
    """What a client sends. Whatever does not fit is 422, with the fields' names and without their values."""

    item: Annotated[str, Meta(min_length=1, max_length=200)]
    cents: Annotated[int, Meta(ge=0, le=10**9)]


# For everybody with a token.


@get("/me")
async def me(current_user: CurrentUser) -> dict[str, Any]:
    """Who is calling, as the verified token says."""
    user = current_user
    return {"sub": user.sub, "tenant": str(user.tenant_id or ""), "role": user.role, "plan": user.plan}


@get("/orders")
async def list_orders(current_user: CurrentUser, parts: TheParts, paging: ThePage) -> dict[str, Any]:
    """A page of the caller's orders."""
    orders, total = parts.book.page(owner_of(current_user), paging.offset, paging.limit)
    return page_body(orders, total, paging)


@post("/orders")
async def create_order(data: JSONBody[NewOrder], current_user: CurrentUser, parts: TheParts) -> Order:
    """A new order."""
    return parts.book.add(owner_of(current_user), data.item, data.cents)


@get("/orders/{order_id:int}")
async def get_order(order_id: FromPath[int], current_user: CurrentUser, parts: TheParts) -> Order:
    """One order; 404 for those of others too."""
    return parts.book.get(owner_of(current_user), order_id)


@post("/exports")
async def export(current_user: CurrentUser, parts: TheParts) -> dict[str, int]:
    """As often as the plan's policy allows, then 403."""
    return {"used": await parts.export(current_user)}


# From pro upwards: 403 {"error":"plan_required","upgradeUrl":…} below it.


@post("/ai/narrate/{order_id:int}", guards=[pro_only], status_code=200)
async def narrate(order_id: FromPath[int], current_user: CurrentUser, parts: TheParts) -> dict[str, Any]:
    """An order as prose; 503 without an AI."""
    narration = await parts.narrate(current_user, parts.book.get(owner_of(current_user), order_id))
    return narration.as_dict()


# Enterprise, and an administrator: a plan is what somebody paid for, a role is what somebody may do.


@get("/admin/tenants", guards=[enterprise_only, requires_roles("admin")])
async def list_tenants(parts: TheParts) -> dict[str, Any]:
    """Every owner of orders."""
    return {"tenants": parts.book.owners()}


@get("/healthz")
async def health() -> dict[str, str]:
    """For the load balancer."""
    return {"status": "ok"}


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The whole service, as an ASGI application."""
    logging.basicConfig(level=logging.INFO)
    settings = settings or Settings.from_environment()
    parts = Parts(settings)

    # Everything that needs a token. Litestar runs middlewares before guards, so the gates find the caller that JWTAuth
    # put into the context. It makes one of each for every route, so the buckets are made once, outside; and it copies
    # what it is given, so they are functions (a DefineMiddleware would copy the locks inside).
    def authenticated(app: Any) -> Any:
        return JWTAuth(app, parts.verifier)

    def limited(app: Any) -> Any:
        return CallerRateLimiter(app, rps=20, burst=40, buckets=parts.buckets)

    api = Router(
        "/api",
        route_handlers=[me, list_orders, create_order, get_order, export, narrate, list_tenants],
        middleware=[authenticated, limited],
        guards=[requires_user],  # says so in the OpenAPI document
        dependencies={"paging": Provide(the_page, sync_to_thread=False)},
    )
    app = Litestar(
        [health, api],
        plugins=[IdentryPlugin(parts.verifier)],
        dependencies={"parts": Provide(lambda: parts, sync_to_thread=False)},
        lifespan=[parts],
        openapi_config=OpenAPIConfig(title="Orders", version="1", path="/docs") if settings.docs else None,
        logging_config=None,  # the process's logging stays as it is
    )
    headers = dict(SECURITY_HEADERS)
    if settings.docs:
        del headers["Content-Security-Policy"]  # it forbids the scripts of the page at /docs
    return standard_stack(cast("ASGIApp", app), headers=headers, max_body=4 << 20, timeout=30)
