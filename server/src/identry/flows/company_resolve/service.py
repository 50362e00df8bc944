"""Resolve a company, and tell whether one exists (contracts/platform-api.md §6, §6.1)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import structlog

from identry.core.db import Rejected
from identry.core.foreign_tables import ForeignTableError
from identry.core.kv import KV, KVUnavailable
from identry.flows.company_resolve.queries import FinanceCompanies
from identry_kit.apierror import Conflict, NotFound, NotImplementedYet, ServiceUnavailable

log = structlog.get_logger(__name__)

CACHE_TTL = 600.0


class FinanceNotConfigured(NotImplementedYet):
    """501: this deployment has no Finance database."""

    message = "finance database not configured"


class CompanyUnknown(NotFound):
    """404: no company has this id, legacy id or name."""

    message = "company not found"


class CompanyAmbiguous(Conflict):
    """409: several companies match; the caller must choose one by its id."""

    message = "several companies match; ask by the company's id or legacy id"


class FinanceUnavailable(ServiceUnavailable):
    """503: the Finance database answers, but not this question; the log says why."""


class CompanyResolve:
    """Finds companies.

    Args:
        companies: reads Finance; None without a Finance database.
        kv: keeps what was found for ten minutes; what was not found is asked again each time.
    """

    def __init__(self, companies: FinanceCompanies | None, kv: KV) -> None:
        self._companies = companies
        self._kv = kv

    async def resolve(self, raw: str) -> UUID:
        """The one company that `raw` (trimmed, not blank) means: an id, else a legacy id, else a name.

        Raises:
            FinanceNotConfigured, CompanyUnknown, CompanyAmbiguous.
            ServiceUnavailable: Finance cannot answer.
        """
        if self._companies is None:
            raise FinanceNotConfigured
        key = "company:resolve:" + hashlib.sha256(raw.lower().encode("utf-8", "surrogatepass")).hexdigest()
        if known := await self._recall(key):
            return UUID(bytes=known)
        async with _asking_finance():
            found = await self._companies.meant_by(raw)
        if not found:
            raise CompanyUnknown
        if len(found) > 1:
            raise CompanyAmbiguous
        await self._remember(key, found[0].bytes)
        return found[0]

    async def exists(self, company_id: UUID) -> bool:
        """Whether there is such a company; without a Finance database every id is taken as it is.

        Raises:
            ServiceUnavailable: Finance cannot answer.
        """
        if self._companies is None:
            return True
        key = f"company:exists:{company_id}"
        if await self._recall(key):
            return True
        async with _asking_finance():
            exists = await self._companies.exists(company_id)
        if exists:
            await self._remember(key, b"1")
        return exists

    async def _recall(self, key: str) -> bytes | None:
        try:
            return await self._kv.get(key)
        except KVUnavailable:
            return None

    async def _remember(self, key: str, value: bytes) -> None:
        try:
            await self._kv.set(key, value, CACHE_TTL)
        except KVUnavailable:
            return  # Finance is asked again next time


@asynccontextmanager
async def _asking_finance() -> AsyncIterator[None]:
    """A table or a right that is missing there is an outage here, not a fault of the caller or of ours."""
    try:
        yield
    except (Rejected, ForeignTableError) as error:
        log.error("Finance refuses to tell about companies", reason=str(error).partition("\n")[0])
        raise FinanceUnavailable("the finance database refused", headers={"Retry-After": "30"}) from error
