"""What the identity server answers, as frozen records. Tokens and links that log in are kept out of `repr`.

Ids are the server's numbers, times are aware. Source: contracts/provider-api.md §2 and §3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from identry_kit.client.fields import Fields

__all__ = [
    "AppUser",
    "CreateResult",
    "Decision",
    "MagicLink",
    "Profile",
    "SignupResult",
    "UserInfo",
    "UserList",
]


@dataclass(frozen=True, slots=True)
class AppUser:
    """A member of an application. `role` is the role there; `locked` and `token_version` are 0 where not told."""

    id: int
    email: str
    name: str
    role: str
    is_verified: bool
    invite_sent: bool
    created_at: datetime
    last_login: datetime | None = None
    avatar_url: str = ""
    token_version: int = 0
    locked: bool = False

    @classmethod
    def read(cls, fields: Fields) -> AppUser:
        """Raises InvalidAnswer for another shape."""
        return cls(
            id=fields.uint("id"),
            email=fields.text("email"),
            name=fields.text("name", ""),
            role=fields.text("role", ""),
            is_verified=fields.flag("is_verified"),
            invite_sent=fields.flag("invite_sent"),
            created_at=fields.time("created_at"),
            last_login=fields.maybe_time("last_login"),
            avatar_url=fields.text("avatar_url", ""),
            token_version=fields.uint("token_version", 0),
            locked=fields.flag("locked"),
        )


@dataclass(frozen=True, slots=True)
class UserList:
    """One page of members; `total_count` counts all pages together."""

    users: tuple[AppUser, ...]
    total_count: int
    page: int
    page_size: int

    @classmethod
    def read(cls, fields: Fields) -> UserList:
        """Raises InvalidAnswer for another shape."""
        return cls(
            users=tuple(AppUser.read(user) for user in fields.objects("users")),
            total_count=fields.uint("total_count"),
            page=fields.uint("page"),
            page_size=fields.uint("page_size"),
        )


@dataclass(frozen=True, slots=True)
class CreateResult:
    """A user was added to the application. A mail that failed is told here and is no error."""

    user_id: int
    invite_token: str = field(repr=False)
    role: str
    email_sent: bool
    email_error: str = ""

    @classmethod
    def read(cls, fields: Fields) -> CreateResult:
        """Raises InvalidAnswer for another shape."""
        return cls(
            user_id=fields.uint("user_id"),
            invite_token=fields.text("invite_token", ""),
            role=fields.text("role", ""),
            email_sent=fields.flag("email_sent"),
            email_error=fields.text("email_error", ""),
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """A person's whole profile; `role` is the global one. What is not set is `""`."""

    id: int
    email: str
    name: str
    role: str
    is_verified: bool
    created_at: datetime
    title: str = ""
    division: str = ""
    company: str = ""
    country: str = ""
    phone: str = ""
    job_title: str = ""
    department: str = ""
    language: str = ""
    timezone: str = ""
    avatar_url: str = ""
    last_login: datetime | None = None

    @classmethod
    def read(cls, fields: Fields) -> Profile:
        """Raises InvalidAnswer for another shape."""
        return cls(
            id=fields.uint("id"),
            email=fields.text("email"),
            name=fields.text("name", ""),
            role=fields.text("role", ""),
            is_verified=fields.flag("is_verified"),
            created_at=fields.time("created_at"),
            title=fields.text("title", ""),
            division=fields.text("division", ""),
            company=fields.text("company", ""),
            country=fields.text("country", ""),
            phone=fields.text("phone", ""),
            job_title=fields.text("job_title", ""),
            department=fields.text("department", ""),
            language=fields.text("language", ""),
            timezone=fields.text("timezone", ""),
            avatar_url=fields.text("avatar_url", ""),
            last_login=fields.maybe_time("last_login"),
        )


@dataclass(frozen=True, slots=True)
class UserInfo:
    """The OIDC userinfo answer. What the server does not know is `""`."""

    sub: str
    email: str = ""
    email_verified: bool = False
    name: str = ""
    preferred_username: str = ""
    given_name: str = ""
    family_name: str = ""
    picture: str = ""
    role: str = ""
    app_roles: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, fields: Fields) -> UserInfo:
        """Raises InvalidAnswer for another shape."""
        return cls(
            sub=fields.text("sub"),
            email=fields.text("email", ""),
            email_verified=fields.flag("email_verified"),
            name=fields.text("name", ""),
            preferred_username=fields.text("preferred_username", ""),
            given_name=fields.text("given_name", ""),
            family_name=fields.text("family_name", ""),
            picture=fields.text("picture", ""),
            role=fields.text("role", ""),
            app_roles=fields.text_map("app_roles"),
        )


@dataclass(frozen=True, slots=True)
class SignupResult:
    """An account was made. `verify_url` is there in development only."""

    user_id: int
    message: str
    verify_url: str = field(default="", repr=False)

    @classmethod
    def read(cls, fields: Fields) -> SignupResult:
        """Raises InvalidAnswer for another shape. An id may be absent: a server may hide that an account exists."""
        return cls(fields.uint("user_id", 0), fields.text("message", ""), fields.text("verify_url", ""))


@dataclass(frozen=True, slots=True)
class MagicLink:
    """A link was mailed, or not: the message is the same for every address. `magic_url`: development only."""

    message: str
    magic_url: str = field(default="", repr=False)

    @classmethod
    def read(cls, fields: Fields) -> MagicLink:
        """Raises InvalidAnswer for another shape."""
        return cls(fields.text("message", ""), fields.text("magic_url", ""))


@dataclass(frozen=True, slots=True)
class Decision:
    """A policy decision. `mode` (`off`, `shadow`, `enforce`) says what an enforcement point does with it."""

    allow: bool
    mode: str
    reason: str = ""
    rule: str = ""
    obligations: tuple[str, ...] = ()
    policy_version: int = 0
    pep_mode_accepted: bool = False

    @classmethod
    def read(cls, fields: Fields) -> Decision:
        """Raises InvalidAnswer for another shape."""
        return cls(
            allow=fields.flag("allow"),
            mode=fields.text("mode", ""),
            reason=fields.text("reason", ""),
            rule=fields.text("rule", ""),
            obligations=fields.texts("obligations"),
            policy_version=fields.uint("policy_version", 0),
            pep_mode_accepted=fields.flag("pep_mode_accepted"),
        )
