"""Plans: their order, gates on routes, and what each plan may do with each feature.

`plans` has the order, `gate` the 403, `policy` a feature's rules, `service` the answers from memory, `memory` and
`store` where policies are kept. `SQLAlchemyPolicies` and `policy_table` are loaded when first asked for; they need the
extra `sqlalchemy`.

Source: third seed, package `tiering`; contracts/kit.md §6.
"""

from typing import TYPE_CHECKING, Any

from identry_kit.tiering.gate import DenialBody, Gate, PlanRequired
from identry_kit.tiering.memory import MemoryPolicies
from identry_kit.tiering.plans import PLAN_ENTERPRISE, PLAN_FREEMIUM, PLAN_PRO, PlanRegistry, default_registry
from identry_kit.tiering.policy import (
    Cell,
    FeaturePolicy,
    FeatureType,
    PlanSelector,
    PolicyRepository,
    default_selector,
    marshal_access,
    marshal_limit,
)
from identry_kit.tiering.service import Missing, PoliciesUnavailable, PolicyService, Unlimited

if TYPE_CHECKING:
    from identry_kit.tiering.store import SQLAlchemyPolicies, policy_table

__all__ = [
    "PLAN_ENTERPRISE",
    "PLAN_FREEMIUM",
    "PLAN_PRO",
    "Cell",
    "DenialBody",
    "FeaturePolicy",
    "FeatureType",
    "Gate",
    "MemoryPolicies",
    "Missing",
    "PlanRegistry",
    "PlanRequired",
    "PlanSelector",
    "PoliciesUnavailable",
    "PolicyRepository",
    "PolicyService",
    "SQLAlchemyPolicies",
    "Unlimited",
    "default_registry",
    "default_selector",
    "marshal_access",
    "marshal_limit",
    "policy_table",
]


def __getattr__(name: str) -> Any:
    """Load what needs SQLAlchemy when it is asked for, and not before."""
    if name in {"SQLAlchemyPolicies", "policy_table"}:
        from identry_kit.tiering import store

        return getattr(store, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
