"""The options of `identry apps`; what they do is in `apps.py`, loaded when one runs."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

apps = typer.Typer(help="Applications: clients of OAuth and OpenID Connect.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
_App = Annotated[str, typer.Argument(help="Its client_id, or its number.")]
_Texts = list[str] | None
_Text = str | None
_Flag = bool | None


def _fields(
    redirect_uris: Annotated[
        _Texts, typer.Option("--redirect-uri", help="Where sign-in may return; repeatable.")
    ] = None,
    post_logout_redirect_uris: Annotated[
        _Texts, typer.Option("--logout-uri", help="Where logout may return; repeatable.")
    ] = None,
    backchannel_logout_uri: Annotated[_Text, typer.Option(help="Told when a session ends.")] = None,
    grant_types: Annotated[
        _Texts, typer.Option("--grant", help="How it may come by tokens: client_credentials; repeatable.")
    ] = None,
    allowed_scopes: Annotated[_Texts, typer.Option("--scope", help="What it may ask for; repeatable.")] = None,
    audiences: Annotated[
        _Texts, typer.Option("--audience", help="Resource server its tokens may name; repeatable.")
    ] = None,
    is_native: Annotated[
        _Flag, typer.Option("--native/--web", help="An app on a device: loopback, own scheme.")
    ] = None,
    first_party: Annotated[
        _Flag, typer.Option("--first-party/--third-party", help="Of your own: nobody is asked for consent.")
    ] = None,
    members_only: Annotated[
        _Flag, typer.Option("--members-only/--for-all", help="Whether only its members may sign in there.")
    ] = None,
    require_pkce: Annotated[
        _Flag, typer.Option("--pkce/--no-pkce", help="Whether PKCE is required; it is unless told otherwise.")
    ] = None,
    require_par: Annotated[_Flag, typer.Option("--par/--no-par", help="Only pushed authorization requests.")] = None,
    require_dpop: Annotated[_Flag, typer.Option("--dpop/--no-dpop", help="Only tokens bound to a key.")] = None,
    profile_claims: Annotated[
        _Flag, typer.Option("--profile-claims/--no-profile-claims", help="Address and name in access tokens.")
    ] = None,
    token_format: Annotated[_Text, typer.Option(help="jwt, or at+jwt (RFC 9068).")] = None,
    access_token_ttl: Annotated[
        _Text, typer.Option("--access-ttl", help="Life of its access tokens: 15m; 0: the deployment's.")
    ] = None,
    refresh_token_ttl: Annotated[
        _Text, typer.Option("--refresh-ttl", help="Life of a grant: 168h; 0: the deployment's.")
    ] = None,
    claims: Annotated[_Texts, typer.Option("--claim", help="A claim of your own: claim=attribute; repeatable.")] = None,
    jwks_file: Annotated[Path | None, typer.Option(help="Public keys: it proves itself by signatures.")] = None,
    url: Annotated[_Text, typer.Option(help="Its home page.")] = None,
    logo_url: Annotated[_Text, typer.Option(help="Its picture on our pages.")] = None,
    brand_color: Annotated[_Text, typer.Option("--color", help="Its colour on our pages: #1a73e8.")] = None,
    magic_link_url: Annotated[_Text, typer.Option(help="Its page that magic links lead to.")] = None,
    sign_up: Annotated[
        _Text, typer.Option(help="open, closed, or inherit: whether strangers make themselves accounts.")
    ] = None,
) -> dict[str, Any]:
    """The options that `create` and `update` share, under the names of the fields; None: not given."""
    return locals()


def _with_fields(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with the options of `_fields` before its last one; it gets them as `fields`."""
    own = inspect.signature(command, eval_str=True)
    shared = inspect.signature(_fields, eval_str=True).parameters
    *first, last = (p for p in own.parameters.values() if p.name != "fields")

    @functools.wraps(command)
    def run(**given: Any) -> None:
        command(fields=_fields(**{name: given.pop(name) for name in shared}), **given)

    parameters = [*first, *shared.values(), last]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # what typer reads
    return run


@apps.command("create")
@_with_fields
def create(
    name: Annotated[str, typer.Argument(help="Name that people see.")],
    fields: dict[str, Any],
    client_id: Annotated[str, typer.Option(help="What it calls itself.", show_default="a random one")] = "",
    public: Annotated[
        bool, typer.Option("--public", help="Without a secret: a single-page or device app, with PKCE.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Make an application. Its secret is printed once."""
    from identry.cli import apps as command

    asked = fields | {"name": name} | ({"is_public": True} if public else {})
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
@_with_fields
def update(
    app: _App,
    fields: dict[str, Any],
    name: Annotated[str | None, typer.Option(help="Name that people see.")] = None,
    public: Annotated[bool | None, typer.Option("--public/--confidential", help="Without or with a secret.")] = None,
    active: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it may be used.")] = None,
    as_json: _Json = False,
) -> None:
    """Change what is named; a list replaces the former one, an empty text takes away."""
    from identry.cli import apps as command

    asked = fields | {"name": name, "is_public": public, "active": active}
    raise typer.Exit(command.update(app, asked, as_json=as_json))


@apps.command("rotate-secret")
def rotate_secret(
    app: _App,
    overlap: Annotated[str, typer.Option(help="How long the former secret goes on.", show_default="24h")] = "",
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
    ttl: Annotated[str, typer.Option(help="How long it may be used.")] = "24h",
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
