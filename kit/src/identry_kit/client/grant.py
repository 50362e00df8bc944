"""The service account's token: fetched once for everybody, renewed before it ends, dropped when it is refused.

One token and one fetch are all that is kept. When a token ends: its own `exp` claim, else `expires_in` counted from
when the request was sent, else one minute. Source: contracts/kit.md §5, the rule of 1.19.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from identry_kit.client.call import Answer, Call, result
from identry_kit.client.config import Config, bearer
from identry_kit.client.errors import InvalidAnswer, OAuthError
from identry_kit.client.fields import Fields

RENEW_BEFORE = 30.0
UNKNOWN_LIFETIME = 60.0
OP = "service token"


@dataclass(frozen=True, slots=True)
class Grant:
    """A token and when it ends (seconds since the epoch). `cached` tells one kept from one fetched for this call."""

    token: str = field(repr=False)
    expires_at: float
    cached: bool = False


class GrantCell:
    """Where the token is kept, and one application number found by asking. Holds one of each, never more."""

    __slots__ = ("_clock", "_grant", "app_id")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._grant: Grant | None = None
        self.app_id = ""

    def current(self) -> Grant | None:
        """The kept token, unless it ends within 30 seconds."""
        grant = self._grant
        if grant is None or grant.expires_at - self._clock() <= RENEW_BEFORE:
            return None
        return Grant(grant.token, grant.expires_at, cached=True)

    def keep(self, grant: Grant) -> None:
        """Keep a fetched token in the place of the old one."""
        self._grant = grant

    def drop(self, token: str) -> None:
        """Forget `token`; one that was fetched meanwhile stays."""
        if self._grant is not None and self._grant.token == token:
            self._grant = None


def fetch_grant(config: Config, sent_at: float) -> Call[Grant]:
    """`POST /oauth/token`, grant `client_credentials`. Never attributed: it is the application's own, and shared."""
    secret = config.secret()
    return Call(
        OP,
        "POST",
        "/oauth/token",
        result(lambda fields: _grant_of(fields, sent_at), refuse=oauth_error),
        form={"grant_type": "client_credentials", "client_id": config.client_id, "client_secret": secret},
        secrets=(secret,),
    )


def oauth_error(answer: Answer) -> OAuthError:
    """What the token endpoint says when it does not say 200; without an OAuth body only the status is known."""
    said: dict[str, str] = {}
    with suppress(InvalidAnswer):
        fields = answer.fields()
        for name in ("error", "error_description"):
            said[name] = fields.text(name, "")
    code = said.get("error", "")
    return OAuthError(answer.status, code, said.get("error_description", "") if code else "")


def expiry(token: str, expires_in: float, sent_at: float) -> float:
    """When `token` ends. Its claim is read, not verified: it only times the cache. A past one is not believed."""
    claimed = _exp_claim(token)
    if claimed is not None and claimed > sent_at:
        return claimed
    return sent_at + (expires_in if expires_in > 0 else UNKNOWN_LIFETIME)


def _grant_of(fields: Fields, sent_at: float) -> Grant:
    token = fields.text("access_token")
    try:
        bearer(token)
    except ValueError:
        token = ""
    if not token:
        raise InvalidAnswer(OP, "field 'access_token' of the answer is not a bearer token")
    return Grant(token, expiry(token, fields.uint("expires_in", 0), sent_at))


def _exp_claim(token: str) -> float | None:
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        exp = json.loads(payload)["exp"]
        if isinstance(exp, bool) or not isinstance(exp, (int, float)) or not math.isfinite(exp):
            return None
        return float(exp)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
