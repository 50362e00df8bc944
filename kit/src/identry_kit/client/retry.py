"""When a request is sent again, and after how long.

Only where it cannot do harm: a GET or HEAD, or any request whose connection was never made. Each pause is twice the one
before, with jitter; a `Retry-After` is kept to, and where it lies behind the deadline the answer is handed out at once.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from identry_kit.client.call import Answer
from identry_kit.client.errors import ClientError, ConnectionLost, Unreachable

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
PASSING = frozenset({429, 502, 503, 504})
"""Statuses that say "later": worth another try where trying is safe."""

_READINGS = frozenset({"GET", "HEAD"})
_MAX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that brought no answer, as a value: raised only where nothing of the HTTP library can cling to it."""

    error: ClientError


def pause_before_retry(
    method: str, outcome: Answer | Failure, attempt: int, retries: int, remaining: float
) -> float | None:
    """Seconds to wait before attempt number `attempt + 1` (the first is 1); None when there shall be none."""
    if attempt > retries or not _is_passing(method, outcome):
        return None
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1))
    pause *= 0.5 + secrets.randbelow(1024) / 2048
    if isinstance(outcome, Answer) and outcome.retry_after is not None:
        pause = outcome.retry_after + pause
    return pause if pause < remaining else None


def _is_passing(method: str, outcome: Answer | Failure) -> bool:
    if isinstance(outcome, Answer):
        return method in _READINGS and outcome.status in PASSING
    if isinstance(outcome.error, Unreachable):
        return True
    return method in _READINGS and isinstance(outcome.error, ConnectionLost)


def retry_after(text: str | None, now: float) -> float | None:
    """The seconds of a `Retry-After` header (RFC 9110 §10.2.3: a number, or a date); None when it is neither.

    `now` is in seconds since the epoch.
    """
    if not text:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:_MAX_DIGITS])
    try:
        moment = parsedate_to_datetime(text)
        return max(0.0, moment.timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
