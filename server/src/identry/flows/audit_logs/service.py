"""The audit log for administrators. Source: contracts/provider-api.md §12 `/logs`, `/logs/{id}`, `/logs/export`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Literal
from uuid import UUID

from identry.core.db import Database
from identry.core.origin import Origin
from identry.flows.audit_logs import queries
from identry.flows.audit_logs.queries import Entry, Wanted
from identry.flows.audit_logs.views import as_csv, as_ndjson
from identry.records.audit import Audit
from identry_kit.apierror import NotFound

BATCH = 250
"""Entries that an export reads at once."""


class NoSuchEntry(NotFound):
    """404: there is no such entry, or it was dropped with its month."""

    message = "log entry not found"


class AuditLogs:
    """Reads the log."""

    def __init__(self, db: Database, audit: Audit) -> None:
        self._db = db
        self._audit = audit

    async def page(self, wanted: Wanted, limit: int, offset: int) -> tuple[list[Entry], int]:
        """A page, the newest first, and how many entries there are: at most `queries.MOST`.

        After a cursor (`wanted.before`) nothing is skipped, so that a page costs the same wherever it is.
        """
        total = await queries.count(self._db, replace(wanted, before=None))
        if offset >= queries.MOST and wanted.before is None:
            return [], total
        return await queries.page(self._db, wanted, limit, 0 if wanted.before else offset), total

    async def read(self, name: str) -> Entry:
        """One entry, by its number or its UUID.

        Raises:
            NoSuchEntry: there is none.
        """
        found = None
        if name.isascii() and name.isdecimal() and len(name) <= 19 and int(name) < 1 << 63:
            found = await queries.find_number(self._db, int(name))
        elif len(name) == 36:
            try:
                found = await queries.find(self._db, UUID(name))
            except ValueError:
                raise NoSuchEntry from None
        if found is None:
            raise NoSuchEntry
        return found

    async def export(
        self,
        wanted: Wanted,
        limit: int,
        form: Literal["csv", "ndjson"],
        by: UUID,
        origin: Origin,
    ) -> AsyncGenerator[bytes]:
        """The entries as a file, in parts; that somebody took it along is in the log first.

        Each batch is a statement of its own, from the last id on: no connection is held while somebody reads.

        Args:
            wanted: which entries.
            limit: how many at most, the newest.
            form: of the file.
            by: the administrator.
            origin: the request.
        """
        await self._audit.record(
            self._db,
            "audit.exported",
            origin,
            actor=by,
            details={"format": form, "limit": limit, "asked": _told(wanted)},
        )
        encode, head, left = as_csv if form == "csv" else as_ndjson, True, limit
        while left:
            entries = await queries.page(self._db, wanted, min(left, BATCH))
            if part := encode(entries, head=head):
                yield part
            if len(entries) < BATCH:
                return
            head, left = False, left - len(entries)
            wanted = replace(wanted, before=entries[-1].id)


def _told(wanted: Wanted) -> dict[str, str]:
    """What was asked for, as it is audited."""
    values = {name: getattr(wanted, name) for name in Wanted.__slots__}
    return {name: str(value) for name, value in values.items() if value not in (None, "", False)}
