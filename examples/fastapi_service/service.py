"""The orders service in FastAPI, with everything between the network and a handler.

::

    request → standard_stack: id, log line, headers, body limit, recover, timeout
              ├─ /healthz                                    anybody
              └─ JWTAuth → CallerRateLimiter → /api/…        a good token; 20 a second for each tenant
                                               └─ Gate       pro-only, enterprise-only

Run it: `uvicorn --factory fastapi_service.service:create_app` in the folder above this one.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from pydantic import BaseModel, Field

from identry_kit.apierror import ASGIApp
from identry_kit.apierror import fastapi as errors
from identry_kit.httpware import SECURITY_HEADERS, CallerRateLimiter, standard_stack
from identry_kit.jwtauth import JWTAuth
from identry_kit.jwtauth.fastapi import CurrentUser, install, require_roles
from identry_kit.pagination import PageParams, page_body, parse
from identry_kit.tiering import PLAN_ENTERPRISE, PLAN_PRO, Gate
from orders.book import Order, owner_of
from orders.parts import Parts
from orders.settings import Settings

gate = Gate(upgrade_url="/settings/billing")
pro_only = Depends(gate.dependency(PLAN_PRO))
enterprise_only = Depends(gate.dependency(PLAN_ENTERPRISE))
router = APIRouter(prefix="/api")


def the_parts(request: Request) -> Parts:
    """What `create_app` made."""
    parts: Parts = request.app.state.parts
    return parts


def the_page(request: Request) -> PageParams:
    """`?page=2&pageSize=50`; nonsense is the default, never an error."""
    return parse(request.url.query)


TheParts = Annotated[Parts, Depends(the_parts)]
ThePage = Annotated[PageParams, Depends(the_page)]


class NewOrder(BaseModel):
    """What a client sends. Whatever does not fit is 422, with the fields' names and without their values."""

    item: str = Field(min_length=1, max_length=200)
    cents: int = Field(ge=0, le=10**9)


# For everybody with a token.


@router.get("/me")
async def me(user: CurrentUser) -> dict[str, Any]:
    """Who is calling, as the verified token says."""
    return {"sub": user.sub, "tenant": str(user.tenant_id or ""), "role": user.role, "plan": user.plan}


@router.get("/orders")
async def list_orders(user: CurrentUser, parts: TheParts, page: ThePage) -> dict[str, Any]:
    """A page of the caller's orders."""
    orders, total = parts.book.page(owner_of(user), page.offset, page.limit)
    return page_body(orders, total, page)


@router.post("/orders", status_code=201)
async def create_order(new: NewOrder, user: CurrentUser, parts: TheParts) -> Order:
    """A new order."""
    return parts.book.add(owner_of(user), new.item, new.cents)


@router.get("/orders/{order_id}")
async def get_order(order_id: int, user: CurrentUser, parts: TheParts) -> Order:
    """One order; 404 for those of others too."""
    return parts.book.get(owner_of(user), order_id)


@router.post("/exports", status_code=201)
async def export(user: CurrentUser, parts: TheParts) -> dict[str, int]:
    """As often as the plan's policy allows, then 403."""
    return {"used": await parts.export(user)}


# From pro upwards: 403 {"error":"plan_required","upgradeUrl":…} below it.


@router.post("/ai/narrate/{order_id}", dependencies=[pro_only])
async def narrate(order_id: int, user: CurrentUser, parts: TheParts) -> dict[str, Any]:
    """An order as prose; 503 without an AI."""
    narration = await parts.narrate(user, parts.book.get(owner_of(user), order_id))
    return narration.as_dict()


# Enterprise, and an administrator: a plan is what somebody paid for, a role is what somebody may do.


@router.get("/admin/tenants", dependencies=[enterprise_only, require_roles("admin")])
async def list_tenants(parts: TheParts) -> dict[str, Any]:
    """Every owner of orders."""
    return {"tenants": parts.book.owners()}


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The whole service, as an ASGI application."""
    logging.basicConfig(level=logging.INFO)
    settings = settings or Settings.from_environment()
    parts = Parts(settings)

    # Inside: everything that needs a token. A path that does not exist is 401 to strangers as well.
    api = FastAPI(title="Orders", docs_url=None, redoc_url=None, openapi_url=None)
    api.state.parts = parts
    install(api, parts.verifier)
    api.include_router(router)
    guarded = JWTAuth(CallerRateLimiter(api, rps=20, burst=40, buckets=parts.buckets), parts.verifier)

    # Outside: what strangers may see.
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with parts:
            yield

    docs = {"docs_url": "/docs", "openapi_url": "/openapi.json"} if settings.docs else {"openapi_url": None}
    app = FastAPI(lifespan=lifespan, redoc_url=None, **docs)
    app.openapi = api.openapi  # type: ignore[method-assign]  # the documentation is that of the API inside
    errors.install(app)

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    app.mount("/", guarded)

    headers = dict(SECURITY_HEADERS)
    if settings.docs:
        del headers["Content-Security-Policy"]  # it forbids the scripts of the page at /docs
    return standard_stack(app, headers=headers, max_body=4 << 20, timeout=30)
