"""The admin port: a second listener beside the main one, in the same process, over the same application.

Each worker of `identry serve` has one (the kernel shares the port between them, as it does the main one), so requests
there use the engines of the worker, and it drains with the worker: it closes before the application does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import structlog
from granian.log import LogLevels
from granian.server.embed import Server

from identry.app import Application
from identry.cli.granian_options import logging_config, options
from identry.cli.ports import PortError, reserve
from identry.settings import Settings
from identry_kit.apierror import Message, Receive, Scope, Send

log = structlog.get_logger("identry.serve")


def reserve_admin_port(settings: Settings) -> int:
    """The admin port when it can be bound; 0 when there is to be none.

    Raises:
        PortError: it is taken or not ours to take; the message names the variable.
    """
    if not settings.admin_listener:
        return 0
    try:
        return reserve(settings.admin_bind_host, settings.admin_listener)
    except PortError as error:
        text = str(error).partition(": ")[0]
        raise PortError(f"ADMIN_PORT: {text}: stop that, choose another, or ADMIN_PORT=0 for /manage") from None


class WithAdminPort:
    """The application, with the admin port open from the end of its start to the begin of its stop."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._server: Server | None = None
        self._task: asyncio.Task[None] | None = None

    def serve(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve a request of the main port, or run the lifespan."""
        if scope["type"] != "lifespan" or not self._application.has_admin_port:
            return self._application.serve(scope, receive, send)
        return self._lifespan(scope, receive, send)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._close()
            return message

        async def tell(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._open()
            await send(message)

        await self._application.serve(scope, told, tell)

    def _open(self) -> None:
        settings, application = self._application.settings, self._application

        def serve_admin(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            if scope["type"] == "lifespan":
                return _nothing_to_start(receive, send)
            return application.serve_admin(scope, receive, send)

        self._server = Server(
            serve_admin,
            address=settings.admin_bind_host,
            port=settings.admin_listener,
            log_level=LogLevels.error,
            log_dictconfig=logging_config(),
            **options(),
        )
        self._task = asyncio.get_running_loop().create_task(self._server.serve(), name="admin port")
        log.info("admin port", host=settings.admin_bind_host, port=settings.admin_listener)

    async def _close(self) -> None:
        """No new request; those in flight are answered."""
        server, task = self._server, self._task
        self._server = self._task = None
        if server is not None and task is not None:
            server.stop()  # type: ignore[no-untyped-call]  # granian's annotations are partial
            await asyncio.gather(task, return_exceptions=True)


async def _nothing_to_start(receive: Receive, send: Send) -> None:
    """The engines are those of the main port's lifespan."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
