"""/api/v1/settings/sso."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from identry.core.limits import SSO_TRIAL
from identry.flows.tenant_sso.service import (
    DirectoryTaken,
    GroupsUnknown,
    OnlyWayIn,
    SecretNeeded,
    SetUp,
    SsoUnknown,
    TenantSso,
    Wanted,
)
from identry.flows.tenant_sso.trial import SsoTrial
from identry.permissions import BeyondOwnRights, PermissionDenied
from identry.web.call import Call
from identry.web.errors import Fault, InvalidRequest
from identry.web.operations import Guard, Operation
from identry.web.validation import line

SETTINGS_SSO = "/api/v1/settings/sso"

_ISSUER = re.compile(r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[!-~]*)?")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})

Line = Annotated[str, Meta(min_length=1, max_length=255, extra={"check": line})]
Secret = Annotated[str, Meta(min_length=1, max_length=1024, extra={"check": line})]
Issuer = Annotated[str, Meta(max_length=500)]
Kind = Literal["entra", "oidc"]


class SsoConfigBody(msgspec.Struct):
    """A provider as it is to be."""

    provider: Annotated[Kind, Meta(description="`entra`: the tenant's own directory; `oidc`: any OpenID provider.")]
    client_id: Line
    display_name: Annotated[str, Meta(max_length=100, extra={"check": line}, description="On the sign-in button.")]
    enabled: bool
    issuer: Annotated[Issuer | None, Meta(description="Of `oidc`, to the letter as its discovery document has it.")] = (
        None
    )
    directory_tenant_id: Annotated[UUID | None, Meta(description="Of `entra`.")] = None
    client_secret: Annotated[Secret | None, Meta(description="Left out or null: the one that is known stays.")] = None
    jit: Annotated[bool, Meta(description="Whether people unknown here get an account at their first sign-in.")] = True
    default_group_ids: Annotated[
        list[UUID], Meta(max_length=50, description="The groups that such an account is put into.")
    ] = msgspec.field(default_factory=list)


class SsoConfigView(msgspec.Struct, frozen=True):
    """The provider as it is; `redirect_uri` has to be registered there, `login_url` begins a sign-in."""

    provider: Kind
    issuer: str | None
    directory_tenant_id: UUID | None
    client_id: str
    client_secret_set: bool
    display_name: str
    enabled: bool
    jit: bool
    default_group_ids: list[UUID]
    redirect_uri: str
    login_url: str
    updated_at: datetime


class SsoTrialView(msgspec.Struct, frozen=True):
    """How a trial went; each problem says what to do about it."""

    ok: bool
    issuer: str
    problems: list[str]


@dataclass(frozen=True, slots=True)
class Addresses:
    """What a provider and an app have to know of a tenant.

    Attributes:
        redirect_uri, login_url: a tenant's short name → the address.
    """

    redirect_uri: Callable[[str], str]
    login_url: Callable[[str], str]


def operations(sso: TenantSso, trial: SsoTrial, addresses: Addresses, *, plain_http: bool) -> list[Operation]:
    """The room's rows of the operation table; `plain_http`: whether an issuer on this machine may be `http:`."""

    def view(found: SetUp) -> SsoConfigView:
        config = found.config
        return SsoConfigView(
            provider="entra" if config.provider == "entra" else "oidc",
            issuer=config.issuer,
            directory_tenant_id=config.directory_tenant_id,
            client_id=config.client_id,
            client_secret_set=True,
            display_name=config.display_name,
            enabled=config.enabled,
            jit=config.jit,
            default_group_ids=list(found.group_ids),
            redirect_uri=addresses.redirect_uri(found.slug),
            login_url=addresses.login_url(found.slug),
            updated_at=config.updated_at,
        )

    async def get(call: Call) -> SsoConfigView:
        return view(await sso.get(call.tenant_id))

    async def put(call: Call) -> SsoConfigView:
        wanted = _wanted(call.body, plain_http=plain_http)
        return view(await sso.put(call.actor.user, call.tenant_id, wanted, call.origin))

    async def delete(call: Call) -> bytes:
        await sso.delete(call.actor.user, call.tenant_id, call.origin)
        return b""

    async def test(call: Call) -> SsoTrialView:
        tried = await trial(call.tenant_id)
        return SsoTrialView(not tried.problems, tried.issuer, tried.problems)

    common: dict[str, Any] = {"tag": "Tenant settings", "guard": Guard.BROWSER, "surface": "browser"}
    return [
        Operation(
            "GET",
            SETTINGS_SSO,
            get,
            "The tenant's identity provider",
            permission="settings:read",
            reply=SsoConfigView,
            errors=(PermissionDenied, SsoUnknown),
            description="The client secret is never shown.",
            **common,
        ),
        Operation(
            "PUT",
            SETTINGS_SSO,
            put,
            "Set the tenant's identity provider up, or change it",
            permission="settings:manage",
            sensitive=True,
            body=SsoConfigBody,
            reply=SsoConfigView,
            errors=(
                PermissionDenied,
                BeyondOwnRights,
                InvalidRequest,
                SecretNeeded,
                GroupsUnknown,
                DirectoryTaken,
                OnlyWayIn,
            ),
            description="Whoever may do this decides who proves to be whom in the tenant: give it to administrators "
            "only. An enabled `entra` configuration makes its directory the tenant's own; one tenant has a directory. "
            "Sign-ins that are under way with another provider or client end.",
            example={
                "provider": "oidc",
                "issuer": "https://login.acme.com",
                "client_id": "identry",
                "client_secret": "s3cr3t-of-the-client",
                "display_name": "Acme",
                "enabled": True,
                "jit": True,
                "default_group_ids": [],
            },
            **common,
        ),
        Operation(
            "DELETE",
            SETTINGS_SSO,
            delete,
            "Take the tenant's identity provider away",
            permission="settings:manage",
            sensitive=True,
            status=204,
            errors=(PermissionDenied, SsoUnknown, OnlyWayIn),
            description="Sessions that began with it go on. Refused while the tenant's policy allows nothing else.",
            **common,
        ),
        Operation(
            "POST",
            SETTINGS_SSO + "/test",
            test,
            "Try the tenant's identity provider",
            permission="settings:manage",
            sensitive=True,
            reply=SsoTrialView,
            limits=(SSO_TRIAL,),
            errors=(PermissionDenied, SsoUnknown),
            description="Reads its discovery document and keys, and asks whether it knows our redirect URI and client "
            "secret. Works before the configuration is enabled; nobody is signed in.",
            **common,
        ),
    ]


def _wanted(body: SsoConfigBody, *, plain_http: bool) -> Wanted:
    """The body as the service takes it.

    Raises:
        InvalidRequest: what belongs to the kind of provider is missing, or what does not is there.
    """
    needed, other = ("directory_tenant_id", "issuer") if body.provider == "entra" else ("issuer", "directory_tenant_id")
    faults = []
    if getattr(body, needed) is None:
        faults.append(Fault(needed, "required", f"is required with provider {body.provider}"))
    if getattr(body, other) is not None:
        faults.append(Fault(other, "unknown", f"does not go with provider {body.provider}"))
    if body.provider == "oidc" and body.issuer is not None and (wrong := _issuer_fault(body.issuer, plain_http)):
        faults.append(Fault("issuer", "format", wrong))
    if faults:
        raise InvalidRequest.of(faults)
    return Wanted(
        provider=body.provider,
        issuer=body.issuer,
        directory_tenant_id=body.directory_tenant_id,
        client_id=body.client_id,
        client_secret=body.client_secret,
        display_name=body.display_name,
        enabled=body.enabled,
        jit=body.jit,
        default_group_ids=frozenset(body.default_group_ids),
    )


def _issuer_fault(issuer: str, plain_http: bool) -> str:
    found = _ISSUER.fullmatch(issuer)
    if found is None or "?" in issuer or "#" in issuer:
        return "is no https address without user, query and fragment"
    if found["scheme"] == "http" and not (plain_http and found["host"] in _LOOPBACK):
        return "must be https"
    return ""
