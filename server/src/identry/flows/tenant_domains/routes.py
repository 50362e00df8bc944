"""/api/v1/settings/domains."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from identry.core.limits import DOMAIN_PROOF
from identry.flows.tenant_domains.service import (
    BadDomain,
    DnsSilent,
    DomainNotVerified,
    DomainTaken,
    DomainUnknown,
    TenantDomains,
    TooManyDomains,
    record_of,
)
from identry.permissions import PermissionDenied
from identry.records.domains import Domain
from identry.web.call import Call
from identry.web.operations import Guard, Operation

SETTINGS_DOMAINS = "/api/v1/settings/domains"
_DOMAIN = SETTINGS_DOMAINS + "/{domain}"


class DomainBody(msgspec.Struct):
    """A domain to claim."""

    domain: Annotated[str, Meta(min_length=1, max_length=255, examples=["acme.com"])]


class DnsRecordView(msgspec.Struct, frozen=True):
    """The record that has to be in the DNS while the domain is verified."""

    type: str
    name: str
    value: str


class DomainView(msgspec.Struct, frozen=True):
    """A claimed domain; only a verified one selects the tenant by an e-mail address."""

    domain: str
    verified: bool
    verified_at: datetime | None
    record: DnsRecordView
    created_at: datetime

    @classmethod
    def of(cls, found: Domain) -> DomainView:
        """The view of a row."""
        record = DnsRecordView(**record_of(found))
        return cls(found.domain, found.verified_at is not None, found.verified_at, record, found.created_at)


class DomainsView(msgspec.Struct, frozen=True):
    """Every domain that the tenant claimed, by name."""

    data: list[DomainView]


def operations(claims: TenantDomains) -> list[Operation]:
    """The room's rows of the operation table."""

    async def listed(call: Call) -> DomainsView:
        return DomainsView([DomainView.of(found) for found in await claims.all(call.tenant_id)])

    async def claim(call: Call) -> DomainView:
        return DomainView.of(await claims.claim(call.actor.user, call.tenant_id, call.body.domain, call.origin))

    async def verify(call: Call) -> DomainView:
        return DomainView.of(await claims.verify(call.actor.user, call.tenant_id, call.path["domain"], call.origin))

    async def remove(call: Call) -> bytes:
        await claims.remove(call.actor.user, call.tenant_id, call.path["domain"], call.origin)
        return b""

    common: dict[str, Any] = {"tag": "Tenant settings", "guard": Guard.BROWSER, "surface": "browser"}
    return [
        Operation(
            "GET",
            SETTINGS_DOMAINS,
            listed,
            "The tenant's e-mail domains",
            permission="settings:read",
            reply=DomainsView,
            errors=(PermissionDenied,),
            **common,
        ),
        Operation(
            "POST",
            SETTINGS_DOMAINS,
            claim,
            "Claim an e-mail domain",
            permission="settings:manage",
            sensitive=True,
            body=DomainBody,
            reply=DomainView,
            status=201,
            errors=(PermissionDenied, BadDomain, DomainTaken, TooManyDomains),
            description="Put `record` into the domain's DNS, then verify. A claim alone has no effect and keeps nobody "
            "else from the domain. A domain that the tenant has claimed before is answered as it is.",
            example={"domain": "acme.com"},
            **common,
        ),
        Operation(
            "POST",
            _DOMAIN + "/verify",
            verify,
            "Look for the record that proves the domain",
            permission="settings:manage",
            sensitive=True,
            reply=DomainView,
            limits=(DOMAIN_PROOF,),
            errors=(PermissionDenied, DomainUnknown, DomainTaken, DomainNotVerified, DnsSilent),
            description="The TXT record has to stand at the domain itself; an alias is not followed.",
            **common,
        ),
        Operation(
            "DELETE",
            _DOMAIN,
            remove,
            "Give an e-mail domain up",
            permission="settings:manage",
            sensitive=True,
            status=204,
            errors=(PermissionDenied, DomainUnknown),
            **common,
        ),
    ]
