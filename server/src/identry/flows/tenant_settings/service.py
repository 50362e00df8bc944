"""Read and change a tenant's policy; it may be stricter than the deployment's, never looser.

Source: contracts/browser-api.md §5, §6.1, §7. What it demands is held against every sign-in and every refresh
(signin.py, rotation/statements.py); sessions that live are not ended, so nobody is thrown out by their own click.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from uuid import UUID

from identry.core import email_domains
from identry.core.clock import Clock
from identry.core.db import Database
from identry.core.origin import Origin
from identry.permissions import TenantAccess, hold
from identry.records import tenants
from identry.records.audit import Audit
from identry.records.tenants import Tenant
from identry.records.users import User
from identry.tenancy import OwnSignIn
from identry_kit.apierror import BadRequest, Conflict

PERMISSION = "settings:manage"
_RESTRICTED = "restricted"


class LooserThanDeployment(BadRequest):
    """400: the deployment demands more; `details.fields` says of which setting, and what."""

    code = "validation_error"
    message = "a tenant may be stricter than the deployment, never looser"

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__(
            f"{faults[0][0]}: {faults[0][1]}",
            details={"fields": [{"field": name, "rule": "policy", "message": text} for name, text in faults]},
        )


class NoWayIn(Conflict):
    """409: single sign-on only, but the tenant has none and Microsoft sign-in is off: nobody could get in."""

    code = "no_sign_in"
    message = "set up and enable single sign-on first, or nobody could get in"


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """How the people of a tenant sign in.

    Attributes:
        auth_policy: `standard` or `restricted` (single sign-on only).
        allowed_email_domains: patterns (core/email_domains.py); empty: whatever the deployment allows.
        mfa_required: whether a second factor is demanded.
        mfa_for_changes: whether sensitive operations ask for a recent code; None in a wish: as it was.
    """

    auth_policy: str
    allowed_email_domains: list[str]
    mfa_required: bool
    mfa_for_changes: bool | None = None


class TenantSettings:
    """Looks after the authentication settings of tenants.

    Args:
        access: what is remembered of rights; told of every change.
        floor: what the deployment demands of every tenant.
        microsoft: whether sign-in with Microsoft is configured.
        own_sign_in: whether a tenant has an enabled sign-in of its own, asked while its row is held.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        audit: Audit,
        access: TenantAccess,
        floor: AuthSettings,
        *,
        microsoft: bool,
        own_sign_in: OwnSignIn,
    ) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._access = access
        self._floor = floor
        self._microsoft = microsoft
        self._own_sign_in = own_sign_in

    async def get(self, tenant_id: UUID) -> AuthSettings:
        """What counts: the tenant's own settings, and where the deployment demands more, that."""
        tenant = await tenants.find(self._db, tenant_id)
        assert tenant is not None
        return self._effective(tenant)

    async def put(self, caller: User, tenant_id: UUID, wanted: AuthSettings, origin: Origin) -> AuthSettings:
        """Replace the settings.

        Raises:
            PermissionDenied: the caller may not.
            LooserThanDeployment: it would ask for less than the deployment does.
            NoWayIn: `restricted`, without any single sign-on.
        """
        if faults := list(self._looser(wanted)):
            raise LooserThanDeployment(faults)
        async with self._db.transaction() as tx:
            await hold(tx, tenant_id, caller.id, PERMISSION)
            tenant = await tenants.find(tx, tenant_id)
            assert tenant is not None
            before = self._effective(tenant)
            if wanted.mfa_for_changes is None:
                wanted = replace(wanted, mfa_for_changes=before.mfa_for_changes)
            restricts = wanted.auth_policy == _RESTRICTED and before.auth_policy != _RESTRICTED
            if restricts and not self._microsoft and not await self._own_sign_in(tx, tenant_id):
                raise NoWayIn
            if changes := _changes(before, wanted):
                await tenants.set_auth(
                    tx,
                    tenant_id,
                    auth_policy=wanted.auth_policy,
                    allowed_email_domains=wanted.allowed_email_domains,
                    mfa_required=wanted.mfa_required,
                    mfa_for_changes=bool(wanted.mfa_for_changes),
                    now=self._clock.now(),
                )
                await tenants.touch(tx, tenant_id)
                await self._audit.record(
                    tx, "tenant.settings.updated", origin, actor=caller.id, company_id=tenant_id, details=changes
                )
        self._access.forget(tenant_id)
        return wanted

    def _effective(self, tenant: Tenant) -> AuthSettings:
        return AuthSettings(
            _RESTRICTED if _RESTRICTED in {tenant.auth_policy, self._floor.auth_policy} else "standard",
            tenant.allowed_email_domains,
            tenant.mfa_required or self._floor.mfa_required,
            tenant.mfa_for_changes,
        )

    def _looser(self, wanted: AuthSettings) -> Iterator[tuple[str, str]]:
        """Field and text of whatever asks for less than the deployment."""
        if self._floor.auth_policy == _RESTRICTED and wanted.auth_policy != _RESTRICTED:
            yield "auth_policy", "the deployment demands single sign-on of everybody: send restricted"
        for number, pattern in enumerate(wanted.allowed_email_domains):
            if not email_domains.covered(pattern, self._floor.allowed_email_domains):
                yield f"allowed_email_domains[{number}]", f"the deployment lets in no addresses of {pattern}"
        if self._floor.mfa_required and not wanted.mfa_required:
            yield "mfa_required", "the deployment demands a second factor of everybody: send true"


def _changes(before: AuthSettings, after: AuthSettings) -> dict[str, object]:
    pairs = {f.name: (getattr(before, f.name), getattr(after, f.name)) for f in fields(AuthSettings)}
    return {name: {"from": old, "to": new} for name, (old, new) in pairs.items() if old != new}
