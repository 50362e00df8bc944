"""GET /api/admin/security/events and GET /api/apps/{id}/logs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from identry.core.ids import number_of
from identry.flows.security_events.service import Event, SecurityEvents, Wanted
from identry.web.call import Call
from identry.web.operations import Guard, Operation
from identry.web.paging import provider_page_of

_Number = Annotated[int, Meta(ge=1, le=2**53)]


class EventsQuery(msgspec.Struct):
    """Which page, of which events."""

    page: Annotated[str, Meta(description="From 1.")] = ""
    page_size: Annotated[str, Meta(description="1 to 100; 20 otherwise.")] = ""
    app_id: Annotated[_Number | None, Meta(description="Of one application.")] = None
    user_id: Annotated[_Number | None, Meta(description="By or about one person.")] = None
    event_type: Annotated[str, Meta(max_length=100, description="Of one name.", examples=["client.created"])] = ""


class LogsQuery(msgspec.Struct):
    """Which page, of which events."""

    page: Annotated[str, Meta(description="From 1.")] = ""
    page_size: Annotated[str, Meta(description="1 to 100; 20 otherwise.")] = ""
    user_id: Annotated[_Number | None, Meta(description="By or about one person.")] = None
    event_type: Annotated[str, Meta(max_length=100, description="Of one name.", examples=["client.created"])] = ""


class ActivityLog(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One event. `user_id` is whom it concerned, else who did it; `metadata` what else is known."""

    id: int
    event_type: str
    severity: str
    success: bool = msgspec.field(name="success")
    created_at: datetime
    user_id: int | None = None
    user_email: str | None = None
    app_id: int | None = None
    ip_address: str | None = None
    user_agent: str | None = None
    details: str = ""
    metadata: dict[str, Any] = {}
    request_id: str | None = None
    session_id: UUID | None = None


class Events(msgspec.Struct, frozen=True):
    """One page of events; more than 10,000 count as 10,000."""

    events: list[ActivityLog]
    total_count: int
    page: int
    page_size: int


class Logs(msgspec.Struct, frozen=True):
    """One page of what happened at an application; more than 10,000 count as 10,000."""

    logs: list[ActivityLog]
    total_count: int
    page: int
    page_size: int


def operations(service: SecurityEvents) -> list[Operation]:
    """The room's rows of the operation table."""

    async def events(call: Call) -> Events:
        query: EventsQuery = call.query
        page = provider_page_of(query.page, query.page_size)
        wanted = Wanted(query.app_id, query.user_id, query.event_type)
        found, total = await service.page(wanted, page.limit, page.offset)
        return Events([_shown(event) for event in found], total, page.page, page.page_size)

    async def logs(call: Call) -> Logs:
        query: LogsQuery = call.query
        page = provider_page_of(query.page, query.page_size)
        wanted = Wanted(call.app.number, query.user_id, query.event_type)
        found, total = await service.page(wanted, page.limit, page.offset)
        return Logs([_shown(event) for event in found], total, page.page, page.page_size)

    return [
        Operation(
            "GET",
            "/api/admin/security/events",
            events,
            "List what happened, the newest first",
            "Administration",
            Guard.APP_USER,
            surface="api",
            reach="platform.admin",
            query=EventsQuery,
            reply=Events,
        ),
        Operation(
            "GET",
            "/api/apps/{app_id:number}/logs",
            logs,
            "List what happened at an application, the newest first",
            "Applications",
            Guard.APP_USER,
            surface="api",
            reach="app.manage",
            query=LogsQuery,
            reply=Logs,
        ),
    ]


def _shown(event: Event) -> ActivityLog:
    success = event.outcome == "success"
    return ActivityLog(
        id=number_of(event.id),
        event_type=event.event,
        severity="info" if success else "warning",
        success=success,
        created_at=event.occurred_at,
        user_id=event.user_number,
        user_email=event.user_email,
        app_id=event.app_number,
        ip_address=event.ip,
        user_agent=event.user_agent,
        details=str(event.details.get("reason", "")),
        metadata={**event.details, "audit_id": str(event.id)},
        request_id=event.request_id,
        session_id=event.session_id,
    )
