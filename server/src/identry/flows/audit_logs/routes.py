"""GET /api/admin/logs, /api/admin/logs/{id} and /api/admin/logs/export."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from identry.core.address import canonical_address
from identry.flows.audit_logs.queries import Wanted
from identry.flows.audit_logs.service import AuditLogs, NoSuchEntry
from identry.flows.audit_logs.views import LogEntry, view
from identry.web.call import Call, Stream
from identry.web.errors import InvalidRequest
from identry.web.operations import Guard, Handler, Operation
from identry.web.paging import provider_page_of

_PATH = "/api/admin/logs"
_Number = Annotated[int, Meta(ge=1, le=2**53)]
_Instant = Annotated[datetime, Meta(tz=True)]
_FILE = {"csv": "text/csv; charset=utf-8; header=present", "ndjson": "application/x-ndjson"}
_ABOUT = """\
The newest first. Behind a page of a hundred thousand entries go on with `cursor`, the `next_cursor` of the page before:
it costs the same wherever it is, and nothing is skipped or told twice while entries are added.
"""
_ABOUT_FILE = """\
The entries of `GET /api/admin/logs`, the newest first, made while it is sent. An answer that breaks off is not whole.
What is older than the last entry of a file is had with its `audit_id` as `cursor`. In CSV, text that a spreadsheet
would compute begins with an apostrophe. That it was taken along is in the log (`audit.exported`).
"""


class LogsAsked(msgspec.Struct, kw_only=True):
    """Which entries; what is not said is not asked for."""

    start_date: Annotated[_Instant | None, Meta(description="From then on.")] = None
    end_date: Annotated[_Instant | None, Meta(description="Until then.")] = None
    action: Annotated[
        str, Meta(max_length=100, description="One event, or all that begin so: `user.*`.", examples=["client.created"])
    ] = ""
    kind: Annotated[
        Literal["all", "administration"], Meta(description="`administration`: neither sign-ins nor tokens.")
    ] = "all"
    admin_id: Annotated[_Number | None, Meta(description="Administered by this account.")] = None
    user_id: Annotated[_Number | None, Meta(description="Done to this account.")] = None
    app_id: Annotated[_Number | None, Meta(description="At this application.")] = None
    target_type: Literal["", "user", "application", "settings"] = ""
    ip: Annotated[str, Meta(max_length=64, description="From this address; refreshes are not found by it.")] = ""
    success: Annotated[bool | None, Meta(description="Done, or refused.")] = None
    cursor: Annotated[UUID | None, Meta(description="Only what is older than this entry.")] = None


class LogsPage(LogsAsked, kw_only=True):
    """Which page, of which entries."""

    page: Annotated[str, Meta(description="From 1; with a cursor it counts no further.")] = ""
    page_size: Annotated[str, Meta(description="1 to 100; 20 otherwise.")] = ""


class LogsFile(LogsAsked, kw_only=True):
    """Which entries, in which form."""

    format: Literal["csv", "ndjson"] = "csv"
    limit: Annotated[int, Meta(ge=1, le=100_000)] = 10_000


class LogsFound(msgspec.Struct, frozen=True):
    """One page of the log; more than 10,000 count as 10,000. `next_cursor` null: there is no more."""

    logs: list[LogEntry]
    total_count: int
    page: int
    page_size: int
    next_cursor: UUID | None


def operations(service: AuditLogs) -> list[Operation]:
    """The room's rows of the operation table."""

    async def listing(call: Call) -> LogsFound:
        asked: LogsPage = call.query
        page = provider_page_of(asked.page, asked.page_size)
        found, total = await service.page(_wanted(asked), page.limit, page.offset)
        more = found[-1].id if len(found) == page.limit else None
        return LogsFound([view(entry) for entry in found], total, page.page, page.page_size, more)

    async def read(call: Call) -> LogEntry:
        return view(await service.read(call.path["id"]))

    async def export(call: Call) -> Stream:
        asked: LogsFile = call.query
        parts = service.export(_wanted(asked), asked.limit, asked.format, call.actor.user.id, call.origin)
        name = {"Content-Disposition": f'attachment; filename="audit-log.{asked.format}"'}
        return Stream(parts, _FILE[asked.format], {**name, "Cache-Control": "no-store"})

    return [
        _row(_PATH, listing, "List the audit log", query=LogsPage, reply=LogsFound, description=_ABOUT),
        _row(
            f"{_PATH}/export",
            export,
            "Take the audit log along",
            query=LogsFile,
            media_type="text/csv, application/x-ndjson",
            description=_ABOUT_FILE,
        ),
        _row(f"{_PATH}/{{id}}", read, "Read an entry of the audit log", reply=LogEntry, errors=(NoSuchEntry,)),
    ]


def _row(path: str, handler: Handler, summary: str, **more: Any) -> Operation:
    return Operation(
        "GET", path, handler, summary, "Administration", Guard.APP_USER, surface="api", reach="platform.admin", **more
    )


def _wanted(asked: LogsAsked) -> Wanted:
    ip = canonical_address(asked.ip) if asked.ip else ""
    if ip is None:
        raise InvalidRequest.field("ip", "format", "is not an address")
    return Wanted(
        before=asked.cursor,
        since=asked.start_date,
        until=asked.end_date,
        action=asked.action,
        administered=asked.kind == "administration",
        admin=asked.admin_id,
        user=asked.user_id,
        app=asked.app_id,
        target=asked.target_type,
        ip=ip,
        success=asked.success,
    )
