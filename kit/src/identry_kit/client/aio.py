"""The async client: awaits what the engine asks for."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextvars import Context
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from identry_kit.client import accounts, members, service
from identry_kit.client.attribution import Attribution
from identry_kit.client.call import Call
from identry_kit.client.config import RETRIES, TIMEOUT, Config, bearer
from identry_kit.client.engine import Behalf, NeedGrant, Pause, Remaining, Send, Steps, perform, perform_grant
from identry_kit.client.errors import ClientClosed, ClientError, DeadlineExceeded
from identry_kit.client.grant import OP, Grant, GrantCell
from identry_kit.client.methods import described
from identry_kit.client.paging import LARGEST_PAGE, UserPaging
from identry_kit.client.shapes import AppUser, UserList
from identry_kit.client.wire import AsyncWire

if TYPE_CHECKING:
    import httpx2

P = ParamSpec("P")
T = TypeVar("T")


class _Core:
    """What a client and its views share: connections, the service token, the fetch of it that is under way."""

    def __init__(
        self,
        config: Config,
        http: httpx2.AsyncClient | None,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.config = config
        self.wire = AsyncWire(http, clock)
        self.cell = GrantCell(clock)
        self.clock = clock
        self.sleep = sleep
        self.flight: asyncio.Task[Grant | ClientError] | None = None

    async def run(self, call: Call[T], behalf: Behalf) -> T:
        """Make a call within the client's time (`timeout`, in seconds). Raises DeadlineExceeded when it is over."""
        until = asyncio.get_running_loop().time() + self.config.timeout
        remaining = self._remaining(until)
        try:
            async with asyncio.timeout_at(until):
                return await self._drive(perform(self.config, self.cell, call, behalf, remaining), remaining)
        except TimeoutError:
            pass
        raise DeadlineExceeded(call.op)

    async def aclose(self) -> None:
        """End the fetch under way, if any, and the connections."""
        flight, self.flight = self.flight, None
        if flight is not None:
            flight.cancel()
            await asyncio.gather(flight, return_exceptions=True)
        await self.wire.aclose()

    @staticmethod
    def _remaining(until: float) -> Remaining:
        now = asyncio.get_running_loop().time
        return lambda: until - now()

    async def _drive(self, steps: Steps[T], remaining: Remaining) -> T:
        """Do what `steps` ask for, one by one; their result is the result."""
        outcome: Any = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            match step:
                case Send(request):
                    outcome = await self.wire.send(request, remaining())
                case Pause(seconds):
                    await self.sleep(seconds)
                    outcome = None
                case NeedGrant():
                    outcome = self.cell.current() or await self._fetch_shared()

    async def _fetch_shared(self) -> Grant | ClientError:
        """Join the fetch under way or start one. A waiter that is cancelled leaves it running for the others.

        One that was joined and ran out of its own time is no reason to give up: the joiner's time is longer.
        """
        while not self.wire.closed:
            joined = self.flight is not None
            if self.flight is None:
                # An empty context: what is fetched for everybody must not carry one caller's request along.
                self.flight = asyncio.create_task(self._fetch(), name="identry-kit-service-token", context=Context())
            outcome = await asyncio.shield(self.flight)
            if not (joined and isinstance(outcome, DeadlineExceeded)):
                return outcome
        return ClientClosed(OP)

    async def _fetch(self) -> Grant | ClientError:
        until = asyncio.get_running_loop().time() + self.config.timeout
        remaining = self._remaining(until)
        try:
            async with asyncio.timeout_at(until):
                fetched = await self._drive(perform_grant(self.config, self.clock, remaining), remaining)
            if isinstance(fetched, Grant):
                self.cell.keep(fetched)
            return fetched
        except TimeoutError:
            return DeadlineExceeded(OP)
        except asyncio.CancelledError:
            # Only closing the client, or the end of the loop, cancels this task: its waiters were not cancelled.
            return ClientClosed(OP)
        finally:
            self.flight = None


def _awaited(
    description: Callable[Concatenate[Config, P], Call[T]],
) -> Callable[Concatenate[Client, P], Coroutine[Any, Any, T]]:
    """A description as an async method."""

    async def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(description(self._core.config, *args, **kwargs))

    described(method, description, "Client")
    return method


class Client:
    """Calls the identity server; async. `BlockingClient` is the same without `await`.

    `base_url` is the public address, `admin_base_url` the administration's (default: port 8081 of the same host).
    `client_id` is always needed, `client_secret` and `app_id` (the application's number) for calls in the application's
    own name. `timeout` is for a whole call, in seconds: connecting, retries and the fetching of a service token
    included. `retries` is how often a request is sent again where that is safe.

    `http` is an HTTP client of your own (proxies, private certificate authorities): it is left open, and its default
    headers, cookies and credentials are not sent. `clock` (seconds since the epoch) and `sleep` are for tests.

    One client per event loop, closed by `aclose` or `async with`. It keeps one service token, and connections (at most
    100, of which 20 idle, unless `http` says otherwise). Raises ValueError for settings that can never work.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        *,
        client_secret: str = "",
        app_id: str | int = "",
        admin_base_url: str = "",
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        http: httpx2.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,  # noqa: TID251  (the kit has no core.clock; tests pass their own)
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        config = Config.checked(base_url, client_id, client_secret, app_id, admin_base_url, timeout, retries)
        self._core = _Core(config, http, clock, sleep)
        self._behalf = Behalf()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._core.config.base_url!r}, {self._core.config.client_id!r})"

    def with_jwt(self, token: str) -> Self:
        """The same client for one caller: calls in a user's name forward `token`, whatever the context holds.

        Connections and the service token are shared; closing either closes both. Raises ValueError for what is no
        bearer token.
        """
        return self._view(Behalf(bearer(token), self._behalf.attribution))

    def with_attribution(self, *, ip: str = "", user_agent: str = "") -> Self:
        """The same client on behalf of a browser: see `Attribution`. Shared with this one as in `with_jwt`."""
        return self._view(Behalf(self._behalf.token, Attribution(ip, user_agent)))

    async def aclose(self) -> None:
        """Close the connections; a call under way, and any later one, ends in ClientError."""
        await self._core.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _view(self, behalf: Behalf) -> Self:
        view = copy.copy(self)
        view._behalf = behalf  # noqa: SLF001  (a copy of this very object)
        return view

    async def _run(self, call: Call[T]) -> T:
        return await self._core.run(call, self._behalf)

    # In the caller's name.
    list_users = _awaited(members.list_users)
    get_user = _awaited(members.get_user)
    create_user = _awaited(members.create_user)
    update_user_role = _awaited(members.update_user_role)
    delete_user = _awaited(members.delete_user)
    resend_verification = _awaited(members.resend_verification)
    force_password_reset = _awaited(members.force_password_reset)

    async def user_pages(self, search: str = "", *, page_size: int = LARGEST_PAGE) -> AsyncIterator[UserList]:
        """All pages of the application's members, each fetched when it is asked for."""
        paging = UserPaging(self._core.config, search, page_size)
        while (call := paging.next_call()) is not None:
            yield paging.took(await self._run(call))

    async def users(self, search: str = "", *, page_size: int = LARGEST_PAGE) -> AsyncIterator[AppUser]:
        """All members of the application, fetched page by page."""
        async for page in self.user_pages(search, page_size=page_size):
            for user in page.users:
                yield user

    # In the application's own name.
    register_user = _awaited(service.register_user)
    invite_user_as_service = _awaited(service.invite_user_as_service)
    get_user_as_service = _awaited(service.get_user_as_service)
    update_user_as_service = _awaited(service.update_user_as_service)
    send_magic_link = _awaited(service.send_magic_link)
    decide = _awaited(service.decide)

    # A person's own.
    get_current_user_profile = _awaited(accounts.get_current_user_profile)
    get_profile = _awaited(accounts.get_profile)
    update_profile = _awaited(accounts.update_profile)
    exchange_code = _awaited(accounts.exchange_code)
    refresh_token = _awaited(accounts.refresh_token)
    revoke_token = _awaited(accounts.revoke_token)
    introspect_token = _awaited(accounts.introspect_token)
    verify_magic_link = _awaited(accounts.verify_magic_link)
    signup = _awaited(accounts.signup)
    admin_login = _awaited(accounts.admin_login)
    logout = _awaited(accounts.logout)
