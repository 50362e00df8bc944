"""What the identity server says about tokens, as frozen records. No token is in a `repr`.

Source: contracts/provider-api.md §3 and §5; RFC 6749 §5.1, RFC 7662 §2.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from identry_kit.client.fields import Fields

__all__ = ["Introspection", "Login", "TokenSet"]


@dataclass(frozen=True, slots=True)
class TokenSet:
    """The token endpoint's answer; `expires_in` is in seconds, 0 when not told."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    token_type: str = "Bearer"  # noqa: S105  (the name of a scheme, no secret)
    expires_in: int = 0
    scope: str = ""
    roles: tuple[str, ...] = ()
    app_roles: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, fields: Fields) -> TokenSet:
        """Raises InvalidAnswer for another shape, an answer without an access token included."""
        return cls(
            access_token=fields.text("access_token"),
            refresh_token=fields.text("refresh_token", ""),
            id_token=fields.text("id_token", ""),
            token_type=fields.text("token_type", "Bearer"),
            expires_in=fields.uint("expires_in", 0),
            scope=fields.text("scope", ""),
            roles=fields.texts("roles"),
            app_roles=fields.text_map("app_roles"),
        )


@dataclass(frozen=True, slots=True)
class Login:
    """A person was logged in (magic link, administrator); `expires_in` is in seconds."""

    access_token: str = field(repr=False)
    user_id: int
    refresh_token: str = field(default="", repr=False)
    id_token: str = field(default="", repr=False)
    token_type: str = "Bearer"  # noqa: S105  (the name of a scheme, no secret)
    expires_in: int = 0
    roles: tuple[str, ...] = ()
    app_roles: Mapping[str, str] = field(default_factory=dict)
    must_change_password: bool = False

    @classmethod
    def read(cls, fields: Fields) -> Login:
        """Raises InvalidAnswer for another shape, an answer without an access token included."""
        return cls(
            access_token=fields.text("access_token"),
            user_id=fields.uint("user_id"),
            refresh_token=fields.text("refresh_token", ""),
            id_token=fields.text("id_token", ""),
            token_type=fields.text("token_type", "Bearer"),
            expires_in=fields.uint("expires_in", 0),
            roles=fields.texts("roles"),
            app_roles=fields.text_map("app_roles"),
            must_change_password=fields.flag("must_change_password"),
        )


@dataclass(frozen=True, slots=True)
class Introspection:
    """RFC 7662: whether a token counts now, and what it says. Times are seconds since the epoch, 0 when not told."""

    active: bool
    sub: str = ""
    scope: str = ""
    client_id: str = ""
    username: str = ""
    token_type: str = ""
    exp: int = 0
    iat: int = 0
    aud: tuple[str, ...] = ()
    role: str = ""
    auth_time: int = 0
    amr: tuple[str, ...] = ()
    acr: str = ""
    cnf: Mapping[str, Any] = field(default_factory=dict)
    act: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, fields: Fields) -> Introspection:
        """Raises InvalidAnswer for another shape."""
        return cls(
            active=fields.flag("active"),
            sub=fields.text("sub", ""),
            scope=fields.text("scope", ""),
            client_id=fields.text("client_id", ""),
            username=fields.text("username", ""),
            token_type=fields.text("token_type", ""),
            exp=fields.uint("exp", 0),
            iat=fields.uint("iat", 0),
            aud=fields.texts("aud"),
            role=fields.text("role", ""),
            auth_time=fields.uint("auth_time", 0),
            amr=fields.texts("amr"),
            acr=fields.text("acr", ""),
            cnf=fields.object("cnf"),
            act=fields.object("act"),
        )
