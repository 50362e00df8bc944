"""Sending with httpx2, awaited or blocking. Only here the HTTP library is seen, and it is loaded when first needed.

A request is built from nothing: no default header, cookie or credential of an HTTP client joins it, no redirect is
followed, no cookie is kept (one client serves many people). What the library raises ends here as a `Failure`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from time import monotonic
from typing import TYPE_CHECKING, Any

from identry_kit.client.call import Answer
from identry_kit.client.engine import Outgoing
from identry_kit.client.errors import (
    ClientClosed,
    ClientError,
    ConnectionLost,
    DeadlineExceeded,
    InvalidAnswer,
    Unreachable,
)
from identry_kit.client.retry import Failure, retry_after

if TYPE_CHECKING:
    import ssl

    import httpx2

MAX_ANSWER = 10 << 20
CONNECT_TIMEOUT = 5.0

Clock = Callable[[], float]


class AsyncWire:
    """Sends with an `httpx2.AsyncClient`: one given, which stays open, or its own."""

    def __init__(self, http: httpx2.AsyncClient | None, clock: Clock) -> None:
        self._http = http
        self._own = http is None
        self._clock = clock
        self.closed = False

    async def send(self, request: Outgoing, remaining: float) -> Answer | Failure:
        """The whole answer; a Failure when there is none within `remaining` seconds of waiting."""
        import httpx2

        if self.closed:
            return Failure(ClientClosed(request.op))
        if self._http is None:
            self._http = httpx2.AsyncClient(cookies=_no_cookies(), verify=_tls())
        try:
            sent = await self._http.send(_built(request, remaining), stream=True, auth=None, follow_redirects=False)
            try:
                intake = Intake(request.op, sent, self._clock)
                if intake.wanted:
                    async for chunk in sent.aiter_raw():
                        if not intake.take(chunk):
                            break
            finally:
                await sent.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            return Failure(_named(request.op, error))
        return intake.outcome()

    async def aclose(self) -> None:
        """No more requests; connections of an own HTTP client end."""
        self.closed = True
        http, self._http = self._http, None
        if self._own and http is not None:
            await http.aclose()


class BlockingWire:
    """Sends with an `httpx2.Client`: one given, which stays open, or its own. Threads may share it."""

    def __init__(self, http: httpx2.Client | None, clock: Clock) -> None:
        self._http = http
        self._own = http is None
        self._clock = clock
        self.closed = False

    def open(self) -> None:
        """Make the HTTP client if there is none; the caller holds a lock."""
        if self._http is None and not self.closed:
            import httpx2

            self._http = httpx2.Client(cookies=_no_cookies(), verify=_tls())

    def send(self, request: Outgoing, remaining: float) -> Answer | Failure:
        """The whole answer; a Failure when there is none within `remaining` seconds of waiting.

        A read under way is not cut short: a server that keeps trickling can stretch the time to twice as long.
        """
        import httpx2

        http, deadline = self._http, monotonic() + remaining
        if http is None:
            return Failure(ClientClosed(request.op))
        try:
            sent = http.send(_built(request, remaining), stream=True, auth=None, follow_redirects=False)
            try:
                intake = Intake(request.op, sent, self._clock)
                if intake.wanted:
                    for chunk in sent.iter_raw():
                        if monotonic() > deadline:
                            return Failure(DeadlineExceeded(request.op))
                        if not intake.take(chunk):
                            break
            finally:
                sent.close()
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            return Failure(_named(request.op, error))
        except RuntimeError:
            if not self.closed:
                raise
            return Failure(ClientClosed(request.op))
        return intake.outcome()

    def close(self) -> None:
        """No more requests; connections of an own HTTP client end. The caller holds a lock."""
        self.closed = True
        http, self._http = self._http, None
        if self._own and http is not None:
            http.close()


class Intake:
    """Takes an answer in, at most 10 MiB of it and never unfolding a compressed one."""

    def __init__(self, op: str, response: httpx2.Response, clock: Clock) -> None:
        self._op = op
        self._status = response.status_code
        self._retry_after = retry_after(response.headers.get("Retry-After"), clock())
        self._body = bytearray()
        self._fault = ""
        length = response.headers.get("Content-Length", "")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            self._fault = "the answer is compressed, which was not asked for"
        elif length.isascii() and length.isdigit() and (len(length) > 9 or int(length) > MAX_ANSWER):
            self._too_large()

    @property
    def wanted(self) -> bool:
        """Whether the body is worth reading."""
        return not self._fault

    def take(self, chunk: bytes) -> bool:
        """Keep a piece of the body; False when it was one too many."""
        self._body += chunk
        if len(self._body) > MAX_ANSWER:
            self._too_large()
        return self.wanted

    def outcome(self) -> Answer | Failure:
        """The answer, or why it cannot be had."""
        if self._fault:
            return Failure(InvalidAnswer(self._op, self._fault))
        return Answer(self._op, self._status, bytes(self._body), self._retry_after)

    def _too_large(self) -> None:
        self._body.clear()
        self._fault = f"the answer is larger than {MAX_ANSWER} bytes"


def _built(request: Outgoing, remaining: float) -> httpx2.Request:
    import httpx2

    patience = max(0.001, remaining)
    timeout = httpx2.Timeout(patience, connect=min(CONNECT_TIMEOUT, patience))
    # Typed loosely by the library: values may be bytes, which is how a User-Agent stays UTF-8.
    headers: Any = [(name, value) for name, value in request.headers.items()]
    return httpx2.Request(
        request.method,
        request.url,
        headers=headers,
        content=request.content,
        extensions={"timeout": timeout.as_dict()},
    )


def _named(op: str, error: Exception) -> ClientError:
    """What an error of the library means: that nothing was sent, that time is over, or that nobody knows."""
    import httpx2

    if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol)):
        return Unreachable(op)
    if isinstance(error, httpx2.TimeoutException):
        return DeadlineExceeded(op)
    return ConnectionLost(op)


@cache
def _tls() -> ssl.SSLContext:
    """The certificate authorities, read once: they are most of what an HTTP client costs. Threads may share it."""
    import httpx2

    return httpx2.create_ssl_context()


def _no_cookies() -> CookieJar:
    """A jar that stays empty: a cookie set for one person must not be sent for another."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))
