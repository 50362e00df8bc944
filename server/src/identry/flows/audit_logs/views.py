"""An entry as it is told: one by one, in pages, and in files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from identry.core.ids import number_of
from identry.flows.audit_logs.queries import Entry

_COMPUTED = frozenset("=+-@\t\r\n")


class LogEntry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What somebody did. `admin_id` and `admin_email` are of the account that did it, whatever its role; `target_*` of
    what it was done to: an account, an application, or `settings` for everything else; `details` what else is known.
    """

    id: int
    audit_id: UUID
    action: str
    actor_type: Literal["user", "machine", "system", "anonymous"]
    success: bool
    target_type: Literal["user", "application", "settings"]
    details: dict[str, Any] = msgspec.field(name="details")
    created_at: datetime
    admin_id: int | None = None
    admin_email: str | None = None
    app_id: int | None = None
    target_user_id: int | None = None
    target_id: int | None = None
    target_name: str | None = None
    company_id: UUID | None = None
    session_id: UUID | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


COLUMNS = (
    "id", "audit_id", "created_at", "action", "success", "actor_type", "admin_id", "admin_email", "target_type",
    "target_id", "target_name", "app_id", "company_id", "session_id", "ip_address", "user_agent", "request_id",
    "details",
)  # fmt: skip
"""Of a CSV file."""


def view(entry: Entry) -> LogEntry:
    """The view of a row."""
    kind: Literal["user", "application", "settings"] = "settings"
    if entry.target_number is not None:
        kind = "user"
    elif entry.app_number is not None:
        kind = "application"
    return LogEntry(
        id=number_of(entry.id),
        audit_id=entry.id,
        action=entry.event,
        actor_type=entry.actor_type,  # type: ignore[arg-type]  # the column's check
        success=entry.success,
        target_type=kind,
        details=entry.details,
        created_at=entry.occurred_at,
        admin_id=entry.actor_number,
        admin_email=entry.actor_email,
        app_id=entry.app_number,
        target_user_id=entry.target_number,
        target_id=entry.target_number or entry.app_number,
        target_name=entry.target_email or entry.app_name,
        company_id=entry.company_id,
        session_id=entry.session_id,
        ip_address=entry.ip,
        user_agent=entry.user_agent,
        request_id=entry.request_id,
    )


def as_csv(entries: Sequence[Entry], *, head: bool) -> bytes:
    """Lines of a CSV file (RFC 4180) in UTF-8; `head` puts the names of the columns before them."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    if head:
        writer.writerow(COLUMNS)
    shown = [view(entry) for entry in entries]
    writer.writerows([[cell(getattr(row, name)) for name in COLUMNS] for row in shown])
    return text.getvalue().encode()


def as_ndjson(entries: Sequence[Entry], *, head: bool) -> bytes:  # noqa: ARG001 - the other form has one
    """One JSON object a line."""
    return b"".join(msgspec.json.encode(view(entry)) + b"\n" for entry in entries)


def cell(value: Any) -> str:
    """A cell; text that a spreadsheet would compute begins with an apostrophe (OWASP, CSV injection)."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode().strip('"')
    return "'" + text if text[:1] in _COMPUTED else text
