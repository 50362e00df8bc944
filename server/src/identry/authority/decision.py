"""Asking the matrix: any of the caller's columns may allow, every guard of the row must hold."""

from __future__ import annotations

from collections.abc import Iterable

from identry.authority.matrix import FIELD_ROWS, MATRIX, PLATFORM, columns_of
from identry.authority.situation import Actor, Situation
from identry.records.users import ApprovalStatus, User
from identry_kit.apierror import Conflict, Forbidden


class NotAllowed(Forbidden):
    """403: the caller's roles do not allow this; the message says what would."""

    message = "your role does not allow this"


class LastOfItsKind(Conflict):
    """409: nobody would be left who administers the company or the platform."""

    message = "the last active administrator must remain"


def refusal(row: str, situation: Situation) -> str | None:
    """Why the matrix refuses, or None when it allows."""
    cells = [rule for column, rule in MATRIX[row].cells.items() if column in columns_of(situation.actor)]
    if not cells:
        return NotAllowed.message
    if not any(rule.allows(situation) for rule in cells):
        return "allowed only when " + ", or when ".join(dict.fromkeys(rule.text for rule in cells))
    for guard in MATRIX[row].guards:
        if not guard.allows(situation):
            return f"allowed only when {guard.text}"
    return None


def update_refusal(situation: Situation) -> str | None:
    """`refusal` for a PATCH of an account: every field of it must be allowed, by "any field" or by its own row."""
    general = refusal("users.update", situation)
    if general is None:
        return None
    reasons = [
        refusal(FIELD_ROWS[name], situation) if name in FIELD_ROWS else general
        for name in sorted(situation.wanted.fields)
    ]
    return next((reason for reason in reasons if reason is not None), None if reasons else general)


def require(row: str, situation: Situation) -> None:
    """Go on only when the matrix allows.

    Raises:
        NotAllowed: it does not.
    """
    if reason := refusal(row, situation):
        raise NotAllowed(reason)


def require_any(row: str, situations: Iterable[Situation]) -> None:
    """As `require`, when several companies could give the right: one is enough.

    Raises:
        NotAllowed: none does.
    """
    reasons = [refusal(row, situation) for situation in situations]
    if None not in reasons:
        raise NotAllowed(reasons[-1] if reasons else None)


def require_update(situations: Iterable[Situation]) -> None:
    """As `require_any`, for a PATCH of an account.

    Raises:
        NotAllowed: none of the situations allows every field.
    """
    reasons = [update_refusal(situation) for situation in situations]
    if None not in reasons:
        raise NotAllowed(reasons[-1] if reasons else None)


def require_standing(rows: Iterable[str], actors: Iterable[Actor]) -> None:
    """Refuse a caller who could never be allowed, before anything about the target is looked up.

    Raises:
        NotAllowed: no column of the caller has a cell in any of the rows.
    """
    wanted = {column for row in rows for column in MATRIX[row].cells}
    if not any(columns_of(actor) & wanted for actor in actors):
        raise NotAllowed


def sees_absence(rows: Iterable[str], actor: Actor) -> bool:
    """Whether the caller may learn that an account does not exist (404): platform staff with a cell; others get 403."""
    wanted = {column for row in rows for column in MATRIX[row].cells}
    return bool(columns_of(actor) & wanted & PLATFORM)


def still_acting(caller: User | None) -> User:
    """The caller's row as it is under the lock of a transaction.

    Raises:
        NotAllowed: deactivated, rejected or deleted since the request began.
    """
    if caller is None or not caller.is_active or caller.approval_status != ApprovalStatus.APPROVED:
        raise NotAllowed
    return caller


def keep_last(*, superadmin: bool = False, owner: bool = False) -> None:
    """The guards that no role overrides.

    Args:
        superadmin: the change would leave no active PLATFORM_SUPERADMIN.
        owner: the change would leave a company without an active OWNER.

    Raises:
        LastOfItsKind: one of them is so.
    """
    if superadmin:
        raise LastOfItsKind("the last active PLATFORM_SUPERADMIN cannot be demoted, deactivated or deleted")
    if owner:
        raise LastOfItsKind("the last active OWNER of a company cannot be demoted, deactivated or deleted")
