"""Why a sign-in at a provider ends without a code: the words that the app reads (contracts/browser-api.md §6)."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from identry.records.users import User
from identry.signin import PendingApproval, gate
from identry_kit.apierror import Forbidden

Code = Literal[
    "access_denied",
    "state_invalid",
    "token_invalid",
    "email_domain_not_allowed",
    "tenant_unknown",
    "account_link_required",
    "account_inactive",
    "pending_approval",
    "provider_unavailable",
    "not_found",
    "invitation_expired",
    "invitation_used",
]


class Refused(Exception):
    """Nobody is let in and nothing was written.

    Attributes:
        code: what the app is told.
        reason: for the audit log, in our own words.
        user_id: the account concerned, when one is known.
        page: of this server, at which it goes on; empty: at the app.
    """

    def __init__(self, code: Code, reason: str, user_id: UUID | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.user_id = user_id
        self.page = ""


class NotUnderWay(Refused):
    """No such sign-in began in this browser, so none was used up: what it has begun meanwhile goes on."""

    def __init__(self) -> None:
        super().__init__("state_invalid", "unknown, used, expired, or of another browser")


def require_open(user: User) -> None:
    """The gates of `signin`, before anything is written for this account.

    Raises:
        Refused: one of them is closed.
    """
    try:
        gate(user)
    except PendingApproval:
        raise Refused("pending_approval", "waits for approval", user.id) from None
    except Forbidden as closed:
        raise Refused("account_inactive", closed.code, user.id) from None
