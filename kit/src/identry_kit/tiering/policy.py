"""A feature's policy: what each plan may do with it. And where policies are kept.

Source: third seed, `tiering.FeaturePolicy` and `PolicyRepository`; contracts/kit.md §6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeAlias

from identry_kit.apierror import ValidationFailed
from identry_kit.tiering.plans import PLAN_ENTERPRISE, PLAN_PRO

FeatureType: TypeAlias = Literal["access", "numeric_limit"]
Cell: TypeAlias = Mapping[str, Any]
"""What one plan gets: `{"allowed": bool}` or `{"limit": int}`, −1 for unlimited. Other keys are ignored."""

ACCESS: FeatureType = "access"
NUMERIC_LIMIT: FeatureType = "numeric_limit"
UNLIMITED = -1
MAX_LIMIT = 2**63 - 1
_TIERS = ("freemium", "pro", "enterprise")


def marshal_access(allowed: bool) -> dict[str, bool]:
    """The cell `{"allowed": allowed}`."""
    return {"allowed": allowed}


def marshal_limit(limit: int) -> dict[str, int]:
    """The cell `{"limit": limit}`; −1 is unlimited."""
    return {"limit": limit}


@dataclass(frozen=True, slots=True)
class FeaturePolicy:
    """One row: a feature (the key) and its cell for each of the three default plans.

    A row as the database holds it may be wrong (someone wrote it by hand); reading such a cell denies. Writing one is
    refused, see `check`.
    """

    feature: str
    category: str
    label: str
    feature_type: FeatureType
    freemium: Cell
    pro: Cell
    enterprise: Cell
    updated_at: datetime | None = None

    def __post_init__(self) -> None:
        """Cells become read-only copies: policies are shared by everybody who asks."""
        for tier in _TIERS:
            cell = getattr(self, tier)
            if isinstance(cell, dict):
                object.__setattr__(self, tier, MappingProxyType(dict(cell)))

    def body(self) -> dict[str, Any]:
        """The row as JSON has it: `feature category label featureType freemium pro enterprise updatedAt?`."""
        body: dict[str, Any] = {
            "feature": self.feature,
            "category": self.category,
            "label": self.label,
            "featureType": self.feature_type,
            "freemium": plain(self.freemium),
            "pro": plain(self.pro),
            "enterprise": plain(self.enterprise),
        }
        if self.updated_at is not None:
            body["updatedAt"] = self.updated_at.isoformat()
        return body

    def check(self) -> None:
        """Raise `ValidationFailed` (422) unless the row may be written; `details` name what is wrong.

        Each cell must carry the field of the row's type: `allowed` a truth value, `limit` a whole number from −1 to
        2⁶³ − 1.
        """
        wrong: dict[str, str] = {}
        if not self.feature:
            wrong["feature"] = "must not be empty"
        read: Callable[[Any], bool | int | None]
        if self.feature_type == ACCESS:
            need, read = '{"allowed": true|false}', allowed_of
        elif self.feature_type == NUMERIC_LIMIT:
            need, read = '{"limit": -1 or a whole number from 0}', limit_of
        else:
            raise ValidationFailed("invalid tier rules", details={"featureType": "must be access or numeric_limit"})
        wrong |= {tier: f"must be {need}" for tier in _TIERS if read(getattr(self, tier)) is None}
        if wrong:
            raise ValidationFailed("invalid tier rules", details=wrong)


PlanSelector: TypeAlias = Callable[[FeaturePolicy, str], Cell]
"""Which cell is a plan's; gets the plan as the registry normalised it."""


def default_selector(policy: FeaturePolicy, plan: str) -> Cell:
    """`pro` and `enterprise` have their own; anything else is `freemium`."""
    if plan == PLAN_PRO:
        return policy.pro
    return policy.enterprise if plan == PLAN_ENTERPRISE else policy.freemium


def plain(cell: Any) -> Any:
    """A cell as JSON encoders know it."""
    return dict(cell) if isinstance(cell, Mapping) else cell


def allowed_of(cell: Any) -> bool | None:
    """The truth value of an access cell; None when it is anything else."""
    allowed = cell.get("allowed") if isinstance(cell, Mapping) else None
    return allowed if isinstance(allowed, bool) else None


def limit_of(cell: Any) -> int | None:
    """The number of a limit cell, −1 or from 0; None when it is anything else (a float, a truth value, −2 …)."""
    limit = cell.get("limit") if isinstance(cell, Mapping) else None
    if type(limit) is not int:  # `True` is an int, and no limit
        return None
    return limit if UNLIMITED <= limit <= MAX_LIMIT else None


class PolicyRepository(Protocol):
    """Where policies are kept. Methods raise whatever their database raises; the service knows what to do then."""

    async def list(self) -> Sequence[FeaturePolicy]:
        """All policies."""

    async def get_by_feature(self, feature: str) -> FeaturePolicy | None:
        """One policy, None when there is none."""

    async def upsert(self, policy: FeaturePolicy) -> FeaturePolicy:
        """Insert or replace; the policy as it is now, with its new `updated_at`."""

    async def seed_defaults(self, policies: Iterable[FeaturePolicy]) -> None:
        """Insert those whose feature is not there yet; the others stay as they are."""
