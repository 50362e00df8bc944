"""GET /api/admin/dashboard/stats, /activity, /login-trends, /app-usage and /health."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from identry.core.ids import number_of
from identry.flows.dashboard.queries import Activity
from identry.flows.dashboard.service import Dashboard
from identry.web.call import Call
from identry.web.operations import Guard, Handler, Operation

_PREFIX = "/api/admin/dashboard"
_CAPPED = "What is more than 100,000 counts as that many."


class DashboardStats(msgspec.Struct, frozen=True):
    """The platform now; sign-ins, failures and new accounts are of the last 24 hours. `active_users` are accounts that
    are not deactivated, `locked_accounts` those that are.
    """

    total_users: int
    active_users: int
    locked_accounts: int
    total_apps: int
    active_apps: int
    active_sessions: int
    new_users: int
    logins: int
    failed_logins: int
    failed_logins_24h: int
    blocked_ips: int


class ActivityQuery(msgspec.Struct):
    """How much."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class ActivityItem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One event; `user_id` is whom it concerned, else who did it."""

    id: int
    type: str
    description: str
    success: bool
    created_at: datetime
    user_id: int | None = None
    user_email: str = ""
    app_id: int | None = None
    app_name: str = ""
    ip_address: str = ""
    metadata: dict[str, Any] = {}


class ActivityFound(msgspec.Struct, frozen=True):
    """What happened last, the newest first; `total` is how many are told."""

    activities: list[ActivityItem]
    total: int


class TrendsQuery(msgspec.Struct):
    """How far back."""

    days: Annotated[int, Meta(ge=1, le=90, description="Today among them.")] = 7


class LoginTrend(msgspec.Struct, frozen=True):
    """Sign-ins of one day."""

    date: Annotated[date, Meta(examples=["2026-03-01"])]
    success_count: int
    failure_count: int
    unique_users: int


class LoginTrends(msgspec.Struct, frozen=True):
    """Sign-ins by day (UTC), the oldest first."""

    trends: list[LoginTrend]
    period: Annotated[str, Meta(examples=["7d"])]


class AppUsage(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One application: its members, those people who have a live session at it, its sign-ins of 30 days."""

    app_id: int
    app_name: str
    client_id: str
    total_users: int
    active_users: int
    total_logins: int
    last_activity: datetime | None = None


class AppsUsage(msgspec.Struct, frozen=True):
    """The newest 500 applications, and how many there are."""

    apps: list[AppUsage]
    total: int


class Dependency(msgspec.Struct, frozen=True):
    """How something that this server needs is."""

    status: Annotated[str, Meta(examples=["ok"])]
    latency: Annotated[str, Meta(examples=["1.2ms"])]


class DashboardHealth(msgspec.Struct, frozen=True):
    """How this server and what it needs are; `uptime` is of the worker that answers."""

    status: Literal["healthy", "degraded"]
    database: Dependency
    dependencies: dict[str, Dependency]
    uptime: Annotated[str, Meta(examples=["26h14m3s"])]
    version: str


def operations(service: Dashboard, version: str) -> list[Operation]:
    """The room's rows of the operation table."""

    async def stats(_: Call) -> DashboardStats:
        s = await service.stats()
        return DashboardStats(
            total_users=s.users,
            active_users=s.users - s.inactive_users,
            locked_accounts=s.inactive_users,
            total_apps=s.apps,
            active_apps=s.active_apps,
            active_sessions=s.sessions,
            new_users=s.new_users,
            logins=s.logins,
            failed_logins=s.failures,
            failed_logins_24h=s.failures,
            blocked_ips=s.blocked,
        )

    async def activity(call: Call) -> ActivityFound:
        found = [_item(event) for event in await service.activity(call.query.limit)]
        return ActivityFound(found, len(found))

    async def trends(call: Call) -> LoginTrends:
        found = await service.trends(call.query.days)
        return LoginTrends([LoginTrend(d.day, d.succeeded, d.failed, d.people) for d in found], f"{call.query.days}d")

    async def usage(_: Call) -> AppsUsage:
        found, total = await service.usage()
        apps = [
            AppUsage(
                app_id=u.number,
                app_name=u.name,
                client_id=u.client_id,
                total_users=u.members,
                active_users=u.active,
                total_logins=u.logins,
                last_activity=u.last_activity,
            )
            for u in found
        ]
        return AppsUsage(apps, total)

    async def health(_: Call) -> DashboardHealth:
        found, uptime = await service.health()
        checks = {name: Dependency(h.status, f"{h.latency * 1000:.1f}ms") for name, h in found.items()}
        minutes, seconds = divmod(int(uptime.total_seconds()), 60)
        return DashboardHealth(
            "healthy" if all(check.status == "ok" for check in checks.values()) else "degraded",
            checks["postgres"],
            checks,
            f"{minutes // 60}h{minutes % 60}m{seconds}s",
            version,
        )

    return [
        _row("/stats", stats, "The platform in figures", reply=DashboardStats, description=_CAPPED),
        _row("/activity", activity, "What happened last", query=ActivityQuery, reply=ActivityFound),
        _row("/login-trends", trends, "Sign-ins by day", query=TrendsQuery, reply=LoginTrends, description=_CAPPED),
        _row("/app-usage", usage, "How applications are used", reply=AppsUsage, description=_CAPPED),
        _row("/health", health, "How this server and what it needs are", reply=DashboardHealth),
    ]


def _row(path: str, handler: Handler, summary: str, **more: Any) -> Operation:
    return Operation(
        "GET",
        _PREFIX + path,
        handler,
        summary,
        "Administration",
        Guard.APP_USER,
        surface="api",
        reach="platform.admin",
        **more,
    )


def _item(event: Activity) -> ActivityItem:
    reason = str(event.details.get("reason", ""))
    words = event.event.replace(".", " ").replace("_", " ")
    return ActivityItem(
        id=number_of(event.id),
        type=event.event,
        description=f"{words}: {reason}" if reason else words,
        success=event.success,
        created_at=event.occurred_at,
        user_id=event.user_number,
        user_email=event.user_email or "",
        app_id=event.app_number,
        app_name=event.app_name or "",
        ip_address=event.ip or "",
        metadata=event.details,
    )
