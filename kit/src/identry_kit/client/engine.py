"""How a call is made, without I/O: a generator that says what to do next and is told what came of it.

The async client and its blocking twin both drive `perform`; all rules live here. It yields a `Step`:

- `Send(request)` is answered with an `Answer`, or a `Failure` when none came;
- `Pause(seconds)` is answered with None;
- `NeedGrant()` is answered with a `Grant`, or the `ClientError` that its fetching ended in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from identry_kit import context
from identry_kit.client.attribution import Attribution
from identry_kit.client.call import APP, Answer, As, Call
from identry_kit.client.config import Config, bearer, segment
from identry_kit.client.errors import CallerTokenMissing, ClientError
from identry_kit.client.grant import Grant, GrantCell, fetch_grant
from identry_kit.client.members import find_app
from identry_kit.client.retry import Failure, pause_before_retry

T = TypeVar("T")

_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request, ready to be sent. Nothing of it but operation and method is ever shown: the rest may be secret."""

    op: str
    method: str
    url: str = field(repr=False)
    headers: dict[str, str | bytes] = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request and bring its whole answer."""

    request: Outgoing


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class NeedGrant:
    """Bring the service token, fetching it if there is none that is good."""


Step: TypeAlias = Send | Pause | NeedGrant
Steps: TypeAlias = Generator[Step, Any, T]
Remaining: TypeAlias = Callable[[], float]
"""Seconds until the deadline."""


@dataclass(frozen=True, slots=True)
class Behalf:
    """In whose name a client's calls are made: a token to forward (else the context's), and a browser to name."""

    token: str = field(default="", repr=False)
    attribution: Attribution | None = None

    def caller_token(self) -> str:
        """The token to forward; raises CallerTokenMissing when there is none."""
        token = self.token or context.raw_jwt()
        if not token:
            msg = "no caller's token: use client.with_jwt(token), or call inside of a request that JWTAuth verified"
            raise CallerTokenMissing(msg)
        return bearer(token)


def perform(config: Config, cell: GrantCell, call: Call[T], behalf: Behalf, remaining: Remaining) -> Steps[T]:
    """Make `call`: find what it needs, send it, retry where that is safe, read the answer. Raises ClientError."""
    if call.who is As.SERVICE:
        app = config.app()
        config.secret()
        token, answer = yield from _as_service(config, cell, call, app, behalf, remaining)
    else:
        token = behalf.caller_token() if call.who is As.USER else ""
        app = (yield from _app_of_caller(config, cell, behalf, remaining)) if APP in call.path else ""
        answer = yield from _exchange(prepare(config, call, app, token, behalf), config, remaining)
    return call.read(answer.without((*call.secrets, token, config.client_secret)))


def perform_grant(config: Config, clock: Callable[[], float], remaining: Remaining) -> Steps[Grant | ClientError]:
    """Fetch the service token. A failure is a result here: it is handed to everyone who waits, and to nobody later."""
    try:
        call = fetch_grant(config, clock())
        answer = yield from _exchange(prepare(config, call, "", "", Behalf(), shared=True), config, remaining)
        return call.read(answer.without(call.secrets))
    except ClientError as error:
        return error.again()


def _as_service(
    config: Config, cell: GrantCell, call: Call[T], app: str, behalf: Behalf, remaining: Remaining
) -> Steps[tuple[str, Answer]]:
    """Send with the service token; a 401 to one that was kept drops it and is tried once with a fresh one."""
    grant = yield from _grant()
    answer = yield from _exchange(prepare(config, call, app, grant.token, behalf), config, remaining)
    if answer.status == 401:
        cell.drop(grant.token)
        if grant.cached:
            grant = yield from _grant()
            answer = yield from _exchange(prepare(config, call, app, grant.token, behalf), config, remaining)
    return grant.token, answer


def _grant() -> Steps[Grant]:
    brought: Grant | ClientError = yield NeedGrant()
    if isinstance(brought, ClientError):
        raise brought.again()
    return brought


def _app_of_caller(config: Config, cell: GrantCell, behalf: Behalf, remaining: Remaining) -> Steps[str]:
    """The application's number: as configured, else asked for in the caller's name and kept."""
    known = config.app_id or cell.app_id
    if known:
        return known
    cell.app_id = yield from perform(config, cell, find_app(config), behalf, remaining)
    return cell.app_id


def _exchange(request: Outgoing, config: Config, remaining: Remaining) -> Steps[Answer]:
    """Send, and send again where that is safe and there is time; raises what the last attempt ended in."""
    attempt = 0
    while True:
        attempt += 1
        outcome: Answer | Failure = yield Send(request)
        pause = pause_before_retry(request.method, outcome, attempt, config.retries, remaining())
        if pause is None:
            break
        yield Pause(pause)
    if isinstance(outcome, Failure):
        raise outcome.error
    return outcome


def prepare(config: Config, call: Call[T], app: str, token: str, behalf: Behalf, *, shared: bool = False) -> Outgoing:
    """The bytes of a call. A `shared` one is nobody's in particular and carries no request id."""
    path = call.path.replace(APP, segment(app)) if app else call.path
    url = (config.admin_base_url if call.admin else config.base_url) + path
    if call.query:
        url += "?" + urlencode(call.query, quote_via=quote, errors="replace")
    headers: dict[str, str | bytes] = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",  # a compressed megabyte can unfold into a gigabyte
        "User-Agent": "identry-kit",
    }
    content = b""
    if call.form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        content = urlencode(call.form, errors="replace").encode("ascii")
    elif call.json is not None:
        headers["Content-Type"] = "application/json"
        content = json.dumps(call.json, separators=(",", ":"), allow_nan=False).encode("ascii")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request_id = "" if shared else context.request_id()
    if _CORRELATION_ID.fullmatch(request_id):
        headers["X-Correlation-ID"] = request_id
    if call.attributed and behalf.attribution is not None:
        headers.update(behalf.attribution.headers())
    return Outgoing(call.op, call.method, url, headers, content)
