"""The blocking twin: the same descriptions and the same engine, driven without an event loop. Threads may share it."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator
from time import monotonic
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
from identry_kit.client.wire import BlockingWire

if TYPE_CHECKING:
    import httpx2

P = ParamSpec("P")
T = TypeVar("T")


class _Flight:
    """A fetch of the service token under way: who started it fills it, the others wait for it."""

    __slots__ = ("landed", "outcome")

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.outcome: Grant | ClientError = ClientClosed(OP)


class _Core:
    """What a client and its views share: connections, the service token, the fetch of it that is under way."""

    def __init__(
        self,
        config: Config,
        http: httpx2.Client | None,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.config = config
        self.wire = BlockingWire(http, clock)
        self.cell = GrantCell(clock)
        self.clock = clock
        self.sleep = sleep
        self.flight: _Flight | None = None
        self.lock = threading.Lock()

    def run(self, call: Call[T], behalf: Behalf) -> T:
        """Make a call within the client's time."""
        with self.lock:
            self.wire.open()
        remaining = self._remaining()
        return self._drive(perform(self.config, self.cell, call, behalf, remaining), remaining)

    def close(self) -> None:
        """End the connections."""
        with self.lock:
            self.wire.close()

    def _remaining(self) -> Remaining:
        until = monotonic() + self.config.timeout
        return lambda: until - monotonic()

    def _drive(self, steps: Steps[T], remaining: Remaining) -> T:
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
                    outcome = self.wire.send(request, remaining())
                case Pause(seconds):
                    self.sleep(seconds)
                    outcome = None
                case NeedGrant():
                    outcome = self._grant(remaining)

    def _grant(self, remaining: Remaining) -> Grant | ClientError:
        """The kept token, else the result of the fetch under way, else of one's own.

        One that was joined and ran out of its starter's time is no reason to give up: the joiner's time is longer.
        """
        while True:
            with self.lock:
                kept = self.cell.current()
                if kept is not None:
                    return kept
                flight, is_mine = self.flight, self.flight is None
                if flight is None:
                    flight = self.flight = _Flight()
            if is_mine:
                return self._fetch(flight, remaining)
            if not flight.landed.wait(max(0.0, remaining())):
                return DeadlineExceeded(OP)
            if not isinstance(flight.outcome, DeadlineExceeded):
                return flight.outcome

    def _fetch(self, flight: _Flight, remaining: Remaining) -> Grant | ClientError:
        try:
            flight.outcome = self._drive(perform_grant(self.config, self.clock, remaining), remaining)
        finally:
            with self.lock:
                if isinstance(flight.outcome, Grant):
                    self.cell.keep(flight.outcome)
                self.flight = None
            flight.landed.set()
        return flight.outcome


def _blocking(
    description: Callable[Concatenate[Config, P], Call[T]],
) -> Callable[Concatenate[BlockingClient, P], T]:
    """A description as a blocking method."""

    def method(self: BlockingClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(description(self._core.config, *args, **kwargs))

    described(method, description, "BlockingClient")
    return method


class BlockingClient:
    """Calls the identity server; blocking. Everything is as in `Client`, without `await`; threads may share one.

    In a service that forks, make the first call after the fork. `timeout` is checked whenever something arrives: an
    answer that keeps trickling can take up to twice as long.
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
        http: httpx2.Client | None = None,
        clock: Callable[[], float] = time.time,  # noqa: TID251  (the kit has no core.clock; tests pass their own)
        sleep: Callable[[float], None] = time.sleep,
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

    def close(self) -> None:
        """Close the connections; a call under way, and any later one, ends in ClientError."""
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _view(self, behalf: Behalf) -> Self:
        view = copy.copy(self)
        view._behalf = behalf  # noqa: SLF001  (a copy of this very object)
        return view

    def _run(self, call: Call[T]) -> T:
        return self._core.run(call, self._behalf)

    # In the caller's name.
    list_users = _blocking(members.list_users)
    get_user = _blocking(members.get_user)
    create_user = _blocking(members.create_user)
    update_user_role = _blocking(members.update_user_role)
    delete_user = _blocking(members.delete_user)
    resend_verification = _blocking(members.resend_verification)
    force_password_reset = _blocking(members.force_password_reset)

    def user_pages(self, search: str = "", *, page_size: int = LARGEST_PAGE) -> Iterator[UserList]:
        """All pages of the application's members, each fetched when it is asked for."""
        paging = UserPaging(self._core.config, search, page_size)
        while (call := paging.next_call()) is not None:
            yield paging.took(self._run(call))

    def users(self, search: str = "", *, page_size: int = LARGEST_PAGE) -> Iterator[AppUser]:
        """All members of the application, fetched page by page."""
        for page in self.user_pages(search, page_size=page_size):
            yield from page.users

    # In the application's own name.
    register_user = _blocking(service.register_user)
    invite_user_as_service = _blocking(service.invite_user_as_service)
    get_user_as_service = _blocking(service.get_user_as_service)
    update_user_as_service = _blocking(service.update_user_as_service)
    send_magic_link = _blocking(service.send_magic_link)
    decide = _blocking(service.decide)

    # A person's own.
    get_current_user_profile = _blocking(accounts.get_current_user_profile)
    get_profile = _blocking(accounts.get_profile)
    update_profile = _blocking(accounts.update_profile)
    exchange_code = _blocking(accounts.exchange_code)
    refresh_token = _blocking(accounts.refresh_token)
    revoke_token = _blocking(accounts.revoke_token)
    introspect_token = _blocking(accounts.introspect_token)
    verify_magic_link = _blocking(accounts.verify_magic_link)
    signup = _blocking(accounts.signup)
    admin_login = _blocking(accounts.admin_login)
    logout = _blocking(accounts.logout)
