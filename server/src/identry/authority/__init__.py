"""authority: who may do what to whom (contracts/platform-api.md §8).

Owns: the matrix as data (`matrix.MATRIX`: one row for each route, one column for each kind of caller, each cell a named
rule), the guards below it, and the one way to ask it (`require`, `require_any`, `require_update`).
Never: reads anything. A service reads rows, builds a `Situation` and asks; it asks again on locked rows.
"""

from identry.authority.decision import (
    LastOfItsKind,
    NotAllowed,
    keep_last,
    refusal,
    require,
    require_any,
    require_standing,
    require_update,
    sees_absence,
    still_acting,
    update_refusal,
)
from identry.authority.matrix import FIELD_ROWS, MATRIX, Column, columns_of
from identry.authority.situation import Actor, Delegated, Grants, Situation, Target, Wanted

__all__ = [
    "FIELD_ROWS",
    "MATRIX",
    "Actor",
    "Column",
    "Delegated",
    "Grants",
    "LastOfItsKind",
    "NotAllowed",
    "Situation",
    "Target",
    "Wanted",
    "columns_of",
    "keep_last",
    "refusal",
    "require",
    "require_any",
    "require_standing",
    "require_update",
    "sees_absence",
    "still_acting",
    "update_refusal",
]
