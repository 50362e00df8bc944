"""An identity provider as a sign-in needs to know it, and where providers and what tenants say of them are found.

The platform's app is one provider; each tenant may have one of its own. Source: contracts/browser-api.md §6, §6.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from identry.core.outbound import JsonReply
from identry_kit.jwtauth.keys import Keys

MICROSOFT = "microsoft"
"""The key of the platform's own app at Entra ID."""

Kind = Literal["entra", "oidc"]
ClientAuthentication = Literal["client_secret_post", "client_secret_basic"]


class ClientSecret:
    """A secret that never prints itself; `reveal` is for the token request alone."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "ClientSecret(…)"

    def reveal(self) -> str:
        """The secret's text."""
        return self._value


@dataclass(frozen=True, slots=True)
class Provider:
    """Where people prove who they are.

    Attributes:
        key: `microsoft`, or the id of the tenant whose provider it is; kept with a login under way.
        kind: `entra`: identities are (issuer, `tid`, `oid`); `oidc`: (issuer, `sub`).
        tenant_id: whose it is; None: the platform's.
        issuer: of its ID tokens, exactly; of `entra` the template `{authority}/{tid}/v2.0`, with `{tid}` written out.
        authorization_endpoint, token_endpoint, jwks_uri: from its discovery document.
        redirect_uri: where it sends the browser back to, exactly as registered there; one of its own for each provider.
        client_id, client_secret: ours at the provider.
        directory_id: the only `tid` that may sign in; None: any (of `entra` alone).
        jit: whether people unknown here get an account at their first sign-in.
        default_group_ids: the groups that such an account is put into.
        display_name: what people call it.
        client_authentication: how the token request shows the secret.
        userinfo_endpoint: tells address and name where the ID token does not; None: there is none.
        names_itself: whether every answer of its authorization endpoint says `iss` (RFC 9207).
    """

    key: str
    kind: Kind
    tenant_id: UUID | None
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    redirect_uri: str
    client_id: str
    client_secret: ClientSecret
    directory_id: str | None
    jit: bool
    default_group_ids: tuple[UUID, ...]
    display_name: str
    client_authentication: ClientAuthentication = "client_secret_post"
    userinfo_endpoint: str | None = None
    names_itself: bool = False


class ProviderUnavailable(Exception):
    """The provider, or its discovery document, cannot be had now; the text says why and quotes nothing of it."""


class Providers(Protocol):
    """Where providers are found. Asked again at each step, so one that was switched off is off at once."""

    async def find(self, key: str) -> Provider | None:
        """The provider, if it may be used now.

        Raises:
            ProviderUnavailable: it is configured, but its endpoints cannot be told.
        """


@dataclass(frozen=True, slots=True)
class Admission:
    """What a tenant said about a directory that it named as its own.

    Attributes:
        tenant_id: the tenant.
        jit: whether people unknown here get an account.
        default_group_ids: the groups that such an account is put into.
    """

    tenant_id: UUID
    jit: bool
    default_group_ids: tuple[UUID, ...]


class Mappings(Protocol):
    """What tenants' configurations say of directories and domains; disabled configurations say nothing."""

    async def tenant_of_directory(self, tid: str) -> Admission | None:
        """The tenant that named this directory (`tid`, lower-case) as its own; None: nobody did."""

    async def tenant_of_domain(self, domain: str) -> UUID | None:
        """The tenant that proved that this e-mail domain (IDNA, lower-case) is its own; None: nobody did."""


class ProviderHttp(Protocol):
    """How providers are asked: bounded in time and size, no redirects."""

    async def get(self, url: str, *, authorization: str | None = None) -> JsonReply:
        """The answer to a GET; `authorization` is the header's whole value.

        Raises:
            OutboundError: no usable answer.
        """

    async def post_form(self, url: str, form: Mapping[str, str], *, authorization: str | None = None) -> JsonReply:
        """The answer to a form; `authorization` is the header's whole value.

        Raises:
            OutboundError: no usable answer.
        """


class KeySets(Protocol):
    """The published keys of providers, fetched when needed."""

    def of(self, provider: Provider) -> Keys:
        """The keys at the provider's `jwks_uri`."""
