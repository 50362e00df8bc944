"""GET /api/admin/security/threats and GET /api/admin/security/ip-reputation/{ip}."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from identry.flows.threats.queries import Tally
from identry.flows.threats.service import NotAnAddress, Threats
from identry.web.call import Call
from identry.web.operations import Guard, Handler, Operation

_PREFIX = "/api/admin/security"
_SPANS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_Score = Annotated[float, Meta(ge=0, le=100, examples=[4.0])]
_ABOUT = """\
From the audit log: `failure_burst` (ten failures from one address within an hour), `lock_out` (an address used up its
tries at an account), `flood` (or at all), `refresh_token_reuse` and `code_reuse` (something that is good once was used
twice), `passkey_copied`, `machine_key_guess`. `risk_score` is the share of sign-ins that failed, in per cent, over
twenty more that went well; 50 at least when something was used twice. Of each event the newest 5,000 are looked at;
sign-ins are counted up to 100,000.
"""
_ABOUT_ADDRESS = """\
What this server knows of one address, of the last day and of the last thirty; nobody else is asked. Refreshes do not
count. `score` and `risk_score` are the same: 0 is nothing against it.
"""


class ThreatsQuery(msgspec.Struct):
    """Of which span."""

    period: Annotated[Literal["24h", "7d", "30d"], Meta(description="Back from now.")] = "24h"


class Threat(msgspec.Struct, frozen=True):
    """A kind of threat."""

    type: str
    count: int
    unique_ips: int
    affected_users: int
    last_seen: datetime | None


class SuspiciousIp(msgspec.Struct, frozen=True):
    """An address behind them."""

    ip_address: str
    event_count: int
    event_types: list[str]
    affected_users: int
    first_seen: datetime
    last_seen: datetime
    is_blocked: bool


class ThreatsFound(msgspec.Struct, frozen=True):
    """Threats of a span; `suspicious_events` is the sum of `top_threats`, `suspicious_ips` has the busiest twenty."""

    period: str
    successful_logins: int
    failed_logins: int
    blocked_ips: int
    suspicious_events: int
    risk_score: _Score
    top_threats: list[Threat]
    suspicious_ips: list[SuspiciousIp]


class Span(msgspec.Struct, frozen=True):
    """What came from an address in a span of time; `accounts` is how many accounts it was about."""

    events: int
    succeeded: int
    failed: int
    accounts: int
    lock_outs: int
    token_reuse: int

    @classmethod
    def of(cls, tally: Tally) -> Span:
        """The view of a count."""
        return cls(tally.events, tally.succeeded, tally.failed, tally.accounts, tally.lock_outs, tally.reuse)


class IpReputation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is known of an address; `failed_auth` is of thirty days, `failed_logins_24h` of one."""

    ip_address: str
    is_blocked: bool
    score: _Score
    risk_score: _Score
    failed_auth: int
    failed_logins_24h: int
    events_24h: int
    unique_users_targeted: int
    last_24h: Span
    last_30d: Span
    block_id: int | None = None
    block_reason: str | None = None
    blocked_until: datetime | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None


def operations(service: Threats) -> list[Operation]:
    """The room's rows of the operation table."""

    async def threats(call: Call) -> ThreatsFound:
        period = call.query.period
        seen = await service.overview(_SPANS[period])
        kinds = [Threat(k.name, k.count, k.addresses, k.accounts, k.last_seen) for k in seen.kinds]
        suspects = [
            SuspiciousIp(s.ip, s.count, sorted(s.kinds), s.accounts, s.first_seen, s.last_seen, blocked)
            for s, blocked in seen.suspects
        ]
        total = sum(kind.count for kind in kinds)
        return ThreatsFound(period, seen.succeeded, seen.failed, seen.blocked, total, float(seen.risk), kinds, suspects)

    async def reputation(call: Call) -> IpReputation:
        found = await service.reputation(call.path["ip"])
        day, month, block = found.last_day, found.last_month, found.block
        return IpReputation(
            ip_address=found.ip,
            is_blocked=block is not None,
            score=float(found.risk),
            risk_score=float(found.risk),
            failed_auth=month.failed,
            failed_logins_24h=day.failed,
            events_24h=day.events,
            unique_users_targeted=month.accounts,
            last_24h=Span.of(day),
            last_30d=Span.of(month),
            block_id=block.number if block else None,
            block_reason=block.reason if block else None,
            blocked_until=block.expires_at if block else None,
            first_seen=month.first_seen,
            last_seen=month.last_seen,
        )

    return [
        _row("/threats", threats, "Who tries to get in", query=ThreatsQuery, reply=ThreatsFound, description=_ABOUT),
        _row(
            "/ip-reputation/{ip}",
            reputation,
            "What is known of an address",
            reply=IpReputation,
            errors=(NotAnAddress,),
            description=_ABOUT_ADDRESS,
        ),
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
