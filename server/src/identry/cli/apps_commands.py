"""The options of `identry apps`; what they do is in `apps.py`, loaded when one runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

apps = typer.Typer(help="Applications: clients of OAuth and OpenID Connect.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
_App = Annotated[str, typer.Argument(help="Its client_id, or its number.")]
_Texts = list[str] | None
_Redirects = Annotated[_Texts, typer.Option("--redirect-uri", help="Where sign-in may return to; repeatable.")]
_Logouts = Annotated[_Texts, typer.Option("--logout-uri", help="Where logout may return to; repeatable.")]
_Backchannel = Annotated[str | None, typer.Option("--backchannel-logout-uri", help="Told when a session ends.")]
_Grants = Annotated[_Texts, typer.Option("--grant", help="What it may ask tokens with; repeatable.")]
_Scopes = Annotated[_Texts, typer.Option("--scope", help="What it may ask for; repeatable.")]
_Audiences = Annotated[_Texts, typer.Option("--audience", help="Resource server its tokens may name; repeatable.")]
_Native = Annotated[bool | None, typer.Option("--native/--web", help="An app on a device: loopback, own scheme.")]
_First = Annotated[
    bool | None, typer.Option("--first-party/--third-party", help="Of your own: nobody is asked for consent.")
]
_Pkce = Annotated[bool | None, typer.Option("--pkce/--no-pkce", help="Whether PKCE is required. [default: it is]")]
_Par = Annotated[bool | None, typer.Option("--par/--no-par", help="Only pushed authorization requests.")]
_Dpop = Annotated[bool | None, typer.Option("--dpop/--no-dpop", help="Only tokens bound to a key.")]
_Profile = Annotated[
    bool | None, typer.Option("--profile-claims/--no-profile-claims", help="Address and name in access tokens.")
]
_Format = Annotated[str | None, typer.Option("--token-format", help="jwt, or at+jwt (RFC 9068).")]
_AccessTtl = Annotated[str | None, typer.Option("--access-ttl", help="Of access tokens: 15m. 0: the deployment's.")]
_RefreshTtl = Annotated[str | None, typer.Option("--refresh-ttl", help="Of a grant: 168h. 0: the deployment's.")]
_Claims = Annotated[_Texts, typer.Option("--claim", help="A claim of your own: claim=attribute; repeatable.")]
_Jwks = Annotated[Path | None, typer.Option("--jwks-file", help="Public keys: it proves itself by signatures.")]
_Url = Annotated[str | None, typer.Option("--url", help="Its home page.")]
_Logo = Annotated[str | None, typer.Option("--logo-url", help="Its picture on our pages.")]
_Color = Annotated[str | None, typer.Option("--color", help="Its colour on our pages: #1a73e8.")]
_Magic = Annotated[str | None, typer.Option("--magic-link-url", help="Its page that magic links lead to.")]


def _asked(values: dict[str, Any]) -> dict[str, Any]:
    """The options of a command under the names of the fields."""
    return {_FIELDS.get(name, name): value for name, value in values.items()}


_FIELDS = {
    "redirect_uri": "redirect_uris",
    "logout_uri": "post_logout_redirect_uris",
    "grant": "grant_types",
    "scope": "allowed_scopes",
    "audience": "audiences",
    "native": "is_native",
    "pkce": "require_pkce",
    "par": "require_par",
    "dpop": "require_dpop",
    "access_ttl": "access_token_ttl",
    "refresh_ttl": "refresh_token_ttl",
    "claim": "claims",
    "color": "brand_color",
}


@apps.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Name that people see.")],
    client_id: Annotated[str, typer.Option("--client-id", help="What it calls itself. [default: a random one]")] = "",
    public: Annotated[
        bool, typer.Option("--public", help="Without a secret: a single-page or device app, with PKCE.")
    ] = False,
    redirect_uri: _Redirects = None,
    logout_uri: _Logouts = None,
    backchannel_logout_uri: _Backchannel = None,
    grant: _Grants = None,
    scope: _Scopes = None,
    audience: _Audiences = None,
    native: _Native = None,
    first_party: _First = None,
    pkce: _Pkce = None,
    par: _Par = None,
    dpop: _Dpop = None,
    profile_claims: _Profile = None,
    token_format: _Format = None,
    access_ttl: _AccessTtl = None,
    refresh_ttl: _RefreshTtl = None,
    claim: _Claims = None,
    jwks_file: _Jwks = None,
    url: _Url = None,
    logo_url: _Logo = None,
    color: _Color = None,
    magic_link_url: _Magic = None,
    as_json: _Json = False,
) -> None:
    """Make an application. Its secret is printed once."""
    given = {key: value for key, value in locals().items() if key not in {"client_id", "public", "as_json"}}
    from identry.cli import apps as command

    asked = _asked(given) | ({"is_public": True} if public else {})
    raise typer.Exit(command.create(client_id, asked, as_json=as_json))


@apps.command("list")
def listing(
    search: Annotated[str, typer.Option(help="Only those whose name or client_id contains this.")] = "",
    as_json: _Json = False,
) -> None:
    """Print every application."""
    from identry.cli import apps as command

    raise typer.Exit(command.listing(search=search, as_json=as_json))


@apps.command("show")
def show(app: _App, as_json: _Json = False) -> None:
    """Print one application."""
    from identry.cli import apps as command

    raise typer.Exit(command.show(app, as_json=as_json))


@apps.command("update")
def update(
    app: _App,
    name: Annotated[str | None, typer.Option(help="Name that people see.")] = None,
    public: Annotated[bool | None, typer.Option("--public/--confidential", help="Without or with a secret.")] = None,
    active: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it may be used.")] = None,
    redirect_uri: _Redirects = None,
    logout_uri: _Logouts = None,
    backchannel_logout_uri: _Backchannel = None,
    grant: _Grants = None,
    scope: _Scopes = None,
    audience: _Audiences = None,
    native: _Native = None,
    first_party: _First = None,
    pkce: _Pkce = None,
    par: _Par = None,
    dpop: _Dpop = None,
    profile_claims: _Profile = None,
    token_format: _Format = None,
    access_ttl: _AccessTtl = None,
    refresh_ttl: _RefreshTtl = None,
    claim: _Claims = None,
    jwks_file: _Jwks = None,
    url: _Url = None,
    logo_url: _Logo = None,
    color: _Color = None,
    magic_link_url: _Magic = None,
    as_json: _Json = False,
) -> None:
    """Change what is named; a list replaces the former one, an empty text takes away."""
    given = {key: value for key, value in locals().items() if key not in {"app", "public", "as_json"}}
    from identry.cli import apps as command

    raise typer.Exit(command.update(app, {**_asked(given), "is_public": public}, as_json=as_json))


@apps.command("rotate-secret")
def rotate_secret(
    app: _App,
    overlap: Annotated[str, typer.Option(help="How long the former secret goes on. [default: 24h]")] = "",
    at_once: Annotated[bool, typer.Option("--at-once", help="The former secret ends now.")] = False,
    as_json: _Json = False,
) -> None:
    """Give an application a new secret, printed once; the former one goes on for a day."""
    from identry.cli import apps as command

    raise typer.Exit(command.rotate_secret(app, overlap=overlap, at_once=at_once, as_json=as_json))


@apps.command("registration-token")
def registration_token(
    name: Annotated[str, typer.Argument(help="Whom it is for; told in the audit log.")],
    uses: Annotated[int, typer.Option(min=1, max=1000, help="How many applications.")] = 1,
    ttl: Annotated[str, typer.Option(help="How long: 24h.")] = "24h",
) -> None:
    """Print a token for POST /oauth/register, this once (with DYNAMIC_REGISTRATION=true)."""
    from identry.cli import apps as command

    raise typer.Exit(command.registration_token(name, uses=uses, ttl=ttl))


@apps.command("disable")
def disable(app: _App, as_json: _Json = False) -> None:
    """Shut an application out; its sessions and tokens end at once. `update --enable` lets it in again."""
    from identry.cli import apps as command

    raise typer.Exit(command.update(app, {"active": False}, as_json=as_json))


@apps.command("delete")
def delete(app: _App, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Delete an application with its members and consents, for good."""
    from identry.cli import apps as command

    raise typer.Exit(command.delete(app, sure=yes))
