"""One wrapped `send` for the whole stack.

A middleware that must see or change the start of the answer calls `Exchange.of(send)`. When the layer around it has
already made one (the usual case: the layers of a stack call each other directly), that one is used; when a foreign
layer stands between, a new one is made. So every class works alone, and a stack of them wraps `send` once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from identry_kit import context
from identry_kit.apierror import APIError, Headers, Message, Renderer, Scope, Send, answer, to_asgi

if TYPE_CHECKING:
    from identry_kit.httpware.timeout import Alarm

Lines = tuple[tuple[bytes, bytes], ...]


class Repeated(dict[str, Any]):
    """The start of an answer that is sent unchanged again and again: what a stack adds to it is worked out once."""

    __slots__ = ("added", "merged")

    added: Lines | None
    merged: Headers

    def __init__(self, status: int, headers: Headers) -> None:
        super().__init__(type="http.response.start", status=status, headers=headers)
        self.added = None


class Exchange(context.RequestInScope):
    """A request and its answer: a `send` that remembers whether and how the answer began, and adds headers to it.

    It is also the request's record where the whole stack makes both, which is one object less to make. `status` is 0
    until the answer began. `complete` says that its last part was sent.
    """

    __slots__ = ("_lines", "_names", "_own", "_refusal", "_send", "alarm", "complete", "status")

    def __init__(
        self,
        send: Send,
        lines: Lines = (),
        names: frozenset[bytes] = frozenset(),
        own: Lines = (),
        request_id: str = "",
        method: str = "",
        path: str = "",
        logger: logging.Logger | None = None,
    ) -> None:
        """`lines` are the same for every request, `own` are this one's; `names` are those of both."""
        # What Request.__init__ does, without calling it.
        self.request_id = request_id
        self.caller = context.ANONYMOUS
        self.method = method
        self.path = path
        self.route = ""
        self.proof = None
        self._fields = None
        self._kept = None
        self._logger = logger
        self._send = send
        self._lines = lines
        self._own = own
        self._names = names
        self._refusal: tuple[APIError, Scope, Renderer] | None = None
        self.status = 0
        self.complete = False
        self.alarm: Alarm | None = None

    @classmethod
    def of(cls, send: Send) -> Exchange:
        """The exchange whose `send` this is, or a new one around it."""
        found = getattr(send, "__self__", send)
        return found if isinstance(found, Exchange) else cls(send)

    @property
    def started(self) -> bool:
        """Whether the answer began: from then on nobody can replace it."""
        return self.status != 0

    def add_defaults(self, lines: Lines, names: frozenset[bytes]) -> None:
        """Add `lines` (called `names`) when the answer begins; a handler that sets one of them keeps its own.

        They take the place of those that a layer outside has added under the same names.
        """
        if not names.isdisjoint(self._names):
            self._lines, self._own = (
                tuple([line for line in kept if line[0] not in names]) for kept in (self._lines, self._own)
            )
        self._lines += lines
        self._names |= names

    def refuse(self, error: APIError, scope: Scope, render: Renderer = to_asgi) -> None:
        """Whatever the handler answers from now on, send `error` instead (if the answer has not begun)."""
        if not self.status:
            self._refusal = (error, scope, render)

    def answer(self, error: APIError, scope: Scope, render: Renderer = to_asgi) -> Awaitable[None]:
        """Send `error` as the whole answer (or the refusal, if there is one)."""
        return answer(self.send, error, scope, render)

    def send(self, message: Message) -> Awaitable[None]:
        """Pass `message` on; a plain function that hands back the inner awaitable, so it costs no coroutine."""
        if self.status:
            self.complete = not message.get("more_body", False)
        elif self._refusal is not None:
            return self._send_refusal(*self._refusal)
        elif message["type"] == "http.response.start":
            self.status = message["status"]
            if type(message) is Repeated:
                message = {**message, "headers": self._merged_once(message)}
            elif self._names:
                message = {**message}
                message["headers"] = self._merged(message)
        return self._send(message)

    def _merged(self, message: Message) -> Headers:
        headers: Headers = message.get("headers", ())
        names = self._names
        for name, _ in headers:
            if name in names:
                break
        else:
            return [*headers, *self._lines, *self._own]
        taken = {name for name, _ in headers}
        return [*headers, *[line for line in (*self._lines, *self._own) if line[0] not in taken]]

    def _merged_once(self, message: Repeated) -> Headers:
        if message.added is self._lines:
            return [*message.merged, *self._own]
        headers: Headers = message["headers"]
        with_lines, own = [*headers, *self._missing(headers, self._lines)], self._missing(headers, self._own)
        if len(own) == len(self._own):
            message.added, message.merged = self._lines, with_lines
        return [*with_lines, *own]

    @staticmethod
    def _missing(headers: Headers, lines: Lines) -> Lines:
        taken = dict(headers)
        return tuple([line for line in lines if line[0] not in taken])

    async def _send_refusal(self, error: APIError, scope: Scope, render: Renderer) -> None:
        if self.status:
            return
        status, headers, body = render(error, scope)
        send, self._send = self._send, _swallow
        self.status = status
        self.complete = True
        start: Message = {"type": "http.response.start", "status": status, "headers": headers}
        start["headers"] = self._merged(start)
        await send(start)
        await send({"type": "http.response.body", "body": body})


async def _swallow(message: Message) -> None:
    """What the handler still sends when the refusal is out."""
