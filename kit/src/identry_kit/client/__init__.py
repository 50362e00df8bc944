"""Calling the identity server: an async client and its blocking twin, the same calls described once.

`Client` and `BlockingClient` are what services use; what they answer are frozen records (`shapes`, `tokens`), what they
raise is one tree (`errors`). Each call is a description without I/O (`members`, `service`, `accounts`), made by one
engine that both clients drive. They retry only where that is safe, keep one service token fetched once for all waiters,
follow no redirects and show no token.

Source: third seed, package `socrate`; contracts/kit.md §5 and provider-api.md §2.
"""

from identry_kit.client.aio import Client
from identry_kit.client.attribution import Attribution
from identry_kit.client.blocking import BlockingClient
from identry_kit.client.errors import (
    AppIdMissing,
    CallerTokenMissing,
    ClientClosed,
    ClientError,
    ClientSecretMissing,
    ConnectionLost,
    DeadlineExceeded,
    InvalidAnswer,
    InvalidCredentials,
    InvalidProfileUpdate,
    MagicLinkAlreadyUsed,
    MagicLinkInvalid,
    MagicLinkRateLimited,
    NotConfigured,
    OAuthError,
    PolicyRequestRejected,
    PolicyUnavailable,
    Rejected,
    SignupRejected,
    Unanswered,
    UnexpectedStatus,
    Unreachable,
    UserAlreadyExists,
    UserNotInApp,
)
from identry_kit.client.service import ProfileUpdate, Resource, Subject
from identry_kit.client.shapes import (
    AppUser,
    CreateResult,
    Decision,
    MagicLink,
    Profile,
    SignupResult,
    UserInfo,
    UserList,
)
from identry_kit.client.tokens import Introspection, Login, TokenSet

__all__ = [
    "AppIdMissing",
    "AppUser",
    "Attribution",
    "BlockingClient",
    "CallerTokenMissing",
    "Client",
    "ClientClosed",
    "ClientError",
    "ClientSecretMissing",
    "ConnectionLost",
    "CreateResult",
    "DeadlineExceeded",
    "Decision",
    "Introspection",
    "InvalidAnswer",
    "InvalidCredentials",
    "InvalidProfileUpdate",
    "Login",
    "MagicLink",
    "MagicLinkAlreadyUsed",
    "MagicLinkInvalid",
    "MagicLinkRateLimited",
    "NotConfigured",
    "OAuthError",
    "PolicyRequestRejected",
    "PolicyUnavailable",
    "Profile",
    "ProfileUpdate",
    "Rejected",
    "Resource",
    "SignupRejected",
    "SignupResult",
    "Subject",
    "TokenSet",
    "Unanswered",
    "UnexpectedStatus",
    "Unreachable",
    "UserAlreadyExists",
    "UserInfo",
    "UserList",
    "UserNotInApp",
]
