"""entitlements: what a company owns, the half of every access decision that no membership can give.

Owns: the port `Entitlements` and its two adapters: `BuiltInPlans` (a catalogue of plans, modules and permissions as
data, and the plan of each company) and `CoreEntitlements` (the Core service over HTTP).
Never: knows a user; decides anything. Who may do what with it is asked in `flows/access` and `authority`.
"""

from identry.entitlements.built_in import BuiltInPlans
from identry.entitlements.catalogue import Catalogue, CatalogueError
from identry.entitlements.core_service import CoreEntitlements
from identry.entitlements.port import Entitlements, EntitlementsUnavailable, Owned

__all__ = [
    "BuiltInPlans",
    "Catalogue",
    "CatalogueError",
    "CoreEntitlements",
    "Entitlements",
    "EntitlementsUnavailable",
    "Owned",
]
