"""E-mail domains of a tenant: claimed, proven, given up (contracts/browser-api.md §6.1)."""

from __future__ import annotations

from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database, Duplicate, Executor
from identry.core.email_domains import provable
from identry.core.limits import DOMAIN_PROOF, Limiter
from identry.core.origin import Origin
from identry.core.secrets import new_token
from identry.core.txt_records import DnsUnavailable, TxtRecords
from identry.permissions import hold
from identry.records import domains
from identry.records.audit import Audit
from identry.records.domains import Domain
from identry.records.users import User
from identry_kit.apierror import BadRequest, Conflict, NotFound, ServiceUnavailable

MANAGE = "settings:manage"
MOST = 100
_PREFIX = "identry-verify="


class DomainUnknown(NotFound):
    """404: the tenant has not claimed this domain."""

    message = "domain not found"


class BadDomain(BadRequest):
    """400: nobody can prove that this is their domain."""

    code = "validation_error"
    message = "this is no domain that can be verified"

    def __init__(self, reason: str = "is no domain") -> None:
        super().__init__(
            f"domain: {reason}", details={"fields": [{"field": "domain", "rule": "format", "message": reason}]}
        )


class DomainTaken(Conflict):
    """409: another tenant has proven that the domain is its own."""

    code = "domain_taken"
    message = "another tenant has this domain"


class TooManyDomains(Conflict):
    """409: the tenant has claimed as many domains as one may."""

    code = "too_many_domains"
    message = f"a tenant has {MOST} domains at most"


class DomainNotVerified(Conflict):
    """409: the record is not in the DNS, or not yet; `details.record` says which one is looked for."""

    code = "domain_not_verified"
    message = "the record is not there; a change in the DNS may take a while to be seen everywhere"
    example_details = {"record": {"type": "TXT", "name": "acme.com", "value": "identry-verify=…"}, "found": 0}  # noqa: RUF012 - never written to

    def __init__(self, claimed: Domain | None = None, found: int = 0) -> None:
        told = {"record": record_of(claimed), "found": found} if claimed else None
        super().__init__(details=told)


class DnsSilent(ServiceUnavailable):
    """503: no name server answered."""

    message = "the DNS does not answer"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "10"})


def record_of(claimed: Domain) -> dict[str, str]:
    """The record that proves a claim: its type, where it stands, what it says."""
    return {"type": "TXT", "name": claimed.domain, "value": _PREFIX + claimed.token}


class TenantDomains:
    """Looks after the domains of tenants.

    Args:
        dns: is asked for the records.
        ours: hosts of this deployment; neither they nor anything below them belongs to a tenant.
    """

    def __init__(
        self, db: Database, clock: Clock, audit: Audit, limiter: Limiter, dns: TxtRecords, ours: tuple[str, ...]
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._limiter = limiter
        self._dns = dns
        self._ours = ours

    async def all(self, tenant_id: UUID) -> list[Domain]:
        """Every domain that the tenant claimed, by name."""
        return await domains.of_tenant(self._db, tenant_id)

    async def claim(self, caller: User, tenant_id: UUID, text: str, origin: Origin) -> Domain:
        """Claim a domain; what the tenant has claimed before stays as it is.

        Raises:
            PermissionDenied: the caller may not.
            BadDomain, DomainTaken, TooManyDomains: see there.
        """
        name = self._name(text)
        new = Domain(tenant_id, name, new_token(), self._clock.now(), None)
        async with self._db.transaction() as tx:
            await hold(tx, tenant_id, caller.id, MANAGE)
            if known := await domains.find(tx, tenant_id, name):
                return known
            if await domains.owner(tx, name) is not None:
                raise DomainTaken
            if await domains.count(tx, tenant_id) >= MOST:
                raise TooManyDomains
            await domains.insert(tx, new)
            await self._record(tx, "tenant.domain.added", caller, new, origin)
        return new

    async def verify(self, caller: User, tenant_id: UUID, text: str, origin: Origin) -> Domain:
        """Look for the record; with it the domain is the tenant's.

        Raises:
            RateLimited: the tenant used up its tries.
            PermissionDenied: the caller may not.
            DomainUnknown, DomainTaken, DomainNotVerified, DnsSilent: see there.
        """
        await self._limiter.spend(DOMAIN_PROOF, str(tenant_id))
        claimed = await self._find(tenant_id, text)
        if claimed.verified_at is not None:
            return claimed
        try:
            texts = await self._dns.of(claimed.domain)
        except DnsUnavailable:
            raise DnsSilent from None
        told = [found.strip() for found in texts if found.strip().startswith(_PREFIX)]
        if _PREFIX + claimed.token not in told:
            raise DomainNotVerified(claimed, len(told))
        try:
            async with self._db.transaction() as tx:
                await hold(tx, tenant_id, caller.id, MANAGE)
                if not await domains.verify(tx, claimed, self._clock.now()):
                    raise DomainUnknown
                await self._record(tx, "tenant.domain.verified", caller, claimed, origin)
        except Duplicate:
            raise DomainTaken from None
        return await self._find(tenant_id, text)

    async def remove(self, caller: User, tenant_id: UUID, text: str, origin: Origin) -> None:
        """Give a domain up; it selects the tenant no longer, and another tenant may prove it.

        Raises:
            PermissionDenied: the caller may not.
            DomainUnknown: the tenant has not claimed it.
        """
        claimed = await self._find(tenant_id, text)
        async with self._db.transaction() as tx:
            await hold(tx, tenant_id, caller.id, MANAGE)
            if not await domains.delete(tx, tenant_id, claimed.domain):
                raise DomainUnknown
            await self._record(tx, "tenant.domain.removed", caller, claimed, origin)

    def _name(self, text: str) -> str:
        try:
            return provable(text, *self._ours)
        except ValueError as error:
            raise BadDomain(str(error)) from None

    async def _find(self, tenant_id: UUID, text: str) -> Domain:
        """A claimed domain, in whatever spelling it was named."""
        try:
            claimed = await domains.find(self._db, tenant_id, self._name(text))
        except BadDomain:
            raise DomainUnknown from None
        if claimed is None:
            raise DomainUnknown
        return claimed

    async def _record(self, tx: Executor, event: str, caller: User, claimed: Domain, origin: Origin) -> None:
        await self._audit.record(
            tx, event, origin, actor=caller.id, company_id=claimed.tenant_id, details={"domain": claimed.domain}
        )
