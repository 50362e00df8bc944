"""Authorization codes: made by the authorization endpoint, redeemed once by the token endpoint (RFC 6749 §4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from identry.core.db import Executor
from identry.core.secrets import new_token, token_hash
from identry.oauth import pkce
from identry.records import authorization_codes
from identry.records.authorization_codes import Code

TTL = timedelta(seconds=60)

_MAX = 200


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What became of a code that a client presented; nothing of it is an answer to that client.

    Attributes:
        code: what it is worth; None: nothing.
        end_session_id: the grant that an earlier use of it opened, and that has to end now.
    """

    code: Code | None = None
    end_session_id: UUID | None = None


async def issue(tx: Executor, code: Code, now: datetime) -> str | None:
    """A new code for what `code` says, to be sent to its redirect address; None: its browser session has ended."""
    raw_code = new_token()
    stored = await authorization_codes.insert(tx, token_hash(raw_code), code, now=now, expires_at=now + TTL)
    return raw_code if stored else None


async def redeem(
    tx: Executor, raw_code: str, client_row_id: UUID, *, redirect_uri: str, code_verifier: str, now: datetime
) -> Redeemed:
    """Use a code up for the client that proved itself; call it in the transaction that opens the grant.

    It never raises for what a client sent, so that what it wrote stays: a code that its client presents with a wrong
    verifier or address is used up all the same. One that another client presents is left alone. The caller commits,
    ends `end_session_id`, and refuses with `invalid_grant` when `code` is None. Opening the grant asks the user's gates
    again and compares `code.token_version`.

    Args:
        tx: the transaction in which the grant's session, `code.session_id`, is inserted.
        raw_code: as presented.
        client_row_id: the client's `id`.
        redirect_uri: as presented; empty: none.
        code_verifier: as presented; empty: none.
        now: the time.
    """
    if not raw_code or len(raw_code) > _MAX:
        return Redeemed()
    code_hash = token_hash(raw_code)
    taken = await authorization_codes.take(tx, code_hash, client_row_id, now)
    if taken is None:
        return Redeemed(end_session_id=await authorization_codes.session_of_used(tx, code_hash, client_row_id))
    code, browser_is_live = taken
    named = redirect_uri == code.redirect_uri or (not redirect_uri and not code.redirect_uri_given)
    if not browser_is_live or not named or not pkce.matches(code.code_challenge, code_verifier):
        return Redeemed()
    return Redeemed(code)
