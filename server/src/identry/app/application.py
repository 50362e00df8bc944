"""Rooms become one ASGI application: the stack around them, and the lifespan that opens and closes everything."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Any

import structlog

from identry import __version__
from identry.app.backchannel import backchannel_logout
from identry.app.chores import chores
from identry.app.engines import Engines, make_engines
from identry.app.rooms import rooms
from identry.core import observability, partitions
from identry.core.address import TrustedProxies
from identry.core.clock import Clock, SystemClock
from identry.core.janitor import Janitor
from identry.core.turns import Unavailable
from identry.federation.reach import TenantProviders
from identry.flows.metrics.service import Metrics
from identry.settings import Settings, load
from identry.web.app_reach import reaching
from identry.web.browser_guard import BrowserBearer
from identry.web.call import Call
from identry.web.cors import Cors
from identry.web.endpoint import Endpoint, GuardCheck
from identry.web.errors import render
from identry.web.guards import Bearer, MachineKey
from identry.web.operations import Guard, Operation
from identry.web.origin_check import OriginCheck, origin_of
from identry.web.origins import origin_reader
from identry.web.pages import edge
from identry.web.permitted import permitted
from identry.web.provider_guard import ProviderBearer
from identry.web.router import Router
from identry.web.step_up import recent
from identry.web.surfaces import is_page
from identry_kit import context
from identry_kit.apierror import APIError, ASGIApp, Receive, Scope, Send
from identry_kit.httpware import standard_stack
from identry_kit.jwtauth import MissingToken

log = structlog.get_logger("identry.app")

_MAX_BODY = 1 << 20
_DEADLINE = 30.0


class Application:
    """The ASGI application.

    Attributes:
        settings: what it was built from.
        engines: what its services use.
        operations: every row of the API that this configuration mounts.

    Args:
        browser: instead of the guard of the browser surface, for tests.
        tenants: instead of what tenants configured for sign-in, for tests.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock | None = None,
        browser: GuardCheck | None = None,
        tenants: TenantProviders | None = None,
    ) -> None:
        self.settings = settings
        self.engines = e = make_engines(settings, clock or SystemClock(), tenants)
        self._draining = False
        self._figures = Metrics(
            e.clock, e.requests, e.db, e.kv, e.marks, e.passwords, e.outbox, e.sender, e.ring, __version__
        )
        self.janitor = Janitor(e.db, chores(settings, e))
        self.operations = rooms(settings, e, self._figures, lambda: self._draining)
        self._guards = _guards(settings, e, browser)
        self._access_log = observability.AccessLog(
            e.clock, e.requests.observe, level=settings.log_level, form=settings.log_format
        )
        self._http = self._door("public")
        self._admin = self._door("admin") if settings.admin_listener else None

    def _door(self, name: str) -> ASGIApp:
        """The stack around the rows that one port serves; another port's are not there at all."""
        e, settings = self.engines, self.settings
        read_origin = origin_reader(TrustedProxies(settings.trusted_proxy_cidrs), context.request_id)
        rows = [operation for operation in self.operations if operation.door in {name, "both"}]
        router: Any = Router(Endpoint(row, self._check_of(row), read_origin, e.addresses) for row in rows)
        cors = Cors(settings.allow_origins)
        served = cors.preflights(router) if e.browser or e.provider else router
        return standard_stack(
            e.tracing.requests(served) if e.tracing else served,
            sink=self._access_log,
            max_body=_MAX_BODY,
            timeout=_DEADLINE,
            on_error=edge(e.provider.pages.pages if e.provider else None, is_page, render),
            lines=cors.lines if e.browser or e.provider else None,
        )

    def _check_of(self, operation: Operation) -> GuardCheck | None:
        """The guard of a row, then what else the row asks of whoever is calling."""
        e, check = self.engines, self._guards[operation.guard]
        if check and operation.reach:
            return reaching(operation, check, e.clock, e.db)
        if check and operation.permission:
            check = permitted(operation, check, e.tenant_access)
        if check and (operation.fresh or operation.sensitive):
            check = recent(operation, check, e.clock, e.db)
        return check

    def drain(self) -> None:
        """Get ready to stop: `/ready` says 503 from now on, and every answer asks its connection to close."""
        self._draining = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or run the lifespan."""
        await self.serve(scope, receive, send)

    def serve(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The same with a frame less, for servers that do not ask whether an application is a coroutine function."""
        if scope["type"] == "http":
            return self._http(scope, receive, _closing(send) if self._draining else send)
        if scope["type"] == "lifespan":
            return self._lifespan(receive, send)
        return _refuse(send)

    @property
    def has_admin_port(self) -> bool:
        """Whether `serve_admin` serves anything."""
        return self._admin is not None

    def serve_admin(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request of the admin port; for a server of its own beside the one that runs the lifespan."""
        if scope["type"] == "http" and self._admin is not None:
            return self._admin(scope, receive, _closing(send) if self._draining else send)
        return _refuse(send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                await self._open(stack)
            except Exception as error:
                # An outage says all in one line; anything else is a fault of ours, and says where.
                known = isinstance(error, APIError)
                log.error("start failed", reason=str(error) or type(error).__name__, exc_info=not known)
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self._draining = True
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self, stack: AsyncExitStack) -> None:
        """PostgreSQL → Redis → Finance → keys, then the background work; undone in reverse at the end."""
        e = self.engines
        stack.callback(self._access_log.flush)
        if e.tracing is not None:
            stack.push_async_callback(e.tracing.close)
        await e.db.open()
        stack.push_async_callback(e.db.close)
        await partitions.ensure(e.db, e.clock.now())
        stack.push_async_callback(e.kv.close)
        if e.core is not None:
            stack.push_async_callback(e.core.close)
        if e.browser is not None:
            stack.push_async_callback(e.browser.sso.close)
        stack.push_async_callback(e.providers.close)
        stack.push_async_callback(e.provider_keys.close)
        await e.marks.start()
        await e.addresses.load()
        await e.addresses.start()
        stack.push_async_callback(e.addresses.close)
        if e.finance is not None:
            stack.push_async_callback(e.finance.close)
            try:
                await e.finance.open()
            except Unavailable as error:  # only company look-ups need it; `/ready` tells, and it is tried again
                log.warning("finance database unavailable", reason=str(error))
        stack.push_async_callback(e.passwords.close)
        await e.keys.adopt(e.configured_key)
        await e.ring.load()
        e.ring.start()
        stack.push_async_callback(e.ring.close)
        if e.provider is not None:
            telling = backchannel_logout(self.settings, e, e.provider)
            telling.start()
            stack.push_async_callback(telling.stop)
        e.sender.start()
        stack.push_async_callback(e.sender.stop)
        self.janitor.start()
        stack.push_async_callback(self.janitor.stop)
        if self.settings.metrics_dir is not None:
            self._figures.start(self.settings.metrics_dir)
            stack.push_async_callback(self._figures.stop)


def _guards(settings: Settings, e: Engines, browser: GuardCheck | None) -> dict[Guard, GuardCheck | None]:
    """What each guard of the table asks."""
    bearer = Bearer(e.verifier, e.marks, e.db, e.clock)
    page = BrowserBearer(e.browser.verifier, e.marks, e.db, e.clock) if e.browser else None
    signed_in = browser or (page.session if page else _nobody)
    hosted = e.provider.pages if e.provider else None
    provider = ProviderBearer(e.provider.tokens, e.provider.dpop) if e.provider else None
    own = [origin_of(url) for url in (settings.browser_api_url, settings.browser_app_url) if url]
    pages = OriginCheck(own, settings.allow_origins, absent=settings.refresh_cookie_samesite == "strict")
    return {
        Guard.PUBLIC: None,
        Guard.TOKEN: bearer.token,
        Guard.BEARER: bearer.session,
        Guard.MACHINE: MachineKey(tuple(key.reveal() for key in settings.internal_api_key), e.audit, e.db).check,
        Guard.BROWSER: signed_in,
        Guard.BROWSER_TOKEN: page.token if page else _nobody,
        Guard.TICKET: browser or (page.session_or_ticket if page else _nobody),
        Guard.APP_USER: provider.user if provider else _nobody,
        Guard.SERVICE: provider.service if provider else _nobody,
        Guard.APP_ANY: provider.either if provider else _nobody,
        Guard.COOKIE: pages.check,
        Guard.FORM: hosted.forms.check_origin if hosted else _nobody,
        Guard.PERSON: hosted.guard.person if hosted else _nobody,
        Guard.PERSON_FORM: hosted.guard.form if hosted else _nobody,
    }


async def _nobody(_: Call) -> None:
    """Let nobody in."""
    raise MissingToken


async def _refuse(send: Send) -> None:
    """No WebSocket is served."""
    await send({"type": "websocket.close", "code": 1000})


def _closing(send: Send) -> Send:
    async def closing(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return closing


def create() -> Application:
    """The application of this process's environment: what the web server imports (`identry.app:create`)."""
    settings = load()
    observability.configure(level=settings.log_level, form=settings.log_format, request_id=context.request_id)
    return Application(settings)
