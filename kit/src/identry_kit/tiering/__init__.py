"""Plans: their order, gates on routes, and what each plan may do with each feature.

`plans` has the order, `gate` the 403, `policy` a feature's rules, `service` the answers from memory, `memory` and
`tiering.sqlalchemy` where policies are kept; the latter needs the extra of its name, nothing else here needs any.

Source: third seed, package `tiering`; contracts/kit.md §6.
"""

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
    "Unlimited",
    "default_registry",
    "default_selector",
    "marshal_access",
    "marshal_limit",
]
