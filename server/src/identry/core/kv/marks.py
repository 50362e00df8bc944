"""Revocation marks: what this process knows to be over, before it asks PostgreSQL."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import TypeVar
from uuid import UUID

import structlog

from identry.core.clock import Clock
from identry.core.kv.protocol import KV, KVUnavailable

log = structlog.get_logger(__name__)

CHANNEL = "revoked"
"""Messages: `s <session id> <ttl in seconds>` and `u <user id> <token version>`, ASCII."""


class RevocationMarks:
    """Sessions and token versions that have ended, told by this worker and, through `kv`, by all others.

    Only a hint that saves a query: a mark may be missing (evicted, published while Redis was away, made before this
    process started), so a session without a mark is still looked up in PostgreSQL. A mark is never wrong about an
    ended session: ids are not reused and token versions only grow.

    `max_entries` bounds sessions and users separately, oldest mark first. `user_ttl` is in seconds and should cover
    the longest access token.
    """

    def __init__(self, kv: KV, clock: Clock, *, max_entries: int = 100_000, user_ttl: float = 86_400.0) -> None:
        self._kv = kv
        self._now = clock.timestamp
        self._max_entries = max_entries
        self._user_ttl = user_ttl
        self._sessions: OrderedDict[UUID, float] = OrderedDict()  # id → expiry
        self._users: OrderedDict[UUID, tuple[int, float]] = OrderedDict()  # id → lowest live version, expiry

    async def start(self) -> None:
        """Begin to listen to the other workers; does not need the engine to be up."""
        await self._kv.subscribe(CHANNEL, self._receive)

    def mark(self, session_id: UUID, ttl: float) -> None:
        """Note, in this process, that the session has ended; `ttl` in seconds, as long as its tokens can live."""
        if ttl > 0:
            _put(self._sessions, session_id, self._now() + ttl, self._max_entries)

    def mark_user(self, user_id: UUID, token_version: int) -> None:
        """Note, in this process, that tokens of the user with a lower version than `token_version` have ended."""
        known, _ = self._users.get(user_id, (0, 0.0))
        _put(self._users, user_id, (max(known, token_version), self._now() + self._user_ttl), self._max_entries)

    def is_marked(self, session_id: UUID) -> bool:
        """True when the session is known to have ended. One dictionary look-up."""
        expires_at = self._sessions.get(session_id)
        return expires_at is not None and expires_at > self._now()

    def is_superseded(self, user_id: UUID, token_version: int) -> bool:
        """True when the user's token version is known to be above `token_version`. One dictionary look-up."""
        known = self._users.get(user_id)
        return known is not None and token_version < known[0] and known[1] > self._now()

    async def revoke(self, session_id: UUID, ttl: float) -> None:
        """`mark`, here and in every other worker that can be reached; call it after the transaction has ended."""
        self.mark(session_id, ttl)
        await self._tell(f"s {session_id} {ttl:.3f}")

    async def revoke_user(self, user_id: UUID, token_version: int) -> None:
        """`mark_user`, here and in every other worker that can be reached; call it after the transaction."""
        self.mark_user(user_id, token_version)
        await self._tell(f"u {user_id} {token_version}")

    async def _tell(self, message: str) -> None:
        try:
            await self._kv.publish(CHANNEL, message.encode())
        except KVUnavailable:
            # The others ask PostgreSQL; the engine has logged its own outage.
            log.debug("marks.not_published")

    def _receive(self, payload: bytes) -> None:
        try:
            kind, raw_id, number = payload.decode("ascii").split(" ")
            if kind == "s":
                self.mark(UUID(raw_id), float(number))
            elif kind == "u":
                self.mark_user(UUID(raw_id), int(number))
        except ValueError:
            # A newer or older release may speak otherwise; a hint that is not understood is no hint.
            log.debug("marks.not_understood")


_Key = TypeVar("_Key", bound=Hashable)
_Entry = TypeVar("_Entry")


def _put(entries: OrderedDict[_Key, _Entry], key: _Key, entry: _Entry, max_entries: int) -> None:
    entries[key] = entry
    entries.move_to_end(key)
    if len(entries) > max_entries:
        entries.popitem(last=False)
