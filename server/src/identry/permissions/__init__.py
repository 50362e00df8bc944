"""What the members of a tenant may do: the catalogue of permissions, sets of them, and who has which now.

Never: reads it from a token. `catalogue.py` and `rights.py` are pure, `access.py` asks the database and remembers.
Source: contracts/browser-api.md §9.
"""

from identry.permissions.access import TenantAccess
from identry.permissions.catalogue import BUILT_INS, CATALOGUE, BuiltIn, Permission, canonical
from identry.permissions.changing import (
    BeyondOwnRights,
    Held,
    LastAdmin,
    OwnerStays,
    PermissionDenied,
    hold,
    keep_admin,
    require_within,
)
from identry.permissions.rights import NOTHING, Rights

__all__ = [
    "BUILT_INS",
    "CATALOGUE",
    "NOTHING",
    "BeyondOwnRights",
    "BuiltIn",
    "Held",
    "LastAdmin",
    "OwnerStays",
    "Permission",
    "PermissionDenied",
    "Rights",
    "TenantAccess",
    "canonical",
    "hold",
    "keep_admin",
    "require_within",
]
