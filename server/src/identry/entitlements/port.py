"""The port: one question, one answer, one way to have none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, Self
from uuid import UUID

from identry.authority import Grants
from identry_kit.apierror import ServiceUnavailable


class EntitlementsUnavailable(ServiceUnavailable):
    """503: what the company owns cannot be told now, and nothing that is still provable is known."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"entitlements cannot be told: {reason}", headers={"Retry-After": "1"})


@dataclass(frozen=True, slots=True)
class Owned(Grants):
    """Everything a company owns.

    Attributes:
        version: goes up whenever it changes (`meta.entitlementVersion`).
        proof: differs whenever the version or any of the contents differs; part of the key of what is cached.
    """

    version: int = 0
    proof: str = ""

    @classmethod
    def of(cls, modules: Iterable[str], permissions: Iterable[str], version: int) -> Self:
        """What is owned, with its proof worked out."""
        modules, permissions = frozenset(modules), frozenset(permissions)
        text = "\n".join((str(version), *sorted(modules), "", *sorted(permissions)))
        return cls(modules, permissions, version, hashlib.sha256(text.encode()).hexdigest()[:32])


class Entitlements(Protocol):
    """Who knows what a company owns."""

    async def owned(self, company_id: UUID) -> Owned:
        """What the company owns now, as far as it can be proven.

        Raises:
            EntitlementsUnavailable: it cannot be told.
        """

    async def owned_with(self, company_id: UUID, plan: str | None, plan_version: int) -> Owned:
        """`owned`, for a caller who has just read the company's row of plans (None: it has none).

        Raises:
            EntitlementsUnavailable: it cannot be told.
        """
