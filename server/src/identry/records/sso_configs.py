"""The identity provider of each tenant: `tenant_oidc_config`, and the groups of those who come in through it.

Invariants: every statement names the tenant, or asks only for what is enabled in an active one; the client secret is
stored sealed, bound to its tenant (a row moved to another tenant does not open); of all enabled configurations one at
most names a directory.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from identry.core.db import Executor, affected
from identry.core.secrets import Sealer


@dataclass(frozen=True, slots=True)
class SsoConfig:
    """A row of `tenant_oidc_config`; the field order is that of `COLUMNS`.

    Attributes:
        provider: `entra` or `oidc`.
        issuer: of `oidc`, to the letter.
        directory_tenant_id: of `entra`.
        enabled: whether anybody signs in with it.
        jit: whether people unknown here get an account at their first sign-in.
    """

    tenant_id: UUID
    provider: str
    issuer: str | None
    directory_tenant_id: UUID | None
    client_id: str
    client_secret_encrypted: bytes
    key_id: str
    display_name: str
    enabled: bool
    jit: bool
    created_at: datetime
    updated_at: datetime


COLUMNS = ", ".join(f.name for f in fields(SsoConfig))
_OF_CONFIG = ", ".join(f"c.{f.name}" for f in fields(SsoConfig))
_GROUPS = "ARRAY(SELECT g.group_id FROM tenant_oidc_groups g WHERE g.tenant_id = c.tenant_id ORDER BY g.group_id)"


@dataclass(frozen=True, slots=True)
class Usable:
    """A configuration that people may sign in with now: enabled, of an active tenant."""

    config: SsoConfig
    slug: str
    group_ids: tuple[UUID, ...]


class SsoSecrets:
    """Seals and opens client secrets; the tenant's id is the additional data, the key's id part of what is sealed."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    @property
    def key_id(self) -> str:
        """The id of the key that seals now."""
        return self._sealer.key_id

    def seal(self, tenant_id: UUID, secret: str) -> bytes:
        """A client secret, sealed for its tenant."""
        return self._sealer.seal(secret.encode(), tenant_id.bytes)

    def open(self, config: SsoConfig) -> str:
        """The client secret of a configuration.

        Raises:
            SealError: it was sealed for another tenant, or under a key that this process lacks.
        """
        return self._sealer.open(config.client_secret_encrypted, config.tenant_id.bytes).decode()


async def find(db: Executor, tenant_id: UUID) -> tuple[SsoConfig, tuple[UUID, ...]] | None:
    """The configuration of a tenant, enabled or not, with its default groups; or None."""
    sql = f"SELECT {_GROUPS}, {_OF_CONFIG} FROM tenant_oidc_config c WHERE c.tenant_id = $1"  # noqa: S608 - constants
    row = await db.fetchrow(sql, tenant_id)
    if row is None:
        return None
    group_ids, *config = row
    return SsoConfig(*config), tuple(group_ids)


async def put(tx: Executor, config: SsoConfig, group_ids: list[UUID]) -> None:
    """Write a configuration in place of the one before, if there is one.

    Raises:
        Duplicate: another tenant's enabled configuration names the directory.
    """
    columns = [f.name for f in fields(SsoConfig)]
    values = ", ".join(f"${i}" for i in range(1, len(columns) + 1))
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in columns if name not in {"tenant_id", "created_at"})
    await tx.execute(
        f"""
        INSERT INTO tenant_oidc_config ({COLUMNS}) VALUES ({values}) ON CONFLICT (tenant_id) DO UPDATE SET {changes}
        """,  # noqa: S608 - constant columns
        *(getattr(config, name) for name in columns),
    )
    await tx.execute(
        "DELETE FROM tenant_oidc_groups WHERE tenant_id = $1 AND group_id <> ALL ($2)", config.tenant_id, group_ids
    )
    await tx.execute(
        """
        INSERT INTO tenant_oidc_groups (tenant_id, group_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING
        """,
        config.tenant_id,
        group_ids,
    )


async def delete(tx: Executor, tenant_id: UUID) -> bool:
    """Forget a tenant's configuration, its secret with it; False when there was none."""
    return affected(await tx.execute("DELETE FROM tenant_oidc_config WHERE tenant_id = $1", tenant_id)) == 1


_USABLE = f"""
    SELECT t.slug, {_GROUPS}, {_OF_CONFIG}
    FROM tenant_oidc_config c JOIN tenants t ON t.id = c.tenant_id AND t.is_active
    WHERE c.enabled AND
"""  # noqa: S608 - constant expressions


async def usable(db: Executor, tenant_id: UUID) -> Usable | None:
    """The configuration that a tenant's people sign in with now, or None."""
    return _usable(await db.fetchrow(_USABLE + " c.tenant_id = $1", tenant_id))


async def is_enabled(db: Executor, tenant_id: UUID) -> bool:
    """Whether a tenant's people have a provider of its own to sign in with."""
    enabled: bool = await db.fetchval(
        "SELECT EXISTS (SELECT FROM tenant_oidc_config WHERE tenant_id = $1 AND enabled)", tenant_id
    )
    return enabled


async def usable_by_slug(db: Executor, slug: str) -> Usable | None:
    """As `usable`, for the tenant with this short name."""
    return _usable(await db.fetchrow(_USABLE + " t.slug = $1", slug))


async def usable_by_directory(db: Executor, directory: UUID) -> Usable | None:
    """As `usable`, for the tenant that named this directory as its own."""
    return _usable(await db.fetchrow(_USABLE + " c.directory_tenant_id = $1", directory))


def _usable(row: Any | None) -> Usable | None:
    if row is None:
        return None
    slug, group_ids, *config = row
    return Usable(SsoConfig(*config), slug, tuple(group_ids))
