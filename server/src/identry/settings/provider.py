# ruff: noqa: RUF009 - the functions of `group` are dataclasses.field with the documentation attached
"""Settings of the OAuth and OpenID Connect provider and of its pages."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from identry.pages.brand import DEFAULT_COLOR
from identry.settings import values as v
from identry.settings.foundation import Foundation
from identry.settings.variables import group

_provider = group("OAuth and OpenID Connect")
_pages = group("Pages")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings(Foundation):
    """The second part of `Settings`."""

    oauth_issuer: str = _provider(
        "",
        v.optional(v.url("http", "https")),
        "`iss` of the provider's tokens and the address in front of `/oauth`, as clients know it. Without it there is "
        "no provider.",
        shown_default="development: `http://localhost:{PORT}`",
    )
    oauth_access_token_ttl: timedelta = _provider(
        "900s", v.duration("30s", "24h"), "Lifetime of an access token; a client may have its own."
    )
    oauth_refresh_token_ttl: timedelta = _provider(
        "168h", v.duration("1m", "17520h"), "Horizon of a grant: its refresh tokens end this long after sign-in."
    )
    provider_uuid_claim: bool = _provider("true", v.boolean, "Adds the user's UUID to access tokens as `user_id`.")
    claims_namespace: str = _provider(
        "https://socrate/", v.url("http", "https"), "Put before the claims that a client's `claim_mappings` name."
    )
    admin_bind_host: str = _provider("127.0.0.1", v.line, "Address of the admin port.")
    admin_port: int | None = _provider(
        "",
        v.optional_number(0, 65535),
        "Port of `/api/admin` and `/api/apps`. `0`: they are under `/manage` of the main port.",
        shown_default="`8081`; development: `0`",
    )
    dynamic_registration: bool = _provider(
        "false",
        v.boolean,
        "`true`: clients register themselves at `/oauth/register`, with a token of `identry apps registration-token`.",
    )
    admin_password_login_enabled: bool = _provider(
        "true", v.boolean, "`false`: administrators sign in through `/oauth/authorize` only, not at `/api/admin/login`."
    )
    email_token_ttl: timedelta = _provider(
        "24h", v.duration("1m", "168h"), "Lifetime of a link that proves an address."
    )
    reset_token_ttl: timedelta = _provider(
        "1h", v.duration("1m", "48h"), "Lifetime of a reset link that is asked for under `/api/auth`."
    )
    invite_token_ttl: timedelta = _provider(
        "24h", v.duration("1m", "168h"), "Lifetime of an invitation to an application."
    )
    backchannel_logout_networks: tuple[v.Network, ...] = _provider(
        "",
        v.networks,
        "Networks in which applications may live that are told when a session ends (`backchannel_logout_uri`), besides "
        "the public Internet, comma-separated: `10.20.0.0/16`. In development `http:` is accepted for those on the "
        "loopback interface.",
    )
    browser_session_idle: timedelta = _provider(
        "24h", v.duration("5m", "2160h"), "A browser's single sign-on session ends when it was not used for this long."
    )
    browser_session_ttl: timedelta = _provider(
        "336h", v.duration("5m", "8760h"), "A browser's single sign-on session ends this long after sign-in."
    )
    signup_enabled: bool = _provider(
        "true",
        v.boolean,
        "`false`: nobody makes themselves an account at an application, unless it is told `--sign-up open`.",
    )
    signup_hide_existing: bool = _provider(
        "false", v.boolean, "`true`: signing up with a taken address looks like any other; its owner is told by mail."
    )

    pages_name: str = _pages("Identry", v.line, "Name of this service on the pages that people sign in on.")
    pages_color: str = _pages(
        DEFAULT_COLOR,
        v.color,
        "Its colour, `#rrggbb`. What is written on it or in it is made readable by itself, in the light theme and in "
        "the dark one.",
    )
    pages_logo_url: str = _pages(
        "",
        v.optional(v.url("https", "http")),
        "Its logo, shown 40 pixels high.",
        shown_default="none: a tile with the first letter of the name",
    )
