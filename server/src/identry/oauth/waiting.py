"""Requests that wait: pushed ones for their browser, others for their person. What pages know of the way they are on.

A request waits under a random handle, which is in the address of its pages, and in one browser, which is known by a
cookie: neither is worth anything without the other, so nobody continues a sign-in that somebody else began
(login CSRF, SECURITY §2 rows 28, 42).
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import msgspec

from identry.core.clock import Clock
from identry.core.db import Database, Executor
from identry.core.ids import uuid7
from identry.core.secrets import new_token, token_hash
from identry.oauth import redirects
from identry.oauth.authorization import AuthorizationRequest, Waiting, Waits
from identry.oauth.errors import InvalidRequestUri, RequestGone
from identry.records import authorization_requests, clients
from identry.records.clients import Client

WAITING_TTL = timedelta(hours=1)
"""Long enough to reset a password by mail on the way."""
PUSHED_TTL = timedelta(seconds=60)
PUSHED_PREFIX = "urn:ietf:params:oauth:request_uri:"
BINDING_COOKIE = "identry_request"

_MAX = 200
_request = msgspec.json.Decoder(AuthorizationRequest).decode


class WaitingRequests:
    """Keeps authorization requests."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def push(self, client: Client, request: AuthorizationRequest) -> str:
        """Keep a pushed request; returns its `request_uri`, good once within `PUSHED_TTL`."""
        handle, now = new_token(), self._clock.now()
        await authorization_requests.insert(
            self._db,
            uuid7(self._clock),
            token_hash(PUSHED_PREFIX + handle),
            client.id,
            _text(request),
            binding_hash=None,
            now=now,
            expires_at=now + PUSHED_TTL,
        )
        return PUSHED_PREFIX + handle

    async def pulled(self, request_uri: str, client_id: str) -> AuthorizationRequest:
        """A pushed request of this client, used up from now on.

        Raises:
            InvalidRequestUri: unknown, used, expired, or another client's.
        """
        if len(request_uri) > _MAX:
            raise InvalidRequestUri
        now = self._clock.now()
        text = await authorization_requests.take_pushed(self._db, token_hash(request_uri), client_id, now)
        if text is None:
            raise InvalidRequestUri
        return _request(text)

    async def hold(
        self, client: Client, request: AuthorizationRequest, page: str, binding: str | None, session_id: UUID | None
    ) -> Waits:
        """Let a request wait for its person; `binding` and `session_id` are what this browser has already."""
        handle, cookie, now = new_token(), binding or new_token(), self._clock.now()
        request = msgspec.structs.replace(request, waits=True, waits_after=session_id)
        await authorization_requests.insert(
            self._db,
            uuid7(self._clock),
            token_hash(handle),
            client.id,
            _text(request),
            binding_hash=token_hash(cookie),
            now=now,
            expires_at=now + WAITING_TTL,
        )
        return Waits(page, handle, None if binding else cookie)

    async def find(self, handle: str, binding: str | None) -> Waiting | None:
        """The request of a handle, in the browser that began it; None: unknown, finished, expired, or elsewhere."""
        if not handle or not binding or len(handle) > _MAX:
            return None
        found = await authorization_requests.find(self._db, token_hash(handle), token_hash(binding), self._clock.now())
        if found is None:
            return None
        client = await clients.find_by_id(self._db, found[1])
        request = _request(found[2])
        if client is None or not client.is_active:
            return None
        if not redirects.matches(client.redirect_uris, request.redirect_uri, native=client.is_native):
            return None
        return Waiting(found[0], handle, client, request)

    async def get(self, handle: str, binding: str | None) -> Waiting:
        """As `find`.

        Raises:
            RequestGone: there is none.
        """
        waiting = await self.find(handle, binding)
        if waiting is None:
            raise RequestGone
        return waiting

    async def agree(self, tx: Executor, waiting: Waiting, session_id: UUID) -> None:
        """Note that the person of a browser session agreed to a request.

        Raises:
            RequestGone: it was finished meanwhile.
        """
        if not await authorization_requests.agree(tx, waiting.id, session_id, self._clock.now()):
            raise RequestGone

    async def finish(self, tx: Executor, waiting: Waiting) -> None:
        """Answer a request, once.

        Raises:
            RequestGone: somebody else did.
        """
        if not await authorization_requests.finish(tx, waiting.id, self._clock.now()):
            raise RequestGone


def _text(request: AuthorizationRequest) -> str:
    return msgspec.json.encode(request).decode()
