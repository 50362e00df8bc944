"""/oauth/register."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from identry.flows.register_client.service import REGISTER_CLIENT, RegisterClient, Registered
from identry.oauth.client_rules import InvalidClientMetadata, InvalidRedirectUri
from identry.oauth.errors import InvalidToken, OAuthRequestError
from identry.records.clients import Client
from identry.web.call import Answer, Call
from identry.web.client_credentials import NO_STORE
from identry.web.operations import Operation, RequestHeader
from identry.web.provider_guard import credentials

_Text = Annotated[str, Meta(max_length=2048)] | UnsetType
_Texts = list[Annotated[str, Meta(max_length=2048)]] | UnsetType
_METHODS = {"client_secret_basic": "client_secret", "client_secret_post": "client_secret"}
_BEARER = RequestHeader("Authorization", str, "`Bearer` and the token.", required=False)


class ClientMetadata(msgspec.Struct, kw_only=True):
    """What a client says of itself (RFC 7591 §2); members that are not known are ignored."""

    client_id: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET
    client_name: _Text = UNSET
    client_uri: _Text = UNSET
    logo_uri: _Text = UNSET
    redirect_uris: _Texts = UNSET
    post_logout_redirect_uris: _Texts = UNSET
    backchannel_logout_uri: _Text = UNSET
    application_type: Annotated[str, Meta(examples=["web"])] | UnsetType = UNSET
    token_endpoint_auth_method: Annotated[str, Meta(examples=["client_secret_basic"])] | UnsetType = UNSET
    grant_types: _Texts = UNSET
    response_types: _Texts = UNSET
    scope: _Text = UNSET
    jwks: dict[str, Any] | UnsetType = UNSET
    jwks_uri: _Text = UNSET
    require_pushed_authorization_requests: bool | UnsetType = UNSET
    dpop_bound_access_tokens: bool | UnsetType = UNSET
    id_token_signed_response_alg: _Text = UNSET
    subject_type: _Text = UNSET


class ClientInformation(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A registration (RFC 7591 §3.2.1); the secret is told when it is made, and not again."""

    client_id: str
    client_id_issued_at: int
    registration_client_uri: str
    registration_access_token: str
    client_name: str
    redirect_uris: list[str]
    grant_types: list[str]
    response_types: list[str]
    token_endpoint_auth_method: str
    application_type: str
    scope: str
    client_secret: str | None = None
    client_secret_expires_at: int | None = None
    post_logout_redirect_uris: list[str] = []
    backchannel_logout_uri: str | None = None
    client_uri: str | None = None
    logo_uri: str | None = None
    jwks: dict[str, Any] | None = None
    require_pushed_authorization_requests: bool = False
    dpop_bound_access_tokens: bool = False


_EXAMPLE = {"client_name": "Reports", "redirect_uris": ["https://reports.example.com/callback"]}


def operations(service: RegisterClient, *, issuer_url: str) -> list[Operation]:
    """The room's rows of the operation table."""

    async def register(call: Call) -> Answer:
        token = credentials(call)[1]
        made = await service.register(token, _columns(call.body), call.origin)
        return Answer(_information(made, issuer_url), headers=NO_STORE)

    async def read(call: Call) -> Answer:
        found = await service.read(call.path["client_id"], credentials(call)[1], call.origin)
        return Answer(_information(found, issuer_url), headers=NO_STORE)

    async def replace(call: Call) -> Answer:
        client_id = call.path["client_id"]
        if call.body.client_id != client_id:
            raise OAuthRequestError("client_id: must be there, and that of the address (RFC 7592 §2.2)")
        changed = await service.replace(client_id, credentials(call)[1], _columns(call.body), call.origin)
        return Answer(_information(changed, issuer_url), headers=NO_STORE)

    async def delete(call: Call) -> Answer:
        await service.delete(call.path["client_id"], credentials(call)[1], call.origin)
        return Answer(b"", status=204, headers=NO_STORE)

    rejected: tuple[Any, ...] = (InvalidClientMetadata, InvalidRedirectUri)
    return [
        _row("POST", "", register, "Register a client", body=ClientMetadata, reply=ClientInformation, status=201,
             errors=(InvalidToken, *rejected), example=_EXAMPLE,
             description="With an initial access token, which `identry apps registration-token` makes (RFC 7591)."),
        _row("GET", _ONE, read, "Read a registration", reply=ClientInformation, errors=(InvalidToken,)),
        _row("PUT", _ONE, replace, "Replace a registration", body=ClientMetadata, reply=ClientInformation,
             errors=(InvalidToken, OAuthRequestError, *rejected), example={"client_id": "…", **_EXAMPLE}),
        _row("DELETE", _ONE, delete, "Delete a registration", status=204, errors=(InvalidToken,)),
    ]  # fmt: skip


_ONE = "/{client_id}"


def _row(method: str, path: str, handler: Any, summary: str, **more: Any) -> Operation:
    return Operation(
        method,
        f"/oauth/register{path}",
        handler,
        summary,
        "OAuth",
        surface="oauth",
        headers=(_BEARER,),
        limits=(REGISTER_CLIENT,),
        **more,
    )


def _columns(body: ClientMetadata) -> dict[str, Any]:
    """The fields of a client that the metadata names.

    Raises:
        InvalidClientMetadata: it asks for what is not served.
    """
    for name, served in _ONLY.items():
        asked = getattr(body, name)
        if asked is not UNSET and asked not in served:
            raise InvalidClientMetadata(f"{name}: must be {' or '.join(map(str, served))}")
    if body.jwks_uri is not UNSET:
        raise InvalidClientMetadata("jwks_uri: is not served; send the keys as jwks")
    found = {column: value for name, column in _COLUMNS.items() if (value := getattr(body, name)) is not UNSET}
    if isinstance(body.scope, str):
        found["scopes"] = body.scope.split()
    if isinstance(body.token_endpoint_auth_method, str):
        found["auth_method"] = _METHODS.get(body.token_endpoint_auth_method, body.token_endpoint_auth_method)
    found["is_native"] = body.application_type == "native"
    return found


_ONLY: dict[str, tuple[Any, ...]] = {
    "application_type": ("web", "native"),
    "response_types": (["code"], []),
    "id_token_signed_response_alg": ("RS256", "ES256", "EdDSA"),
    "subject_type": ("public",),
    "token_endpoint_auth_method": ("none", "client_secret_basic", "client_secret_post", "private_key_jwt"),
}
_COLUMNS = {
    "client_name": "name",
    "client_uri": "url",
    "logo_uri": "logo_url",
    "redirect_uris": "redirect_uris",
    "post_logout_redirect_uris": "post_logout_redirect_uris",
    "backchannel_logout_uri": "backchannel_logout_uri",
    "grant_types": "grant_types",
    "jwks": "jwks",
    "require_pushed_authorization_requests": "require_par",
    "dpop_bound_access_tokens": "require_dpop",
}


def _information(registered: Registered, issuer_url: str) -> ClientInformation:
    c: Client = registered.client
    return ClientInformation(
        client_id=c.client_id,
        client_id_issued_at=int(c.created_at.timestamp()),
        registration_client_uri=f"{issuer_url}/oauth/register/{c.client_id}",
        registration_access_token=registered.token,
        client_name=c.name,
        redirect_uris=c.redirect_uris,
        grant_types=c.grant_types,
        response_types=["code"] if "authorization_code" in c.grant_types else [],
        token_endpoint_auth_method="client_secret_basic" if c.auth_method == "client_secret" else c.auth_method,
        application_type="native" if c.is_native else "web",
        scope=" ".join(c.scopes),
        client_secret=registered.secret or None,
        client_secret_expires_at=0 if registered.secret else None,
        post_logout_redirect_uris=c.post_logout_redirect_uris,
        backchannel_logout_uri=c.backchannel_logout_uri,
        client_uri=c.url,
        logo_uri=c.logo_url,
        jwks=msgspec.json.decode(c.jwks) if c.jwks else None,
        require_pushed_authorization_requests=c.require_par,
        dpop_bound_access_tokens=c.require_dpop,
    )
