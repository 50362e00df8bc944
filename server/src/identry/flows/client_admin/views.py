"""An application on the wire (contracts/provider-api.md §3 `App`), for the routes and for `identry apps --json`.

Fields that the contract names are as it has them; ours stand beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from identry.flows.client_admin.queries import Shown
from identry.flows.client_admin.service import Issued

COLUMNS: Mapping[str, str] = {
    "active": "is_active",
    "allowed_scopes": "scopes",
    "access_token_ttl": "access_ttl",
    "refresh_token_ttl": "refresh_ttl",
}
"""Names on the wire that are not those of the columns."""


class AppView(msgspec.Struct, kw_only=True):
    """An application; lifetimes in seconds, null: the deployment's. `secrets` counts those that work now."""

    id: int
    name: str
    client_id: str
    active: bool
    is_public: bool
    is_native: bool
    first_party: bool
    members_only: bool
    auth_method: str
    grant_types: list[str]
    require_pkce: bool
    require_par: bool
    require_dpop: bool
    allow_token_exchange: bool = False
    allow_impersonation: bool = False
    url: str | None
    logo_url: str | None
    brand_color: str | None
    magic_link_url: str | None
    sign_up: str
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    backchannel_logout_uri: str | None
    audiences: list[str]
    allowed_scopes: list[str]
    claim_mappings: dict[str, str]
    profile_claims: bool
    token_format: str
    access_token_ttl: int | None
    refresh_token_ttl: int | None
    jwks: dict[str, Any] | None
    owner_id: int | None
    secrets: int
    previous_secret_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


class IssuedAppView(AppView, kw_only=True):
    """An application with its new secret, shown this once; empty when it has none."""

    client_secret: str


class AppPage(msgspec.Struct):
    """Applications that the caller may see."""

    apps: list[AppView]
    total_count: int
    page: int
    page_size: int


def shown(app: Shown) -> dict[str, Any]:
    """The fields of a view."""
    c = app.client
    same = {name: getattr(c, name) for name in AppView.__struct_fields__ if hasattr(c, name)}
    return {
        **same,
        "id": c.number,
        "active": c.is_active,
        "allowed_scopes": c.scopes,
        "claim_mappings": msgspec.json.decode(c.claim_mappings),
        "access_token_ttl": _seconds(c.access_ttl),
        "refresh_token_ttl": _seconds(c.refresh_ttl),
        "jwks": msgspec.json.decode(c.jwks) if c.jwks else None,
        "owner_id": app.owner_number,
        "secrets": app.secrets,
        "previous_secret_expires_at": app.secret_until,
    }


def view(app: Shown) -> AppView:
    """An application to show."""
    return AppView(**shown(app))


def issued_view(made: Issued) -> IssuedAppView:
    """The same with its new secret."""
    return IssuedAppView(**shown(made.client), client_secret=made.secret)


def columns(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Fields on the wire as the service takes them."""
    return {COLUMNS.get(name, name): value for name, value in asked.items()}


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else int(span.total_seconds())
