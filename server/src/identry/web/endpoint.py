"""One operation as an ASGI application: guard, decode, one call, shape. Nothing is sent before the handler is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any
from uuid import UUID

import msgspec

from identry.core.address_gate import AddressGate
from identry.core.kv.protocol import Hit
from identry.core.limits import Limit, limit_headers, spending
from identry.core.origin import Origin
from identry.web.call import Answer, Call, Ready, Stream, header_lines
from identry.web.decoding import decode_body, decode_form, decode_query
from identry.web.errors import InvalidRequest
from identry.web.operations import Operation
from identry.web.page_forms import typed_fields
from identry_kit.apierror import APIError, Forbidden, Receive, Scope, Send, UnsupportedMediaType
from identry_kit.apierror.answer import log_server_error
from identry_kit.context import Caller, current

GuardCheck = Callable[[Call], Awaitable[None]]
OriginOf = Callable[[Scope], Origin]

_encode = msgspec.json.Encoder().encode
_PREFIX, _SUFFIX = b'{"success":true,"data":', b"}"
_NO_BODY = frozenset({204, 302, 303, 304})


class AddressBlocked(Forbidden):
    """403: an administrator blocked the address that the request comes from."""

    code = "address_blocked"
    message = "requests from this address are not accepted"


class ClientGone(APIError):
    """The caller hung up while sending its body; nobody reads this answer."""

    status = 400
    code = "bad_request"
    message = "the request ended early"


class Endpoint:
    """Serves one `Operation`.

    Args:
        check: what its guard asks; None: nothing.
        origin_of: where a request comes from.
        gate: which addresses are refused before anything else, unless the row is for them too; None: none.
    """

    __slots__ = (
        "_bare",
        "_body",
        "_check",
        "_enveloped",
        "_form",
        "_gate",
        "_handler",
        "_media_type",
        "_origin_of",
        "_query",
        "_refused",
        "_status",
        "_tells_limits",
        "_uuids",
        "operation",
    )

    def __init__(
        self, operation: Operation, check: GuardCheck | None, origin_of: OriginOf, gate: AddressGate | None = None
    ) -> None:
        self.operation = operation
        self._gate = None if operation.for_all else gate
        self._check = check
        self._origin_of = origin_of
        self._handler = operation.handler
        self._bare = operation.bare
        self._body = operation.body
        self._form = operation.form
        self._query = operation.query
        self._refused = operation.refused
        self._status = operation.status
        self._enveloped = operation.enveloped
        # contracts/provider-api.md §4; a refusal tells by itself
        self._tells_limits = operation.surface == "api" and bool(operation.limits)
        self._media_type = operation.media_type.encode()
        self._uuids = _uuid_names(operation.path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, path: dict[str, Any]) -> None:
        """Guard, decode, handle, answer."""
        call = Call(scope, path, self._origin_of)
        if (record := current()) is not None:
            record.route = self.operation.path
        if (gate := self._gate) is not None and gate.anybody and gate.refuses(call.origin.ip):
            raise AddressBlocked
        spent: list[tuple[Limit, Hit]] | None = None
        try:
            if self._check is not None:
                await self._check(call)
            for name in self._uuids:  # after the guard: whoever is not signed in learns only that
                path[name] = path_uuid(name, path[name])
            if self._query is not None:
                call.query = decode_query(self._query, scope["query_string"])
            if self._body is not None:
                call.body = await self._decoded(call, self._body, receive)
            if self._tells_limits:
                with spending() as spent:
                    reply = await self._handler(call)
            else:
                reply = await self._handler(call)
        except BaseException as error:  # a cancelled request (a time-out) as well: its line says whose it was
            if record is not None:
                record.caller = known_caller(call)
            if self._refused is None or not isinstance(error, APIError):
                raise
            log_server_error(error)
            reply = await self._refused(call, error)
        if type(reply) is Stream:
            await self._send_parts(reply, scope["method"], send)
            return
        start, body = (reply.start, reply.body) if type(reply) is Ready else self._answer(reply)
        if spent and type(reply) is not Ready:
            start["headers"] += header_lines(limit_headers(*spent[0]))
        await send(start)
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _send_parts(self, reply: Stream, method: str, send: Send) -> None:
        """The answer begins with its first part; what fails after that breaks it off: nobody takes it for whole."""
        async with aclosing(reply.parts) as parts:
            part = await anext(parts, b"")
            headers = [(b"content-type", reply.media_type.encode()), *header_lines(reply.headers)]
            await send({"type": "http.response.start", "status": self._status, "headers": headers})
            if method != "HEAD":
                while part:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                    part = await anext(parts, b"")
        await send({"type": "http.response.body", "body": b""})

    async def _decoded(self, call: Call, struct: type[Any], receive: Receive) -> Any:
        """The body, decoded as its type says; what a page's form held is kept to be shown again."""
        if self._form and _is_form(call):
            raw = await read_body(receive)
            if self._refused is not None:
                call.typed = typed_fields(raw)
            return decode_form(struct, raw)
        if call.header(b"content-type") is None and (self._bare or self._form):
            raw = await read_body(receive)
            if not raw:  # nothing at all: every field is absent
                return struct() if self._bare else decode_form(struct, raw)
        if self._form == "only":
            raise UnsupportedMediaType(f"send the body as Content-Type: {_FORM}")
        require_json(call)
        return decode_body(struct, await read_body(receive))

    def _answer(self, reply: Any) -> tuple[dict[str, Any], bytes]:
        """The start of the answer, and its body."""
        status, answer = self._status, None
        if isinstance(reply, Answer):
            answer = reply
            status, reply = answer.status or status, answer.data
        if isinstance(reply, bytes):
            body = reply
        elif self._enveloped:
            body = _PREFIX + _encode(reply) + _SUFFIX
        else:
            body = _encode(reply)
        headers = [] if status in _NO_BODY else [(b"content-type", self._media_type)]
        headers.append((b"content-length", b"%d" % len(body)))
        if answer is not None:
            if answer.headers:
                headers += header_lines(answer.headers)
            headers += answer.cookies
        return {"type": "http.response.start", "status": status, "headers": headers}, body


def known_caller(call: Call) -> Caller:
    """Who is calling, and in which company, for the log of a request that failed; what is not known stays empty.

    The user is the proven one, or that of a genuine token whose session is over. Source: contracts/platform-api.md §2.
    """
    actor, claims = call.caller, getattr(call, "claims", None)
    return Caller(
        tenant_id=call.tenant or _uuid_of(str(call.path.get("companyId", ""))),
        user_id=_uuid_of(str(getattr(claims, "sub", ""))) if actor is None else actor.user.id,
    )


def path_uuid(name: str, text: str) -> UUID:
    """A UUID in its canonical 36-character form.

    Raises:
        InvalidRequest: any other text.
    """
    found = _uuid_of(text)
    if found is None:
        raise InvalidRequest.field(name, "format", "must be a UUID")
    return found


def _uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


def _uuid_names(path: str) -> tuple[str, ...]:
    """The parameters of a template that are UUIDs."""
    return tuple(part[1:].removesuffix(":uuid}") for part in path.split("/") if part.endswith(":uuid}"))


async def read_body(receive: Receive) -> bytes:
    """The whole request body; its size is bounded by the body-limit middleware outside.

    Raises:
        ClientGone: it hung up in the middle.
    """
    message = await receive()
    if not message.get("more_body") and message["type"] == "http.request":
        return bytes(message.get("body", b""))
    parts = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(parts)
        message = await receive()


_FORM = "application/x-www-form-urlencoded"


def _is_form(call: Call) -> bool:
    content_type = call.header(b"content-type")
    return content_type == _FORM or (content_type or "").partition(";")[0].strip().lower() == _FORM


def require_json(call: Call) -> None:
    """Only JSON in UTF-8, uncompressed.

    Raises:
        UnsupportedMediaType: anything else, or no `Content-Type`.
    """
    content_type = call.header(b"content-type")
    if content_type is None:
        raise UnsupportedMediaType("send the body as Content-Type: application/json")
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() != "application/json":
        raise UnsupportedMediaType(f"send the body as application/json, not {media_type.strip()[:100] or 'nothing'}")
    charset = parameters.strip().lower()
    if charset.startswith("charset=") and charset[8:].strip('"') not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType("send the body as UTF-8")
    if encoding := call.header(b"content-encoding"):
        raise UnsupportedMediaType(f"compressed bodies are not read (Content-Encoding: {encoding[:50]})")


def require_object(value: Any, name: str) -> None:
    """Refuse an empty PATCH.

    Raises:
        InvalidRequest: no field was sent.
    """
    if all(getattr(value, f) is msgspec.UNSET for f in value.__struct_fields__):
        raise InvalidRequest.field(name, "required", "send at least one field to change")
