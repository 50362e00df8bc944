"""What a change of an account entails (contracts/platform-api.md §6 "Side effects", §15): pure, no SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from identry.records.users import ApprovalStatus, AuthProvider, GlobalRole, User

COLUMNS = {
    "email": "email",
    "fullName": "full_name",
    "globalRole": "global_role",
    "isActive": "is_active",
    "approvalStatus": "approval_status",
    "phoneNumber": "phone_number",
    "profilePictureUrl": "profile_picture_url",
    "authProvider": "auth_provider",
}
"""Field on the wire → column. `password` is not among them: its hash is."""

_OWN_EVENTS = frozenset({"email", "password_hash", "global_role", "is_active", "approval_status", "email_verified"})
_APPROVAL_EVENTS = {ApprovalStatus.APPROVED: "user.approved", ApprovalStatus.REJECTED: "user.rejected"}
_APPROVAL_MAILS = {ApprovalStatus.APPROVED: "account_approved", ApprovalStatus.REJECTED: "account_rejected"}


@dataclass(frozen=True, slots=True)
class Effects:
    """All that one change does.

    Attributes:
        columns: what is written; empty: nothing changes.
        events: audit events with their details.
        mails: templates of the mails to the account.
        ends_sessions: sessions, access tokens and one-time tokens end.
        loses_standing: the account could sign in before and cannot after.
        loses_superadmin: it was an active PLATFORM_SUPERADMIN and is none after.
    """

    columns: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    mails: list[str]
    ends_sessions: bool
    loses_standing: bool
    loses_superadmin: bool


def effects_of(user: User, asked: Mapping[str, Any], password_hash: str | None = None) -> Effects:
    """What it means to ask this of that account.

    Args:
        user: the row as it is (locked).
        asked: field on the wire → value; `password` is ignored in favour of `password_hash`.
        password_hash: of the new password, when one is set.
    """
    columns = _changed_columns(user, asked, password_hash)
    could_act = user.is_active and user.approval_status == ApprovalStatus.APPROVED
    can_act = (
        columns.get("is_active", user.is_active)
        and columns.get("approval_status", user.approval_status) == ApprovalStatus.APPROVED
    )
    loses_standing = could_act and not can_act
    was_superadmin = could_act and user.global_role == GlobalRole.PLATFORM_SUPERADMIN
    return Effects(
        columns=columns,
        events=_events(user, columns),
        mails=_mails(columns),
        ends_sessions=loses_standing
        or columns.get("is_active") is False
        or columns.get("approval_status") == ApprovalStatus.REJECTED
        or not columns.keys().isdisjoint({"password_hash", "email", "global_role"}),
        loses_standing=loses_standing,
        loses_superadmin=was_superadmin and (loses_standing or "global_role" in columns),
    )


def _changed_columns(user: User, asked: Mapping[str, Any], password_hash: str | None) -> dict[str, Any]:
    wanted = {COLUMNS[name]: value for name, value in asked.items() if name in COLUMNS}
    if wanted.get("approval_status") == ApprovalStatus.APPROVED and user.approval_status == ApprovalStatus.PENDING:
        # Approval lets a registration in by itself, so that a moderator need not touch isActive.
        wanted.setdefault("is_active", True)
    if password_hash is not None:
        wanted["password_hash"] = password_hash
    if wanted.get("auth_provider", AuthProvider.PASSWORD) != AuthProvider.PASSWORD:
        # An account of another provider has no password: the old one must not stay as a way around that provider.
        wanted["password_hash"] = None
    changed = {name: value for name, value in wanted.items() if getattr(user, name) != value}
    if "email" in changed:
        changed["email_verified"] = False
    return changed


def _events(user: User, columns: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    events: list[tuple[str, dict[str, Any]]] = []
    plain = sorted(name for name, column in COLUMNS.items() if column in columns and column not in _OWN_EVENTS)
    details: dict[str, Any] = {"fields": plain} if plain else {}
    approval = columns.get("approval_status")
    if approval is not None:
        moved = {"approvalStatus": _move(user.approval_status, approval)}
        if approval in _APPROVAL_EVENTS:
            if columns.get("is_active"):
                moved["isActive"] = _move(user.is_active, True)
            events.append((_APPROVAL_EVENTS[approval], moved))
        else:
            details = {"fields": [*plain, "approvalStatus"], **moved}
    if "is_active" in columns and not (columns["is_active"] and approval == ApprovalStatus.APPROVED):
        name = "user.reactivated" if columns["is_active"] else "user.deactivated"
        events.append((name, {"isActive": _move(user.is_active, columns["is_active"])}))
    if "global_role" in columns:
        events.append(("user.global_role_changed", {"globalRole": _move(user.global_role, columns["global_role"])}))
    if "password_hash" in columns:
        events.append(("user.password_changed", {"fields": ["password"]}))
    if "email" in columns:
        events.append(("user.email_changed", {"fields": ["email"]}))
    if details:
        events.append(("user.updated", details))
    return events


def _mails(columns: Mapping[str, Any]) -> list[str]:
    mails = []
    if columns.get("approval_status") in _APPROVAL_MAILS:
        mails.append(_APPROVAL_MAILS[columns["approval_status"]])
    if columns.get("is_active") is False:
        mails.append("account_deactivated")
    if columns.get("password_hash") is not None:
        mails.append("password_changed")
    return mails


def _move(old: object, new: object) -> dict[str, object]:
    return {"from": old, "to": new}
