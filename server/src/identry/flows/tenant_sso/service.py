"""A tenant's own identity provider: seen, set, taken away (contracts/browser-api.md §6.1)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Database, Duplicate, Executor
from identry.core.origin import Origin
from identry.permissions import hold, require_within
from identry.records import groups, sso_configs, tenants
from identry.records.audit import Audit
from identry.records.sso_configs import SsoConfig, SsoSecrets
from identry.records.users import User
from identry_kit.apierror import BadRequest, Conflict, NotFound

MANAGE = "settings:manage"
_QUIET = frozenset({"created_at", "updated_at", "key_id", "client_secret_encrypted"})


class SsoUnknown(NotFound):
    """404: the tenant has not set up single sign-on."""

    message = "single sign-on is not set up"


class GroupsUnknown(NotFound):
    """404: this tenant has not all of these groups."""

    message = "group not found"


class SecretNeeded(BadRequest):
    """400: no client secret is known for this provider; one that another was given is not sent to it."""

    code = "validation_error"
    message = "client_secret: is required, for the first time and with another provider, issuer, directory or client"

    def __init__(self) -> None:
        told = "is required, for the first time and with another provider, issuer, directory or client"
        super().__init__(details={"fields": [{"field": "client_secret", "rule": "required", "message": told}]})


class DirectoryTaken(Conflict):
    """409: another tenant's people come from this directory."""

    code = "directory_taken"
    message = "another tenant has this directory"


class OnlyWayIn(Conflict):
    """409: the policy allows single sign-on alone; without it nobody could sign in any more."""

    code = "only_way_in"
    message = "the tenant's policy allows nothing but single sign-on; change that first"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A configuration as somebody wants it.

    Attributes:
        client_secret: None keeps the one that is known.
    """

    provider: str
    issuer: str | None
    directory_tenant_id: UUID | None
    client_id: str
    client_secret: str | None
    display_name: str
    enabled: bool
    jit: bool
    default_group_ids: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class SetUp:
    """A configuration, its groups, and the tenant's short name, which is part of its addresses."""

    config: SsoConfig
    group_ids: tuple[UUID, ...]
    slug: str


class TenantSso:
    """Looks after the providers of tenants.

    Args:
        other_way_in: whether the deployment's own policy leaves people another way (a password, its Microsoft app).
    """

    def __init__(self, db: Database, clock: Clock, audit: Audit, secrets: SsoSecrets, *, other_way_in: bool) -> None:
        self._db = db
        self._clock = clock
        self._audit = audit
        self._secrets = secrets
        self._other_way_in = other_way_in

    async def get(self, tenant_id: UUID) -> SetUp:
        """The configuration.

        Raises:
            SsoUnknown: there is none.
        """
        return await _get(self._db, tenant_id)

    async def put(self, caller: User, tenant_id: UUID, wanted: Wanted, origin: Origin) -> SetUp:
        """Set the provider up, or change it.

        Raises:
            PermissionDenied, BeyondOwnRights: the caller may not, or may not what the default groups may.
            GroupsUnknown: the tenant has not all of them.
            SecretNeeded, DirectoryTaken, OnlyWayIn: see there.
        """
        sealed = self._secrets.seal(tenant_id, wanted.client_secret) if wanted.client_secret is not None else None
        group_ids = sorted(wanted.default_group_ids)
        try:
            async with self._db.transaction() as tx:
                held = await hold(tx, tenant_id, caller.id, MANAGE)
                given = await groups.of_ids(tx, tenant_id, group_ids)
                if len(given) != len(group_ids):
                    raise GroupsUnknown
                require_within(held.rights, {key for group in given for key in group.permissions})
                before = await sso_configs.find(tx, tenant_id)
                config = self._config(tenant_id, wanted, sealed, before[0] if before else None)
                if before and before[0].enabled and not config.enabled:
                    await self._keep_way_in(tx, tenant_id)
                await sso_configs.put(tx, config, group_ids)
                await self._record(
                    tx, "sso.config.updated", caller, tenant_id, origin, _changes(before, config, wanted)
                )
        except Duplicate:
            raise DirectoryTaken from None
        return await self.get(tenant_id)

    async def delete(self, caller: User, tenant_id: UUID, origin: Origin) -> None:
        """Take the provider away; sessions that began with it go on.

        Raises:
            PermissionDenied: the caller may not.
            SsoUnknown: there is none.
            OnlyWayIn: the tenant's people sign in with nothing else.
        """
        async with self._db.transaction() as tx:
            await hold(tx, tenant_id, caller.id, MANAGE)
            before = await sso_configs.find(tx, tenant_id)
            if before is None:
                raise SsoUnknown
            await self._keep_way_in(tx, tenant_id)
            await sso_configs.delete(tx, tenant_id)
            await self._record(tx, "sso.config.deleted", caller, tenant_id, origin, {"provider": before[0].provider})

    def _config(self, tenant_id: UUID, wanted: Wanted, sealed: bytes | None, before: SsoConfig | None) -> SsoConfig:
        key_id = self._secrets.key_id
        if sealed is None:
            if before is None or not _same_client(before, wanted):
                raise SecretNeeded
            sealed, key_id = before.client_secret_encrypted, before.key_id
        now = self._clock.now()
        return SsoConfig(
            tenant_id=tenant_id,
            provider=wanted.provider,
            issuer=wanted.issuer,
            directory_tenant_id=wanted.directory_tenant_id,
            client_id=wanted.client_id,
            client_secret_encrypted=sealed,
            key_id=key_id,
            display_name=wanted.display_name,
            enabled=wanted.enabled,
            jit=wanted.jit,
            created_at=before.created_at if before else now,
            updated_at=now,
        )

    async def _keep_way_in(self, tx: Executor, tenant_id: UUID) -> None:
        tenant = await tenants.find(tx, tenant_id)
        if not self._other_way_in or (tenant is not None and tenant.auth_policy == "restricted"):
            raise OnlyWayIn

    async def _record(
        self, tx: Executor, event: str, caller: User, tenant_id: UUID, origin: Origin, details: dict[str, object]
    ) -> None:
        await self._audit.record(tx, event, origin, actor=caller.id, company_id=tenant_id, details=details)


async def _get(db: Executor, tenant_id: UUID) -> SetUp:
    found, tenant = await sso_configs.find(db, tenant_id), await tenants.find(db, tenant_id)
    if found is None or tenant is None:
        raise SsoUnknown
    return SetUp(*found, tenant.slug)


def _same_client(before: SsoConfig, wanted: Wanted) -> bool:
    """Whether a secret of before would go where it went then; another issuer must never be sent it."""
    return all(
        getattr(before, name) == getattr(wanted, name)
        for name in ("provider", "issuer", "directory_tenant_id", "client_id")
    )


def _changes(before: tuple[SsoConfig, tuple[UUID, ...]] | None, after: SsoConfig, wanted: Wanted) -> dict[str, object]:
    """The names of what changed, and whether people sign in with it before and after."""
    had = before[0] if before else None
    names = [
        f.name
        for f in fields(SsoConfig)
        if f.name not in _QUIET and (had is None or getattr(had, f.name) != getattr(after, f.name))
    ]
    if wanted.client_secret is not None:
        names.append("client_secret")
    if before is None or set(before[1]) != wanted.default_group_ids:
        names.append("default_group_ids")
    return {"fields": names, "enabled": {"from": had.enabled if had else False, "to": after.enabled}}
