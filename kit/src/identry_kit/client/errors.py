"""How a call can end badly. One tree, so that `except ClientError` is all that a careful caller needs::

    ClientError
    ├── NotConfigured                  nothing was sent: the client or the call lacks something
    │   ├── AppIdMissing  ├── ClientSecretMissing  └── CallerTokenMissing
    ├── Unanswered                     no whole answer came
    │   ├── Unreachable   ├── ConnectionLost  ├── DeadlineExceeded  └── ClientClosed
    ├── InvalidAnswer                  an answer came that cannot be read: not JSON, wrong shape, too large
    ├── UnexpectedStatus               an answer came with a status that the call does not know
    ├── OAuthError                     the token endpoint refused (RFC 6749 §5.2)
    └── Rejected                       the server said no, for a reason that has a name
        ├── UserAlreadyExists     ├── UserNotInApp          ├── InvalidCredentials
        ├── MagicLinkRateLimited  ├── MagicLinkAlreadyUsed  ├── MagicLinkInvalid
        ├── InvalidProfileUpdate  ├── SignupRejected
        └── PolicyUnavailable     └── PolicyRequestRejected

An error can be copied and pickled. None holds a request, a token or a secret, and none drags along the HTTP library's
own error, whose request would. Source: contracts/kit.md §5.
"""

from __future__ import annotations

import copy
from typing import Self

__all__ = [
    "AppIdMissing",
    "CallerTokenMissing",
    "ClientClosed",
    "ClientError",
    "ClientSecretMissing",
    "ConnectionLost",
    "DeadlineExceeded",
    "InvalidAnswer",
    "InvalidCredentials",
    "InvalidProfileUpdate",
    "MagicLinkAlreadyUsed",
    "MagicLinkInvalid",
    "MagicLinkRateLimited",
    "NotConfigured",
    "OAuthError",
    "PolicyRequestRejected",
    "PolicyUnavailable",
    "Rejected",
    "SignupRejected",
    "Unanswered",
    "UnexpectedStatus",
    "Unreachable",
    "UserAlreadyExists",
    "UserNotInApp",
]

FATAL_GRANT_CODES = frozenset({"invalid_grant", "invalid_client", "unauthorized_client", "invalid_scope"})
_SHOWN = 200


class ClientError(Exception):
    """Whatever goes wrong in a call is one of these."""

    def again(self) -> Self:
        """The same error for another waiter, without this one's traceback."""
        return copy.copy(self).with_traceback(None)


class NotConfigured(ClientError):
    """Nothing was sent: the call needs something that was not given."""


class AppIdMissing(NotConfigured):
    """A service-account call without an `app_id`: a service token cannot look its own number up."""


class ClientSecretMissing(NotConfigured):
    """A call that authenticates as the application, by a client without a `client_secret`."""


class CallerTokenMissing(NotConfigured):
    """A call in a user's name, without their token: neither `with_jwt` nor a verified caller in the context."""


class Unanswered(ClientError):
    """No whole answer came. Whether the server acted is known for `Unreachable` only: it did not."""

    what = "no answer"

    def __init__(self, op: str) -> None:
        super().__init__(op)
        self.op = op

    def __str__(self) -> str:
        return f"{self.op}: {self.what}"


class Unreachable(Unanswered):
    """No connection could be made: the request never left."""

    what = "the identity server cannot be reached"


class ConnectionLost(Unanswered):
    """The connection broke after the request may have left. What is not a reading must not be repeated blindly."""

    what = "the connection broke before the whole answer was there"


class DeadlineExceeded(Unanswered):
    """The client's `timeout` ended first, retries and the fetching of a service token included."""

    what = "no answer before the deadline"


class ClientClosed(Unanswered):
    """The client was closed before the call or during it."""

    what = "the client is closed"


class InvalidAnswer(ClientError):
    """The answer cannot be read. `reason` names the fault, never a value of the answer."""

    def __init__(self, op: str, reason: str) -> None:
        super().__init__(op, reason)
        self.op = op
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.op}: {self.reason}"


class UnexpectedStatus(ClientError):
    """A status that the call has no meaning for.

    `body` is at most 2 KiB of the answer at 4xx and 5xx, with what the request sent as secrets blacked out, and empty
    otherwise (an answer that is no error may hold tokens). `str()` shows the server's `error` text only.
    `retry_after` is in seconds, None when the server named none.
    """

    def __init__(self, op: str, status: int, body: str = "", error: str = "", retry_after: float | None = None) -> None:
        super().__init__(op, status, body, error, retry_after)
        self.op = op
        self.status = status
        self.body = body
        self.error = error
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.op}: unexpected status {self.status}" + (f" ({shown(self.error)})" if self.error else "")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.op!r}, {self.status}, error={shown(self.error)!r})"


class OAuthError(ClientError):
    """The token endpoint answered something else than 200. `code` is `""` when it sent no OAuth error."""

    def __init__(self, status: int, code: str = "", description: str = "") -> None:
        super().__init__(status, code, description)
        self.status = status
        self.code = code
        self.description = description

    @property
    def is_fatal(self) -> bool:
        """Whether the grant is dead for good (a session built on it ends); anything else may pass."""
        return self.code in FATAL_GRANT_CODES

    def __str__(self) -> str:
        said = ": ".join(shown(text) for text in (self.code, self.description) if text)
        return f"token endpoint answered {self.status}" + (f" ({said})" if said else "")


class Rejected(ClientError):
    """The server understood and said no; the class says why."""

    what = "rejected"

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return self.what


class UserAlreadyExists(Rejected):
    """409 on creating, registering or inviting; a signup with a known address."""

    what = "the user already exists"


class UserNotInApp(Rejected):
    """404 on a profile update as a service: not a member of this application, or nobody at all."""

    what = "the user is not a member of this application"


class InvalidCredentials(Rejected):
    """401 on an administrator's login."""

    what = "invalid credentials"


class MagicLinkRateLimited(Rejected):
    """429: too many links for this address and application. `retry_after` is in seconds, None when not named."""

    what = "too many magic links for this address; try again later"

    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__()
        self.args = (retry_after,)
        self.retry_after = retry_after


class MagicLinkAlreadyUsed(Rejected):
    """422: the link was used before."""

    what = "the magic link was already used"


class MagicLinkInvalid(Rejected):
    """401: the link is unknown, expired, or another client's."""

    what = "the magic link is invalid or expired"


class _Said(Rejected):
    """A refusal with the server's own text."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.args = (text,)
        self.text = text

    def __str__(self) -> str:
        return f"{self.what}: {shown(self.text)}" if self.text else self.what


class InvalidProfileUpdate(_Said):
    """400 on a profile update; `text` is the server's and may be shown."""

    what = "invalid profile update"


class SignupRejected(_Said):
    """400 on a signup: password rules, a missing field. `text` is the server's and may be shown to the user."""

    what = "signup rejected"


class PolicyRequestRejected(_Said):
    """400 on a policy decision: a malformed action, an invalid subject token, the reserved namespace."""

    what = "policy request rejected"


class PolicyUnavailable(Rejected):
    """503 on a policy decision: no policy can be evaluated. `mode` tells how strict to be, `""` when not named."""

    what = "no policy can be evaluated"

    def __init__(self, mode: str = "") -> None:
        super().__init__()
        self.args = (mode,)
        self.mode = mode


def shown(text: str) -> str:
    """A server's text, fit for one line of a log: printable, at most 200 characters."""
    line = "".join(char if char.isprintable() else "�" for char in text[: _SHOWN + 1])
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
