"""Who may do what in a tenant: the union over the groups, remembered for 30 seconds.

A write in this process drops what is remembered of its tenant at once. A write in another process is seen by the
tenant's `access_version`: a caller that read it (the browser guard does, with the session) hands it in, and what was
remembered under another version is not used. Without a version, 30 seconds are the bound.
"""

from __future__ import annotations

from uuid import UUID

from identry.core.clock import Clock
from identry.core.db import Executor
from identry.permissions.rights import Rights
from identry.records import groups

TTL = 30.0
_MOST = 50_000


class TenantAccess:
    """Knows the rights of a user in a tenant; one instance per process."""

    def __init__(self, db: Executor, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._known: dict[int, dict[int, tuple[float, int | None, Rights]]] = {}
        self._count = 0
        self._writes = 0

    def known(self, tenant_id: UUID, user_id: UUID, version: int | None = None) -> Rights | None:
        """What is remembered and still counts, or None. No I/O."""
        people = self._known.get(tenant_id.int)  # an int is hashed and compared in C, a UUID is not
        entry = people.get(user_id.int) if people is not None else None
        if entry is None or entry[0] <= self._clock.timestamp():
            return None
        return entry[2] if version is None or entry[1] == version else None

    async def of(self, tenant_id: UUID, user_id: UUID, version: int | None = None) -> Rights:
        """The rights of a user in a tenant; none without an active membership.

        `version` is the tenant's `access_version`, when the caller has just read it.
        """
        rights = self.known(tenant_id, user_id, version)
        if rights is None:
            writes = self._writes
            rights = await current(self._db, tenant_id, user_id)
            if writes == self._writes:  # else: read before a write that came meanwhile, not worth remembering
                self._remember(tenant_id, user_id, version, rights)
        return rights

    def forget(self, tenant_id: UUID) -> None:
        """Drop what is remembered of a tenant; called after each commit that changed who may do what in it."""
        self._writes += 1
        self._count -= len(self._known.pop(tenant_id.int, ()))

    def _remember(self, tenant_id: UUID, user_id: UUID, version: int | None, rights: Rights) -> None:
        if self._count >= _MOST:
            self._known.clear()
            self._count = 0
        people = self._known.setdefault(tenant_id.int, {})
        self._count += user_id.int not in people
        people[user_id.int] = (self._clock.timestamp() + TTL, version, rights)


async def current(db: Executor, tenant_id: UUID, user_id: UUID) -> Rights:
    """The rights of a user in a tenant, read now: what decisions about a write are made from."""
    found = await groups.of_user(db, tenant_id, user_id)
    return Rights(key for group in found for key in group.permissions)
