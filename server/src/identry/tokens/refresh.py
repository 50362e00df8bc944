"""Refresh tokens: opaque to everybody else.

Ours can tell, before any database is asked, that a string was issued by us, for which session and as which link of its
chain.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass
from uuid import UUID

from identry.core.base64url import decoded, encoded
from identry.core.ids import uuid_of
from identry.core.secrets import RootSecret, Sealer


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token that we issued.

    Attributes:
        raw: as presented.
        session_id: the session (family) it belongs to.
        generation: its place in the chain; 0 was given at sign-in.
    """

    raw: str
    session_id: UUID
    generation: int

    @property
    def hash(self) -> bytes:
        """SHA-256 of the raw token: the only form that is stored."""
        return hashlib.sha256(self.raw.encode()).digest()


_BODY = struct.Struct(">16sI32s")
_TAG = 16
_LENGTH = (_BODY.size + _TAG) * 4 // 3 + 1


class RefreshTokens:
    """Makes and recognises refresh tokens: session id, generation, 256 random bits, and a tag over all three.

    The tag (HMAC-SHA256 under a derived key) lets a replayed old link be told from noise without keeping a row for
    every link: only a token that we issued can end its family as "reused", a guess cannot (RFC 9700 §4.14).

    The key of the tag differs by surface, so a token of one is none of the other's.
    """

    def __init__(self, root: RootSecret, surface: str = "") -> None:
        key = root.derive("refresh-token-tag" + (f"/{surface}" if surface else ""))
        self._mac = hmac.new(key, digestmod="sha256")  # to be copied: setting up a key costs more than the tag

    def new(self, session_id: UUID, generation: int = 0) -> RefreshToken:
        """A fresh link of a session's chain."""
        body = _BODY.pack(session_id.bytes, generation, secrets.token_bytes(32))
        raw = encoded(body + self._tag(body))
        return RefreshToken(raw, session_id, generation)

    def parse(self, raw: str) -> RefreshToken | None:
        """The token, or None when we never issued that string (wrong length, alphabet, encoding or tag)."""
        if len(raw) != _LENGTH:
            return None
        try:
            data = decoded(raw)
        except ValueError:
            return None
        body, tag = data[: _BODY.size], data[_BODY.size :]
        if not hmac.compare_digest(tag, self._tag(body)):
            return None
        session_id, generation, _ = _BODY.unpack(body)
        return RefreshToken(raw, uuid_of(session_id), generation)

    def seal_successor(self, predecessor: RefreshToken, successor: RefreshToken) -> bytes:
        """The successor, readable only by who presents the predecessor: a dump of the table reveals neither."""
        return _successor_sealer(predecessor).seal(successor.raw.encode(), predecessor.session_id.bytes)

    def open_successor(self, predecessor: RefreshToken, sealed: bytes) -> RefreshToken:
        """The successor that was given for `predecessor`.

        Raises:
            ValueError: the stored value was not sealed for this predecessor.
        """
        raw = _successor_sealer(predecessor).open(sealed, predecessor.session_id.bytes).decode()
        return RefreshToken(raw, predecessor.session_id, predecessor.generation + 1)

    def _tag(self, body: bytes) -> bytes:
        mac = self._mac.copy()
        mac.update(body)
        return mac.digest()[:_TAG]


def _successor_sealer(predecessor: RefreshToken) -> Sealer:
    key = hmac.digest(predecessor.raw.encode(), b"identry refresh successor v1", "sha256")
    return Sealer(key, "refresh")
