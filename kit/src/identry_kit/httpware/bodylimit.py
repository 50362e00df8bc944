"""BodyLimit: a request body over the limit is a 413, before it is in memory."""

from __future__ import annotations

from identry_kit.apierror import ASGIApp, Message, PayloadTooLarge, Receive, Renderer, Scope, Send, to_asgi
from identry_kit.httpware.exchange import Exchange

_KEY = "identry_kit.body"
_MAX_WALK = 20_000
HTTP1 = frozenset({"1.1", "1.0"})
"""Here a request without `Content-Length` and `Transfer-Encoding` has no body (RFC 9112 §6.3)."""


class BodyLimit:
    """Refuse bodies of more than `limit` bytes; `limit` itself is fine.

    A `Content-Length` over the limit is answered at once, nothing is read and the handler does not run. Without one
    (chunked, HTTP/2) the refusal comes when the byte after the limit arrives: `receive` raises, and whatever the
    handler makes of that, the answer is 413. The connection is closed after it: what is still on its way is not worth
    reading.

    An inner BodyLimit replaces the outer one, larger or smaller. For that, an outer one that finds another inside
    (behind `.app`, `.routes` and the like) leaves the judgement of `Content-Length` to the moment when the handler
    begins to read.
    """

    def __init__(self, app: ASGIApp, limit: int, *, on_error: Renderer = to_asgi) -> None:
        if limit < 0:
            msg = "a body limit cannot be negative"
            raise ValueError(msg)
        self.app = app
        self.limit = limit
        self._render = on_error
        self._has_inner: bool | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; only `http` has a body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        outer: CountedBody | None = scope.get(_KEY)
        if outer is None:
            declared = declared_length(scope)
            if declared == 0:
                await self.app(scope, receive, send)
                return
            exchange = Exchange.of(send)
            body = self.begin(scope, receive, exchange, declared)
            receive, send = body, exchange.send
        else:
            body = outer
            body.limit, body.render = self.limit, self._render
        if body.declared > self.limit and not self._inner():
            body.refuse()
        else:
            try:
                await self.app(scope, receive, send)
            except PayloadTooLarge as error:
                if error is not body.error:
                    raise
        if outer is None:
            await body.settle()

    def begin(self, scope: Scope, receive: Receive, exchange: Exchange, declared: int) -> CountedBody:
        """The body of a request that declares one of `declared` bytes (-1: of unknown length); `settle` it at the
        end.
        """
        body = scope[_KEY] = CountedBody(receive, declared, exchange, scope, self.limit, self._render)
        return body

    def _inner(self) -> bool:
        """Whether a BodyLimit is reachable inside; looked up at the first body over the limit, when the app is
        complete.
        """
        if self._has_inner is None:
            self._has_inner = _contains_body_limit(self.app)
        return self._has_inner


class CountedBody:
    """A `receive` that counts the body and stops at the limit of the innermost BodyLimit."""

    __slots__ = ("_exchange", "_receive", "_scope", "_seen", "declared", "error", "limit", "render")

    def __init__(
        self, receive: Receive, declared: int, exchange: Exchange, scope: Scope, limit: int, render: Renderer
    ) -> None:
        self._receive = receive
        self._exchange = exchange
        self._scope = scope
        self._seen = 0
        self.declared = declared
        self.limit = limit
        self.render = render
        self.error: PayloadTooLarge | None = None

    def refuse(self) -> PayloadTooLarge:
        """Make the answer 413; returns the error for `raise`."""
        if self.error is None:
            # Connection headers exist in HTTP/1 only (RFC 9113 §8.2.2).
            close = {"Connection": "close"} if self._scope.get("http_version", "1.1").startswith("1") else {}
            self.error = PayloadTooLarge(headers=close)
            self._exchange.refuse(self.error, self._scope, self.render)
        return self.error

    async def settle(self) -> None:
        """Send the refusal if nobody has answered."""
        if self.error is not None and not self._exchange.started:
            await self._exchange.answer(self.error, self._scope, self.render)

    async def __call__(self) -> Message:
        """The next part of the body. Raises PayloadTooLarge."""
        if self.declared > self.limit:
            raise self.refuse()
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if self._seen > self.limit:
                raise self.refuse()
        return message


def declared_length(scope: Scope) -> int:
    """`Content-Length`; 0 when there is surely no body, -1 when its length is unknown."""
    length = -1 if scope.get("http_version", "1.1") not in HTTP1 else 0
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 19 else -1 if len(value) < 19 else 1 << 63
        if name == b"transfer-encoding":
            length = -1
    return length


def _contains_body_limit(app: object) -> bool:
    """Walk an application by the names under which frameworks keep what is inside them."""
    todo, seen = [app], {id(app)}
    while todo and len(seen) < _MAX_WALK:
        node = todo.pop()
        if isinstance(node, BodyLimit) or getattr(node, "cls", None) is BodyLimit:
            return True
        inside = [getattr(node, name, None) for name in ("app", "router", "middleware_stack")]
        for name in ("routes", "user_middleware"):
            listed = getattr(node, name, None)
            if isinstance(listed, list | tuple):
                inside.extend(listed)
        for item in inside:
            if item is not None and id(item) not in seen:
                seen.add(id(item))
                todo.append(item)
    return False
