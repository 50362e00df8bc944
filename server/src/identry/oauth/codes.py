"""Authorization codes: made by the authorization endpoint, redeemed once by the token endpoint (RFC 6749 §4.1)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from identry.core.batches import Batches
from identry.core.db import Executor
from identry.core.origin import Origin
from identry.core.secrets import new_token, token_hash
from identry.oauth import pkce
from identry.oauth.grants import OPENED, Draft, Grants, Opened
from identry.oauth.opening import opening_of
from identry.records import authorization_codes, sessions
from identry.records.audit import Audit
from identry.records.authorization_codes import HELD, TAKEN, Code
from identry.records.clients import Client

TTL = timedelta(seconds=60)

_MAX = 200


async def issue(tx: Executor, code: Code, now: datetime) -> str | None:
    """A new code for what `code` says, to be sent to its redirect address; None: its browser session has ended."""
    raw_code = new_token()
    stored = await authorization_codes.insert(tx, token_hash(raw_code), code, now=now, expires_at=now + TTL)
    return raw_code if stored else None


class _Asked(NamedTuple):
    """A code that is presented, with what binds it."""

    code_hash: bytes
    redirect_uri: bytes
    challenge: str | None
    jkt: str | None


_TYPES = "bytea bytea text text uuid bytea timestamptz timestamptz uuid text text text uuid"
_ASKED = ", ".join((*_Asked._fields, *Draft._fields))
# In a sub-select PostgreSQL does not see how long an array is: one plan does for all.
_ARRAYS = ", ".join(f"(SELECT ${number}::{kind}[])" for number, kind in enumerate(_TYPES.split(), 1))
# `asked` is what is presented; of what looks good the users are `held`. `taken` are the codes that were good, used up
# by this very write: a second use waits for it, and then finds nothing. Those are wanted whose bindings fit; from there
# on it is as for every grant. A code has no row in the answer when it was unknown, used, expired or another client's
# (then nothing of it was written), or when it did not fit, or user, client or browser's session are not what they were
# (then it is used up).
_REDEEM = opening_of(
    f"SELECT taken.*, '{OPENED}' AS event, 'authorization_code' AS via FROM taken WHERE fits",  # noqa: S608 - constant
    before=f"asked AS (SELECT * FROM unnest({_ARRAYS}) a ({_ASKED})), "  # noqa: S608 - constant
    f"held AS ({HELD}), taken AS ({TAKEN}),",
)


class Redeeming:
    """Turns codes into grants: each is used up and its grant opened by one statement, for many at once."""

    def __init__(self, db: Executor, audit: Audit, grants: Grants) -> None:
        self._db = db
        self._audit = audit
        self._grants = grants
        self._batches: Batches[tuple[_Asked, Draft], Any] = Batches(self._redeem)

    async def __call__(
        self, client: Client, raw_code: str, origin: Origin, *, redirect_uri: str, code_verifier: str, jkt: str | None
    ) -> Opened | None:
        """The grant of a code, for the client that proved itself; None: it is worth nothing, or not any more.

        A code that its client presents with a wrong verifier, address or key is used up all the same. One that another
        client presents is left alone.

        Args:
            client: proven, or public.
            raw_code: as presented.
            origin: the request.
            redirect_uri: as presented; empty: none.
            code_verifier: as presented; empty: none.
            jkt: the key that proved itself in this request.

        Raises:
            ServiceUnavailable: the database cannot tell.
        """
        if not raw_code or len(raw_code) > _MAX:
            return None
        draft, refresh_token = self._grants.draft(client, origin)
        asked = _Asked(
            token_hash(raw_code), redirect_uri.encode("utf-8", "surrogatepass"), pkce.challenge_of(code_verifier), jkt
        )
        row = await self._batches(asked.code_hash, (asked, draft))
        return self._grants.opened(row, client, refresh_token, jkt) if row else None

    async def _redeem(self, asked: list[tuple[_Asked, Draft]]) -> dict[bytes, Any]:
        rows = await self._db.fetch(_REDEEM, *zip(*(one + draft for one, draft in asked), strict=True))
        opened = {row["session_id"]: row for row in rows}
        return {one.code_hash: opened[draft.session_id] for one, draft in asked if draft.session_id in opened}

    async def end(self, tx: Executor, raw_code: str, client: Client, origin: Origin, now: datetime) -> list[UUID]:
        """End what an earlier use of a code gave to this client (RFC 6749 §10.5); ids of what ended, to be marked."""
        used = await authorization_codes.session_of_used(tx, token_hash(raw_code), client.id)
        ended = await sessions.end(tx, used, "code reuse", now) if used else []
        if ended:
            await self._audit.record(
                tx,
                "oauth.code.reuse_detected",
                origin,
                actor="anonymous",
                session_id=used,
                success=False,
                details={"client": client.client_id},
            )
        return ended
